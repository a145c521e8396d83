"""Webhooks as Standard Webhooks 1.0.0 has them: signed POST requests (docs/webhooks.md)."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets as randomness
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.utils import timezone

from alerts.channels.base import (
    MASK,
    MASK_IN_URL,
    ChannelError,
    Config,
    ConfigError,
    Message,
    Sent,
    address_problem,
    mask_path,
    mask_query,
    refuse_unknown_keys,
)
from alerts.results import Notice
from siteadmin.core import http

MAX_ANSWER_BYTES = 1024 * 1024
"""Nobody reads the answer, but one cut off would count as none."""
LONGEST_RETRY_AFTER = timedelta(hours=1)
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix, not a secret
SECRET_BYTES = range(24, 65)
NEW_SECRET_BYTES = 32

LONGEST_URL = 2000
MOST_HEADERS = 20
LONGEST_HEADER = 4000
HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}\Z")
HEADER_VALUE = re.compile(r"[\x21-\x7e\xa1-\xff](?:[\t\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa1-\xff])?\Z")
RESERVED_HEADERS = http.OURS | {
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "content-type",
    "content-encoding",
    "user-agent",
    # Hop by hop (RFC 9110, 7.6.1) or about this very connection.
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
}
"""Headers that a channel cannot set: ours, and those between two hops."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRIED = frozenset({408, 425, 429})
THROTTLING = frozenset({429, *range(500, 600)})
"""Answers of which Retry-After is honoured."""


class WebhookTransport:
    """One signed POST request an attempt."""

    wants_picture = False
    knows_keys = True

    def validate(self, config: Config, *, old: Config | None = None) -> Config:
        """Check URL and headers; a masked value keeps the old one."""
        refuse_unknown_keys(config, known={"url", "headers"})
        problems: dict[str, str] = {}
        url, headers = config.get("url"), config.get("headers", {})
        if old is not None and url == mask_credentials(str(old["url"])):
            url = old["url"]
        problem = _url_problem(url)
        if problem:
            problems["config.url"] = problem
        if isinstance(headers, dict):
            headers = _unmasked(headers, old=(old or {}).get("headers", {}))
            problems |= _header_problems(headers)
        else:
            problems["config.headers"] = "Takes an object of names and values"
        if problems:
            raise ConfigError(problems)
        return {"url": url, "headers": headers}

    def mask(self, config: Config) -> Config:
        """Hide in the URL a password, the path's tokens and the query's values, and the values of all headers."""
        return {"url": mask_credentials(config["url"]), "headers": dict.fromkeys(config["headers"], MASK)}

    def make_secret(self, given: str) -> str:
        """Check a given secret, or make one of 32 random bytes."""
        if not given:
            return SECRET_PREFIX + base64.b64encode(randomness.token_bytes(NEW_SECRET_BYTES)).decode()
        try:
            length = len(_secret_bytes(given)) if given.startswith(SECRET_PREFIX) else 0
        except binascii.Error:
            length = 0
        if length not in SECRET_BYTES:
            raise ConfigError({"secret": "Takes whsec_ followed by 24 to 64 random bytes in base64"})
        return given

    def target(self, config: Config) -> str | None:
        """Name the host."""
        return urlsplit(config["url"]).netloc.rpartition("@")[2].lower()

    def problem(self) -> str:
        """It needs no set-up of the site."""
        return ""

    def compose(self, notice: Notice, *, key: str, config: Config) -> bytes:
        """Give the JSON body."""
        body = {"type": notice.type, "timestamp": rfc3339(notice.at), "data": notice.data}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    def send(self, message: Message, *, config: Config, secrets: tuple[str, ...] = ()) -> Sent:
        """Sign and post; 2xx alone is success."""
        try:
            response = http.request(
                "POST",
                config["url"],
                headers={
                    **config["headers"],
                    "Content-Type": "application/json",
                    **signed_headers(message, secrets=secrets, timestamp=int(time.time())),
                },
                content=message.body,
                timeout=settings.WEBHOOK_TIMEOUT,
                max_bytes=MAX_ANSWER_BYTES,
            )
        except http.OutboundError as error:
            refused = error.kind is http.OutboundErrorKind.REFUSED
            raise ChannelError(error.message, permanent=refused) from error
        if response.is_success:
            return Sent(status_code=response.status)
        raise refusal_of(response)


