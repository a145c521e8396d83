"""EMAIL_URL: which mail servers it names, and what it refuses."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from siteadmin.settings.env import Env
from siteadmin.settings.mail import TAKES, parse_email_url


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [
        ("smtp://mail.example.org", 25, False, False),
        ("smtp://mail.example.org:2525", 2525, False, False),
        ("smtp+tls://mail.example.org", 587, True, False),
        ("smtp+tls://mail.example.org:25", 25, True, False),
        ("smtp+ssl://mail.example.org", 465, False, True),
    ],
)
def test_scheme_gives_port_and_encryption(url: str, port: int, tls: bool, ssl: bool) -> None:
    values = parse_email_url(url)

    assert (values["EMAIL_HOST"], values["EMAIL_PORT"]) == ("mail.example.org", port)
    assert (values["EMAIL_USE_TLS"], values["EMAIL_USE_SSL"]) == (tls, ssl)


def test_name_and_password_are_unquoted() -> None:
    values = parse_email_url("smtp+tls://ann%40example.org:p%2Fw@mail.example.org?_default_from_email=cams@example.org")

    assert (values["EMAIL_HOST_USER"], values["EMAIL_HOST_PASSWORD"]) == ("ann@example.org", "p/w")
    assert values["DEFAULT_FROM_EMAIL"] == "cams@example.org"


@pytest.mark.parametrize(
    "url", ["console:", "mail.example.org", "smtp://", "imap://mail.example.org", "smtp://h:0", "smtp://h:x"]
)
def test_what_names_no_mail_server_stops_the_start_without_showing_the_value(url: str) -> None:
    env = Env({"EMAIL_URL": url}, dotenv=None)

    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL takes smtp://"):
        env.parsed("EMAIL_URL", parse_email_url, default={}, takes=TAKES)
