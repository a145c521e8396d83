"""Who acts, and from where: known to every service without being handed on through each call.

A request is bound to its context by the middleware, so that whoever the authentication found is the actor of all that
the request writes. What else acts for somebody (a command, a link in a message) says so by `acting_as`.
"""

import dataclasses
import getpass
import ipaddress
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from siteadmin.core.principals import KeyPrincipal


class ActorKind(models.TextChoices):
    """By what somebody acts."""

    USER = "user", "User"
    KEY = "key", "API key"
    LINK = "link", "Link in a message"
    BROKER = "broker", "MQTT broker"
    COMMAND = "command", "Command"
    NOBODY = "nobody", "Nobody logged in"
    SYSTEM = "system", "The site itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts; `id` is the user's or the key's, `address` the client's behind the trusted proxies."""

    kind: ActorKind
    name: str = ""
    id: int | None = None
    address: str | None = None
    request_id: str = ""


_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_stated: ContextVar[Actor | None] = ContextVar("actor", default=None)


class ActorMiddleware:
    """Bind each request to its context; stands behind the middleware that finds the client's address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Bind it for as long as it is answered."""
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)


def current_actor() -> Actor:
    """Give who acts in this context: whom `acting_as` names, else who sent the request, else the site itself."""
    stated = _stated.get()
    if stated is not None:
        return stated
    request = _request.get()
    return Actor(kind=ActorKind.SYSTEM) if request is None else _sender_of(request)


@contextmanager
def acting_as(kind: ActorKind, name: str) -> Iterator[None]:
    """Let all that is written within be somebody's; where from stays as it is."""
    token = _stated.set(dataclasses.replace(current_actor(), kind=kind, name=name, id=None))
    try:
        yield
    finally:
        _stated.reset(token)


@contextmanager
def acting_as_command(name: str) -> Iterator[None]:
    """Let what a command of manage.py writes be that of whoever runs it on the machine."""
    try:
        person = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        person = f"uid {os.getuid()}"
    with acting_as(ActorKind.COMMAND, f"{name} by {person}"):
        yield


def _sender_of(request: HttpRequest) -> Actor:
    # DRF puts whom it authenticated onto Django's request too.
    user: Any = getattr(request, "user", None)
    origin: dict[str, Any] = {
        "address": _address(request.META.get("REMOTE_ADDR", "")),
        "request_id": getattr(request, "request_id", ""),
    }
    if isinstance(user, KeyPrincipal):
        return Actor(kind=ActorKind.KEY, name=user.key.name, id=user.key.pk, **origin)
    if user is None or not user.is_authenticated:
        return Actor(kind=ActorKind.NOBODY, **origin)
    return Actor(kind=ActorKind.USER, name=user.get_username(), id=user.pk, **origin)


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:  # a Unix socket, say
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
