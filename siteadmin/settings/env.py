"""Typed readers of the environment and `.env`; a bad value is one error that names it and what it takes."""

import ipaddress
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

from siteadmin.core.timezones import find_zone

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ROOT = Path(__file__).resolve().parents[2]


class Env:
    """The environment, and beneath it the `.env` file; an empty value counts as not set."""

    def __init__(self, environ: Mapping[str, str] | None = None, *, dotenv: Path | None = ROOT / ".env") -> None:
        self._values: dict[str, str] = {}
        if dotenv is not None and dotenv.is_file():
            self._values |= {name: value or "" for name, value in dotenv_values(dotenv).items()}
        self._values |= dict(os.environ if environ is None else environ)

    def text(self, name: str, default: str = "") -> str:
        """Read a text."""
        return self._values.get(name, "").strip() or default

    def boolean(self, name: str, *, default: bool) -> bool:
        """Read a switch: 1, true, yes, on or 0, false, no, off."""

        def parse(value: str) -> bool:
            words = {"1": True, "true": True, "yes": True, "on": True}
            words |= {"0": False, "false": False, "no": False, "off": False}
            return words[value.lower()]

        return self._read(name, default, parse, takes="1 or 0")

    def integer(self, name: str, *, default: int, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
        """Read a whole number within bounds."""

        def parse(value: str) -> int:
            number = int(value)
            if not minimum <= number <= maximum:
                raise ValueError
            return number

        return self._read(name, default, parse, takes=f"a whole number from {minimum} to {maximum}")

    def number(self, name: str, *, default: float, minimum: float, maximum: float) -> float:
        """Read a number within bounds, fractions allowed."""

        def parse(value: str) -> float:
            number = float(value)
            if not minimum <= number <= maximum:
                raise ValueError
            return number

        return self._read(name, default, parse, takes=f"a number from {minimum:g} to {maximum:g}")

    def seconds(self, name: str, *, default: float, minimum: float = 0.0, maximum: float = 31_536_000.0) -> timedelta:
        """Read a duration in seconds, fractions allowed."""
        return timedelta(seconds=self.number(name, default=default, minimum=minimum, maximum=maximum))

    def path(self, name: str, *, default: Path) -> Path:
        """Read a path; a relative one counts from the project's root."""
        value = self.text(name)
        return (ROOT / Path(value).expanduser()).absolute() if value else default

    def optional_path(self, name: str) -> Path | None:
        """Read a path that may be missing; a relative one counts from the project's root."""
        return self.path(name, default=ROOT) if self.text(name) else None

    def choice(self, name: str, *, default: str, choices: tuple[str, ...]) -> str:
        """Read one of these words."""

        def parse(value: str) -> str:
            return choices[choices.index(value.lower())]

        return self._read(name, default, parse, takes=" or ".join(choices))

    def timezone(self, name: str, *, default: str) -> str:
        """Read the name of an IANA time zone."""

        def parse(value: str) -> str:
            zone = find_zone(value)
            if zone is None:
                raise ValueError("not a time zone")
            return zone.key

        return self._read(name, default, parse, takes="an IANA time zone such as Europe/Berlin")

    def words(self, name: str) -> list[str]:
        """Read a comma-separated list."""
        return [word.strip() for word in self.text(name).split(",") if word.strip()]

    def networks(self, name: str) -> list[Network]:
        """Read a comma-separated list of addresses and CIDR networks."""

        def parse(value: str) -> list[Network]:
            return [ipaddress.ip_network(word.strip(), strict=False) for word in value.split(",") if word.strip()]

        return self._read(name, [], parse, takes="addresses or CIDR networks, comma-separated, such as 192.168.1.0/24")

    def port_range(self, name: str) -> list[int]:
        """Read ports as `first-last`; none where it is empty."""

        def parse(value: str) -> list[int]:
            first, _, last = value.partition("-")
            low, high = int(first), int(last or first)
            if not 1024 <= low <= high <= 65535:
                raise ValueError
            return list(range(low, high + 1))

        return self._read(name, [], parse, takes="ports from 1024 to 65535 such as 50000-50100")

    def ipv4(self, name: str) -> str:
        """Read an IPv4 address; empty where there is none."""

        def parse(value: str) -> str:
            return str(ipaddress.IPv4Address(value))

        return self._read(name, "", parse, takes="an IPv4 address")

    def url(self, name: str, *, default: str, schemes: tuple[str, ...], is_origin: bool = False) -> str:
        """Read a URL with a host and one of these schemes; a trailing slash is dropped.

        `is_origin`: paths are put behind it, so it has none of its own.
        """

        def parse(value: str) -> str:
            parts = urlsplit(value)
            if parts.scheme not in schemes or not parts.hostname or (parts.port or 1) < 1:
                raise ValueError
            if is_origin and (parts.path.strip("/") or parts.query or parts.fragment):
                raise ValueError
            return value.rstrip("/")

        beginning = " or ".join(f"{scheme}://" for scheme in schemes)
        ending = " and has neither path nor query" if is_origin else ""
        return self._read(name, default, parse, takes=f"a URL that starts with {beginning}{ending}")

    def parsed(self, name: str, parse: Callable[[str], T], *, default: T, takes: str) -> T:
        """Read a value by a parser of the caller's."""
        return self._read(name, default, parse, takes=takes)

    def _read(self, name: str, default: T, parse: Callable[[str], T], *, takes: str) -> T:
        value = self.text(name)
        if not value:
            return default
        try:
            return parse(value)
        except (ValueError, KeyError, OSError) as error:
            shown = "the value given" if "://" in value else repr(value)
            raise ImproperlyConfigured(f"{name} takes {takes}, not {shown}") from error
