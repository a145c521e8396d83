"""The e-mail channel: what a mail holds, and what each answer of the mail server means."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from alerts.channels.base import ChannelError, ConfigError, Message
from alerts.channels.email import EmailTransport, clean_subject
from alerts.results import Notice
from tests.fakes.certificates import make_certificate
from tests.fakes.http_server import Answer, HttpServer, closed_port
from tests.fakes.smtp_server import SmtpServer

mail = EmailTransport()
CONFIG = {"to": ["ann@example.org", "bob@example.org"]}
NOTICE = Notice(
    type="alert.created",
    at=datetime(2026, 3, 14, 12, 0, tzinfo=UTC),
    title="High: person at <script>alert(1)</script>",
    facts=(("Rule", "Nights & <b>days</b>"), ("Camera", "Tür\u2028@everyone")),
    links={"event": "http://localhost:8000/admin/events/event/7/change/"},
    picture=b"\xff\xd8jpeg",
)


def compose(notice: Notice = NOTICE) -> bytes:
    return mail.compose(notice, key="msg_1", config=CONFIG)


def send(body: bytes = b"Subject: x\r\n\r\nx\r\n") -> Any:
    return mail.send(Message(key="msg_1", body=body), config=CONFIG)


def refusal() -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        send()
    return caught.value


def test_mail_arrives_byte_for_byte_with_text_html_and_picture(mail_server: SmtpServer) -> None:
    body = compose()

    sent = send(body)

    [received] = mail_server.mails
    assert received.raw.rstrip() == body.rstrip()
    assert received.recipients == CONFIG["to"]
    assert sent.note == ""
    plain, html = received.parsed.get_body(("plain",)), received.parsed.get_body(("html",))
    assert plain is not None and html is not None
    assert "Open the event: http://localhost:8000/admin/events/event/7/change/" in plain.get_content()
    assert list(received.parsed.iter_attachments()) == []
    [picture] = [part for part in received.parsed.walk() if part.get_content_type() == "image/jpeg"]
    assert picture.get_payload(decode=True) == NOTICE.picture
    assert picture["Content-Disposition"].startswith("inline")
    assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in html.get_content()


def test_mail_without_a_picture_refers_to_none() -> None:
    assert b"cid:" not in compose(Notice(type="alert.created", at=NOTICE.at, title="Camera silent"))


def test_mail_names_itself_after_the_delivery(mail_server: SmtpServer) -> None:
    send(compose())

    headers = mail_server.mails[0].parsed
    assert headers["Message-ID"] == "<msg_1@localhost>"
    assert headers["List-Id"] == "siteadmin alerts <alerts.localhost>"
    assert headers["Date"] == "Sat, 14 Mar 2026 12:00:00 +0000"
    assert headers["To"] == "ann@example.org, bob@example.org"
    assert headers["From"] == "siteadmin@example.org"
    assert headers["Auto-Submitted"] == "auto-generated"


def test_users_text_is_escaped_in_html_and_plain_in_text(mail_server: SmtpServer) -> None:
    send(compose())

    plain = mail_server.mails[0].parsed.get_body(("plain",))
    html = mail_server.mails[0].parsed.get_body(("html",))
    assert plain is not None and html is not None
    assert "<script>" not in html.get_content() and "Nights &amp; &lt;b&gt;" in html.get_content()
    assert "Nights & <b>days</b>" in plain.get_content()


def test_addresses_of_the_site_are_links_in_html_and_those_of_others_are_not(settings: Any) -> None:
    settings.SITE_URL = "https://cams.example.org"
    own, foreign = "https://cams.example.org/admin/events/event/7/change/", "https://cams.example.org.evil/x"
    notice = Notice(type="alert.digest", at=NOTICE.at, title="More", facts=(("Worst", f"Cat\n{own}"), ("Why", foreign)))

    html = message_from_bytes(compose(notice), policy=policy.SMTP).get_body(("html",)).get_content()

    assert f'Cat<br><a href="{own}" style="color:#2563eb">{own}</a>' in html
    assert foreign in html and f'href="{foreign}' not in html


def test_mail_is_pure_ascii_so_that_every_server_takes_it() -> None:
    assert compose().isascii()


@pytest.mark.parametrize("break_", ["\r\nBcc: eve@example.org", "\n", "\r", "\0", "\u2028", "\u2029", "\x85", "\x1b"])
def test_subject_stays_one_line(break_: str) -> None:
    notice = Notice(type="alert.created", at=NOTICE.at, title=f"Cam{break_}era")

    headers = compose(notice).partition(b"\r\n\r\n")[0]

    assert clean_subject(f"Cam{break_}era") in (
        "Cam era",
        "Cam Bcc: eve@example.org era",
        "Cam Bcc: eve@example.orgera",
    )
    assert b"\r\nBcc" not in headers


def test_long_subject_is_cut() -> None:
    assert len(clean_subject("x" * 5000)) == 200


def test_without_a_mail_server_it_says_so() -> None:
    assert mail.problem() == "The site has no mail server: set EMAIL_URL"
    error = refusal()
    assert error.permanent
    assert "EMAIL_URL" in str(error)


@pytest.mark.parametrize(
    ("reply", "permanent"), [("451 try later", False), ("421 closing", False), ("550 no", True), ("554 spam", True)]
)
def test_4xx_is_worth_another_attempt_and_5xx_is_final(mail_server: SmtpServer, reply: str, permanent: bool) -> None:
    mail_server.data_replies.append(reply)

    error = refusal()

    assert error.permanent is permanent
    assert error.status_code == int(reply[:3])
    assert reply in str(error)


def test_some_refused_recipients_are_named_while_the_others_get_the_mail(mail_server: SmtpServer) -> None:
    mail_server.recipient_replies["bob@example.org"] = "550 no such user"

    sent = send()

    assert mail_server.mails[0].recipients == ["ann@example.org"]
    assert sent.note == "The mail server refused bob@example.org (550 no such user)"


@pytest.mark.parametrize(("reply", "permanent"), [("550 no", True), ("450 greylisted", False)])
def test_all_recipients_refused_is_judged_by_the_mildest_answer(
    mail_server: SmtpServer, reply: str, permanent: bool
) -> None:
    mail_server.recipient_replies |= {"ann@example.org": "550 no", "bob@example.org": reply}

    assert refusal().permanent is permanent


def test_mail_server_that_is_down_is_worth_another_attempt(mail_server: SmtpServer, settings: Any) -> None:
    with closed_port() as port:
        settings.EMAIL_PORT = port

        assert not refusal().permanent


def test_mail_server_without_tls_where_tls_is_asked_for_is_final(mail_server: SmtpServer, settings: Any) -> None:
    settings.EMAIL_USE_TLS = True

    error = refusal()

    assert error.permanent
    assert mail_server.mails == []


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_mail_goes_over_tls_to_a_trusted_certificate_alone(
    mail_server: SmtpServer, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    context, certificate = make_certificate(tmp_path)
    settings.EMAIL_HOST = "localhost"
    settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = way == "starttls", way == "tls"
    with SmtpServer(**{way: context}) as server:
        settings.EMAIL_PORT = server.port

        error = refusal()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        send()

    assert "certificate is not trusted" in str(error)
    assert len(server.mails) == 1


def test_metadata_address_is_refused_even_as_mail_server(mail_server: SmtpServer, settings: Any) -> None:
    settings.EMAIL_HOST = "169.254.169.254"

    assert refusal().permanent


def test_server_that_drips_is_cut_off_at_the_deadline(
    mail_server: SmtpServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.channels.email.DEADLINE", timedelta(milliseconds=300))
    with HttpServer(default=Answer(hang=True)) as silent:
        settings.EMAIL_PORT = silent.port
        settings.EMAIL_TIMEOUT = 60

        error = refusal()

    assert not error.permanent
    assert "in time" in str(error)


@pytest.mark.parametrize(
    "to", [None, [], "ann@example.org", ["nobody"], ["a@b.org\r\nBcc: x@y.org"], [5], ["a@b.c"] * 51]
)
def test_bad_addresses_are_refused(to: Any) -> None:
    with pytest.raises(ConfigError):
        mail.validate({"to": to})


def test_addresses_are_kept_once_with_their_domain_in_ascii() -> None:
    assert mail.validate({"to": ["a@bücher.example", "a@bücher.example"]}) == {"to": ["a@xn--bcher-kva.example"]}
