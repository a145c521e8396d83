"""Who may do what: roles per action, and cameras beyond which nothing is seen."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.utils.module_loading import import_string
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from siteadmin.core.principals import KeyPrincipal
from siteadmin.core.roles import Role

DEFAULT_ROLES: Mapping[str, Role] = {
    "list": Role.VIEWER,
    "retrieve": Role.VIEWER,
    "metadata": Role.VIEWER,
    "options": Role.VIEWER,
    "create": Role.OPERATOR,
    "partial_update": Role.OPERATOR,
    "destroy": Role.OPERATOR,
}
"""What an action needs where its view does not say; an action that neither names is refused."""
READING_METHODS = ("GET", "HEAD", "OPTIONS")
STAFF_ROLES = (Role.ADMIN, Role.OPERATOR, Role.REVIEWER, Role.VIEWER)


class CameraAccess(Protocol):
    """Which cameras somebody may see."""

    @property
    def camera_ids(self) -> frozenset[str] | None:
        """The ids of these cameras; None: all, and what belongs to no camera too."""


@cache
def _access_hook(dotted_name: str) -> Callable[[Any], CameraAccess]:
    hook: Callable[[Any], CameraAccess] = import_string(dotted_name)
    return hook


def camera_access(request: Any) -> CameraAccess:
    """Ask the callable named in settings.CAMERA_ACCESS; the kernel knows no camera."""
    return _access_hook(settings.CAMERA_ACCESS)(request)


def role_of(request: Any) -> Role | None:
    """Give the role of whoever asks, or None for nobody.

    Costs one query for a member of staff whom the login's backend did not load, once a request.
    """
    user = request.user
    if isinstance(user, KeyPrincipal):
        return user.role
    if not user.is_authenticated or not user.is_active or not user.is_staff:
        return None
    if not hasattr(user, "_siteadmin_role"):
        user._siteadmin_role = role_of_user(user)
    role: Role = user._siteadmin_role
    return role


def role_of_user(user: AbstractUser) -> Role:
    """Give a member of staff the highest role that a group of theirs is named after, at least viewer."""
    names = () if user.is_superuser else user.groups.values_list("name", flat=True)
    return highest_role(names, is_superuser=user.is_superuser)


def highest_role(group_names: Iterable[str], *, is_superuser: bool) -> Role:
    """Give the highest role that one of these groups is named after, at least viewer."""
    if is_superuser:
        return Role.ADMIN
    names = set(group_names)
    return next((role for role in STAFF_ROLES if role in names), Role.VIEWER)


class RolePermission(BasePermission):
    """Lets an action through for its minimal role; one that no role is named for is refused, never served.

    A viewset names roles by action in `required_roles`, a plain view by method (`get`).
    """

    message: str | None = None

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the role suffices, and whether somebody limited to cameras asks for a change beyond these."""
        role = role_of(request)
        if role is None:
            return False
        if request.method is not None and request.method not in view.allowed_methods:
            return True  # goes on to the 405
        required = required_role(request, view)
        if required is None or not role.includes(required):
            self.message = f"This needs the role {required}" if required else None
            return False
        if request.method in READING_METHODS or not hasattr(view, "camera_lookup") or view.camera_lookup is not None:
            return True
        self.message = "This belongs to no camera, and you are limited to some cameras"
        return camera_access(request).camera_ids is None


def required_role(request: Request, view: Any) -> Role | None:
    """Give the role that this request needs, None where nobody said."""
    roles: Mapping[str, Role] = {**DEFAULT_ROLES, **getattr(view, "required_roles", {})}
    action = getattr(view, "action", None)
    return roles.get(action if isinstance(action, str) else (request.method or "").lower())