def signed_headers(message: Message, *, secrets: Iterable[str], timestamp: int) -> dict[str, str]:
    """Give the three headers of Standard Webhooks, a signature a secret; `timestamp` is in whole Unix seconds."""
    content = f"{message.key}.{timestamp}.".encode() + message.body
    digests = [hmac.new(_secret_bytes(secret), content, hashlib.sha256).digest() for secret in secrets]
    return {
        "webhook-id": message.key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


def parse_retry_after(text: str | None, *, now: datetime) -> timedelta | None:
    """Read a Retry-After header, in seconds or as an HTTP date (RFC 9110, 10.2.3), an hour at most; None where bad."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        # A number beyond all sense must not overflow a timedelta.
        return min(timedelta(seconds=int(text[:9])), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(wait, timedelta(0)), LONGEST_RETRY_AFTER)


def mask_credentials(url: str) -> str:
    """Give the URL with password (or a user name that stands alone), tokens of the path, values of the query masked."""
    url = mask_path(mask_query(url))
    parts = urlsplit(url)
    user, colon, _ = parts.netloc.rpartition("@")[0].partition(":")
    if "@" not in parts.netloc:
        return url
    shown = f"{user}:{MASK}" if colon else MASK
    return urlunsplit(parts._replace(netloc=f"{shown}@{parts.netloc.rpartition('@')[2]}"))


def rfc3339(at: datetime) -> str:
    """Give the time as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _secret_bytes(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def refusal_of(response: http.HttpResponse) -> ChannelError:
    """Say what an answer other than 2xx means."""
    status = response.status
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:  # a number that nobody registered
        phrase = ""
    wait = None
    if status in THROTTLING:
        wait = parse_retry_after(response.headers.get("retry-after"), now=timezone.now())
    text = f"The receiver answered {status} {phrase}".strip()
    return ChannelError(
        f"{text}; redirects are not followed: enter the new address" if status in REDIRECTS else text,
        permanent=status not in RETRIED and status < 500,
        status_code=status,
        retry_after=wait,
        gone=status == HTTPStatus.GONE,
    )


def _url_problem(url: Any) -> str:
    if not isinstance(url, str) or not url:
        return "This field is required"
    if len(url) > LONGEST_URL or " " in url or not url.isprintable():
        return f"Takes a URL of up to {LONGEST_URL} signs without spaces or control characters"
    if MASK in url:
        return MASK_IN_URL
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        return "Takes a URL that starts with http:// or https:// and names a host"
    return address_problem(parts.hostname or "")


def _unmasked(headers: Config, *, old: Mapping[str, str]) -> Config:
    kept = {name.lower(): value for name, value in old.items()}
    return {name: kept.get(name.lower(), value) if value == MASK else value for name, value in headers.items()}


def _header_problems(headers: Config) -> dict[str, str]:
    if len(headers) > MOST_HEADERS:
        return {"config.headers": f"At most {MOST_HEADERS} headers"}
    if len({name.lower() for name in headers}) < len(headers):
        return {"config.headers": "A header is named twice"}
    problems = {f"config.headers.{name}": _header_problem(name, value) for name, value in headers.items()}
    return {field: problem for field, problem in problems.items() if problem}


def _header_problem(name: str, value: Any) -> str:
    if not HEADER_NAME.match(name):
        return "A header's name takes letters, digits and -"
    if name.lower() in RESERVED_HEADERS:
        return "This header is set by the product"
    if not isinstance(value, str) or len(value) > LONGEST_HEADER or not HEADER_VALUE.match(value):
        return "A header's value takes one line of text"
    if value == MASK:
        return f"{MASK} stands for a value that is kept, and there is none yet"
    return ""
