"""What every kind of channel offers: checking its settings, putting a notice into bytes, and sending these."""

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

from alerts.results import Notice
from siteadmin.core import net
from siteadmin.core.clean import clean_text
from siteadmin.core.exceptions import ValidationError

MASK = "***"
"""Stands for a value that is set and not shown; sent back, it keeps the value."""
MASK_IN_URL = f"{MASK} stands for a value that is kept while the URL stays as it is; enter the whole URL"

LONGEST_FIELD = 200
PLAIN_SEGMENT = re.compile(r"([a-z][a-z_.-]{0,15}[0-9]{0,2})?\Z")
"""A word of a path that people made up: short, no capitals, two digits at most. Anything else may be a token."""
Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, the same bytes at every attempt."""

    key: str
    """The delivery's idempotency key."""
    body: bytes
    cameras: frozenset[str] | None = None
    """The cameras that it tells of, for who may see only some; None: it may tell of any."""
    spared: frozenset[int] = frozenset()
    """Ids of people whose quiet hours it is: their devices are left out this time."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel accepted the message; `note` says what is worth knowing nevertheless."""

    status_code: int | None = None
    note: str = ""


class ChannelError(Exception):
    """The channel did not accept the message; the text holds no secret."""

    def __init__(
        self,
        text: str,
        *,
        permanent: bool,
        status_code: int | None = None,
        retry_after: timedelta | None = None,
        gone: bool = False,
    ) -> None:
        super().__init__(text)
        self.permanent = permanent
        """Whether trying again is of no use."""
        self.status_code = status_code
        self.retry_after = retry_after
        """How long the receiver asked to be left alone."""
        self.gone = gone
        """Whether the receiver will never want anything again."""


class ConfigError(ValidationError):
    """The settings of a channel cannot be used; one error per key."""

    default_message = "The channel's settings are not valid"
    default_error_code = "INVALID_CHANNEL_CONFIG"

    def __init__(self, problems: dict[str, str]) -> None:
        # A key is the caller's own text, and an answer must be able to hold it.
        self.problems = {clean_text(field, limit=LONGEST_FIELD): detail for field, detail in problems.items()}
        """Detail by field, such as `config.url`."""
        super().__init__(
            errors=[{"field": field, "code": "invalid", "detail": detail} for field, detail in self.problems.items()]
        )


class Transport(Protocol):
    """One kind of channel."""

    wants_picture: bool
    """Whether a notice for it carries the annotated picture."""
    knows_keys: bool
    """Whether its receiver knows by the delivery's key what it has already, so that nobody is told twice."""

    def validate(self, config: Config, *, old: Config | None = None) -> Config:
        """Give the settings cleaned, masked values taken from `old`; raises ConfigError."""

    def mask(self, config: Config) -> Config:
        """Give the settings as they may be shown."""

    def make_secret(self, given: str) -> str:
        """Give the secret to be stored: the one given, or a new one; raises ConfigError."""

    def target(self, config: Config) -> str | None:
        """Name what its circuit breaker stands before; None: nothing outside."""

    def problem(self) -> str:
        """Say why it can send nothing at present, or give an empty text."""

    def compose(self, notice: Notice, *, key: str, config: Config) -> bytes:
        """Give the bytes to send; they are kept and sent unchanged at every attempt."""

    def send(self, message: Message, *, config: Config, secrets: tuple[str, ...] = ()) -> Sent:
        """Send once, signed with each of the secrets where the kind signs; raises ChannelError."""


def address_problem(host: str) -> str:
    """Say why an address written out is refused; that of a name is judged when it is connected to."""
    try:
        net.check_address(ipaddress.ip_address(host.strip("[]")), allowed=settings.OUTBOUND_ALLOWED_NETWORKS)
    except net.AddressRefusedError as error:
        return f"This address may not be connected to: {error}"
    except ValueError:
        return ""
    return ""


def mask_query(url: str) -> str:
    """Give the URL with every value of its query masked, any of which may be a token."""
    head, mark, query = url.partition("#")[0].partition("?")
    pairs = (pair.partition("=") for pair in query.split("&"))
    return head + mark + "&".join(f"{name}={MASK}" if equals else MASK for name, equals, _ in pairs if name or equals)


def mask_path(url: str) -> str:
    """Give the URL with all of its path masked that may be a token, as Discord, Slack and Telegram have it there."""
    parts = urlsplit(url)
    shown = "/".join(segment if PLAIN_SEGMENT.match(segment) else MASK for segment in parts.path.split("/"))
    return urlunsplit(parts._replace(path=shown))


def refuse_unknown_keys(config: Config, *, known: set[str]) -> None:
    """Raise ConfigError for keys that nothing acts on."""
    allowed = ", ".join(sorted(known)) or "none"
    unknown = {f"config.{key}": f"Unknown setting; allowed are: {allowed}" for key in config if key not in known}
    if unknown:
        raise ConfigError(unknown)


def refuse_secret(given: str) -> str:
    """Give no secret, for kinds that know none; raises ConfigError where one is given."""
    if given:
        raise ConfigError({"secret": "Only webhooks have a secret"})
    return ""
