"""E-mail over the site's own mail server (EMAIL_URL): plain text and HTML, with the annotated picture in it."""

import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail.backends.smtp import EmailBackend
from django.core.validators import validate_email
from django.template.loader import render_to_string

from alerts.channels.base import ChannelError, Config, ConfigError, Message, Sent, refuse_secret, refuse_unknown_keys
from alerts.results import Notice
from siteadmin.core import net
from siteadmin.core.clean import clean_text

DEADLINE = timedelta(seconds=30)
"""For the whole conversation, so that a server that drips holds nobody; far below the lease of a delivery."""
MOST_RECIPIENTS = 50
LONGEST_SUBJECT = 200
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
"""Control characters, line ends (those of Unicode too) and lone surrogates: a mail's header holds none."""
NOT_CONFIGURED = "The site has no mail server: set EMAIL_URL"

Replies = Mapping[str, tuple[int, bytes]]
"""The server's refusal by recipient."""


class EmailTransport:
    """One mail to all recipients of the channel."""

    wants_picture = True
    knows_keys = False

    def validate(self, config: Config, *, old: Config | None = None) -> Config:
        """Check the addresses, each kept once and with its domain in ASCII."""
        refuse_unknown_keys(config, known={"to"})
        addresses = config.get("to")
        if not isinstance(addresses, list) or not 1 <= len(addresses) <= MOST_RECIPIENTS:
            raise ConfigError({"config.to": f"Takes a list of 1 to {MOST_RECIPIENTS} addresses"})
        cleaned = [_clean_address(address) for address in addresses]
        bad = {
            f"config.to.{index}": "Enter an e-mail address" for index, address in enumerate(cleaned) if address is None
        }
        if bad:
            raise ConfigError(bad)
        return {"to": list(dict.fromkeys(cleaned))}

    def mask(self, config: Config) -> Config:
        """There is nothing to hide."""
        return config

    def make_secret(self, given: str) -> str:
        """There is no secret."""
        return refuse_secret(given)

    def target(self, config: Config) -> str | None:
        """Name the mail server."""
        return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"

    def problem(self) -> str:
        """It needs a mail server."""
        return "" if settings.EMAIL_IS_CONFIGURED and settings.EMAIL_HOST else NOT_CONFIGURED

    def compose(self, notice: Notice, *, key: str, config: Config) -> bytes:
        """Give the whole MIME message, pure ASCII with CRLF line ends."""
        picture_id = f"{key}.picture@{_site_host()}" if notice.picture is not None else ""
        context = {
            "notice": notice,
            "facts": [
                (label, [(line, _leads_here(line)) for line in text.splitlines()]) for label, text in notice.facts
            ],
            "page_url": notice.page,
            "page_words": "Open the event" if "event" in notice.links else "Open the camera",
            "acknowledge_url": notice.links.get("acknowledge", ""),
            "snooze_url": notice.links.get("snooze", ""),
            "picture_id": picture_id,
        }
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = clean_subject(notice.title)
        mail["From"] = settings.DEFAULT_FROM_EMAIL
        mail["To"] = ", ".join(config["to"])
        mail["Date"] = format_datetime(notice.at)
        mail["Message-ID"] = f"<{key}@{_site_host()}>"
        mail["List-Id"] = f"siteadmin alerts <alerts.{_site_host()}>"
        # Keeps holiday replies away (RFC 3834).
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(render_to_string("alerts/email/notice.txt", context), cte="quoted-printable")
        mail.add_alternative(
            render_to_string("alerts/email/notice.html", context), subtype="html", cte="quoted-printable"
        )
        if notice.picture is not None:
            # Inside the HTML alternative, so that programs without HTML are not shown a loose file.
            html = mail.get_body(("html",))
            assert html is not None
            html.add_related(
                notice.picture,
                maintype="image",
                subtype="jpeg",
                cid=f"<{picture_id}>",
                disposition="inline",
                filename="event.jpg",
            )
        return mail.as_bytes()

    def send(self, message: Message, *, config: Config, secrets: tuple[str, ...] = ()) -> Sent:
        """Hand the mail to the site's server; refused recipients are named where others were accepted."""
        if self.problem():
            raise ChannelError(self.problem(), permanent=True)
        sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
        try:
            with _open_server() as server:
                refused = server.sendmail(sender, config["to"], message.body)
        except smtplib.SMTPRecipientsRefused as error:
            raise _all_refused(error.recipients) from error
        except smtplib.SMTPResponseException as error:
            permanent = error.smtp_code >= 500
            text = f"The mail server answered {_reply(error.smtp_code, error.smtp_error)}"
            raise ChannelError(text, permanent=permanent, status_code=error.smtp_code) from error
        except net.AddressRefusedError as error:
            raise ChannelError(f"The mail server may not be connected to: {error}", permanent=True) from error
        except smtplib.SMTPNotSupportedError as error:
            raise ChannelError(f"The mail server lacks what EMAIL_URL asks for: {error}", permanent=True) from error
        except ssl.SSLCertVerificationError as error:
            raise ChannelError("The mail server's certificate is not trusted", permanent=False) from error
        except TimeoutError as error:
            raise ChannelError("The mail server did not answer in time", permanent=False) from error
        except OSError as error:  # smtplib's own errors among them
            text = "The connection to the mail server failed or broke"
            raise ChannelError(text, permanent=False) from error
        return Sent(status_code=250, note=_describe(refused))


