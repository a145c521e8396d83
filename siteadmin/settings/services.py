"""Typed readers of the settings that name services of the user's own."""

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

SERVICE_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
DEFAULT_TIMEOUT = timedelta(seconds=10)
LONGEST_TIMEOUT = 60.0
"""Seconds; below the limits of the step that asks."""
ENRICHERS_TAKE = (
    "services separated by semicolons, each as name=URL, optionally followed by types=person,car and timeout=SECONDS "
    f"(at most {LONGEST_TIMEOUT:g}); names are lower-case words, each used once"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnricherSettings:
    """One service that adds attributes to detections; without `types` it is asked about all."""

    name: str
    url: str
    types: frozenset[str] = frozenset()
    timeout: timedelta = DEFAULT_TIMEOUT


def parse_enrichers(value: str) -> tuple[EnricherSettings, ...]:
    """Read `plate=http://host:8001/plate types=car,truck; face=http://host:8002/face`; ValueError for anything else."""
    parsed = tuple(_parse_one(part.split()) for part in value.split(";") if part.strip())
    if len({one.name for one in parsed}) < len(parsed):
        raise ValueError("a name is used twice")
    return parsed


def _parse_one(words: list[str]) -> EnricherSettings:
    name, _, url = words[0].partition("=")
    parts = urlsplit(url)
    if not SERVICE_NAME.fullmatch(name) or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not name=URL")
    if (parts.port or 1) < 1:
        raise ValueError("not a port")
    types: frozenset[str] = frozenset()
    timeout = DEFAULT_TIMEOUT
    for word in words[1:]:
        key, _, text = word.partition("=")
        if key == "types":
            types = frozenset(one for one in text.split(",") if one)
        elif key == "timeout":
            seconds = float(text)
            if not 0 < seconds <= LONGEST_TIMEOUT:
                raise ValueError("not a timeout")
            timeout = timedelta(seconds=seconds)
        else:
            raise ValueError("an unknown word")
    return EnricherSettings(name=name, url=url, types=types, timeout=timeout)
