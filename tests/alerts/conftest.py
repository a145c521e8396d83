"""Fixtures of rules, alerts and deliveries."""

import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from alerts.models import Channel
from siteadmin.core import pipeline
from siteadmin.core.http import close_connections
from siteadmin.core.pipeline import Step
from tests.alerts.telling import webhook_to
from tests.fakes.http_server import HttpServer
from tests.fakes.smtp_server import SmtpServer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Step, int]]:
    """Give the steps asked for, in order, instead of a broker."""
    steps: list[tuple[Step, int]] = []

    def send(step: Step, subject_id: int) -> bool:
        steps.append((step, subject_id))
        return True

    monkeypatch.setattr(pipeline, "send", send)
    return steps


@pytest.fixture
def loopback(settings: Any) -> None:
    """Let channels reach loopback, and let them try again at once."""
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    settings.DELIVERY_RETRY_BASE = timedelta(milliseconds=10)


@pytest.fixture
def receiver(loopback: None) -> Iterator[HttpServer]:
    """Give a webhook receiver that accepts everything, unless the test says otherwise."""
    with HttpServer() as server:
        yield server
    close_connections()


@pytest.fixture
def mail_server(settings: Any) -> Iterator[SmtpServer]:
    """Give a mail server, set as the site's own."""
    with SmtpServer() as server:
        settings.EMAIL_IS_CONFIGURED = True
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = None
        settings.DEFAULT_FROM_EMAIL = "siteadmin@example.org"
        yield server


@pytest.fixture
def hook(db: None, receiver: HttpServer) -> Channel:
    """Give a webhook channel to the receiver."""
    return webhook_to(receiver)