def clean_subject(text: str) -> str:
    """Give the text as one line that a mail's header can hold."""
    return clean_text(" ".join(UNPRINTABLE.sub(" ", text).split()), limit=LONGEST_SUBJECT)


class _JudgedSMTP(smtplib.SMTP):
    """SMTP to judged addresses; the mail server is trusted, since the settings name it."""

    def __init__(self, *args: Any, handles: list[socket.socket], **kwargs: Any) -> None:
        self._handles = handles
        super().__init__(*args, **kwargs)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = net.open_connection(host, port, timeout=timedelta(seconds=timeout), trusted=True)
        # A second handle cuts the connection off at any stage, TLS wrapped around the first or not.
        self._handles.append(connection.dup())
        return connection


class _JudgedSMTPOverTLS(_JudgedSMTP, smtplib.SMTP_SSL):
    """The same, with TLS from the start."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self.context.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=host)


class _Backend(EmailBackend):
    """Django's SMTP backend, which reads the EMAIL_ settings, logs in and starts TLS."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.handles: list[socket.socket] = []

    @property
    def connection_class(self) -> Callable[..., smtplib.SMTP]:  # type: ignore[override]  # all that open() does is call it
        return partial(_JudgedSMTPOverTLS if self.use_ssl else _JudgedSMTP, handles=self.handles)


@contextlib.contextmanager
def _open_server() -> Iterator[smtplib.SMTP]:
    """Give a conversation with the mail server, cut off at the deadline."""
    backend = _Backend(timeout=settings.EMAIL_TIMEOUT, fail_silently=False)
    cut_off = threading.Event()

    def cut() -> None:
        cut_off.set()
        for handle in list(backend.handles):
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    watchdog = threading.Timer(DEADLINE.total_seconds(), cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        backend.open()
        assert backend.connection is not None
        yield backend.connection
    except OSError as error:
        if cut_off.is_set():
            raise TimeoutError from error
        raise
    finally:
        # What was accepted stays accepted, however the goodbye goes; the watchdog looks over that too.
        with contextlib.suppress(OSError):
            backend.close()
        watchdog.cancel()
        for handle in backend.handles:
            handle.close()


def _clean_address(address: Any) -> str | None:
    if not isinstance(address, str):
        return None
    try:
        validate_email(address)
        local, _, domain = address.rpartition("@")
        return f"{local}@{domain.encode('idna').decode()}"
    except (ValidationError, UnicodeError):
        return None


def _all_refused(replies: Replies) -> ChannelError:
    codes = [code for code, _ in replies.values()]
    # One that may accept later is worth another attempt.
    permanent = all(code >= 500 for code in codes)
    return ChannelError(_describe(replies), permanent=permanent, status_code=min(codes))


def _describe(replies: Replies) -> str:
    if not replies:
        return ""
    named = "; ".join(f"{address} ({_reply(code, text)})" for address, (code, text) in sorted(replies.items()))
    return clean_text(f"The mail server refused {named}")


def _reply(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}".strip()


def _leads_here(line: str) -> bool:
    """Tell whether a line is an address of this site; others, which somebody may have written, are not made links."""
    return line == settings.SITE_URL or (line.startswith(f"{settings.SITE_URL}/") and " " not in line)


def _site_host() -> str:
    return urlsplit(settings.SITE_URL).hostname or "localhost"
