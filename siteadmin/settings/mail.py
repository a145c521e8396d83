"""The mail server, read from EMAIL_URL."""

from typing import Any
from urllib.parse import urlsplit

import dj_email_url

SCHEMES = {"smtp": ("smtp", 25), "smtp+tls": ("submission", 587), "smtp+ssl": ("smtp", 465)}
"""By scheme: dj-email-url's name, and the usual port. smtp+tls upgrades by STARTTLS, smtp+ssl begins with TLS."""
TAKES = (
    "smtp://, smtp+tls:// (STARTTLS) or smtp+ssl:// with a host, such as smtp+tls://user:password@mail.example.com:587"
)


def parse_email_url(url: str) -> dict[str, Any]:
    """Give Django's EMAIL_ settings; raises ValueError for what names no mail server."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname or parts.port == 0:
        raise ValueError
    scheme, port = SCHEMES[parts.scheme]
    values: dict[str, Any] = dj_email_url.parse(parts._replace(scheme=scheme).geturl())
    if parts.scheme == "smtp+ssl":
        values |= {"EMAIL_USE_SSL": True, "EMAIL_USE_TLS": False}
    return values | {"EMAIL_PORT": parts.port or port}
