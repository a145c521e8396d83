"""A scriptable mail server on loopback (aiosmtpd): it keeps every mail, and answers as the test says."""

import ssl
from asyncio.base_events import Server
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class ReceivedMail:
    """One mail as it came over the wire."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        """The mail's parts."""
        parsed = message_from_bytes(self.raw, policy=policy.SMTP)
        assert isinstance(parsed, EmailMessage)
        return parsed


class _Controller(Controller):
    """The controller on a free port: it learns which before it connects to itself."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd says no types here


@dataclass
class SmtpServer:
    """The server; use as a context manager."""

    data_replies: list[str] = field(default_factory=list)
    """Replies to DATA in order; then every mail is accepted."""
    recipient_replies: dict[str, str] = field(default_factory=dict)
    """Replies to RCPT by recipient; others are accepted."""
    mails: list[ReceivedMail] = field(default_factory=list)
    starttls: ssl.SSLContext | None = None
    """Offer STARTTLS, and take mail after it alone."""
    tls: ssl.SSLContext | None = None
    """Speak TLS from the start."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[Any]
    ) -> str:
        """Accept or refuse a recipient."""
        reply = self.recipient_replies.get(address, "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the mail and answer."""
        assert isinstance(envelope.content, bytes) and envelope.mail_from is not None
        self.mails.append(ReceivedMail(envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return self.data_replies.pop(0) if self.data_replies else "250 OK"

    def __enter__(self) -> Self:
        offered = {"tls_context": self.starttls, "require_starttls": True} if self.starttls else {}
        self._controller = _Controller(self, hostname="127.0.0.1", port=0, ssl_context=self.tls, **offered)
        self._controller.start()
        self.port: int = self._controller.port
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._controller.stop()
