"""The MQTT channel, against a real broker on loopback."""

import ipaddress
import json
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.channels.base import ChannelError, ConfigError, Message
from alerts.channels.mqtt import session
from alerts.channels.mqtt.topics import EVENT_TYPES
from alerts.channels.mqtt.transport import MqttTransport
from alerts.results import Notice
from alerts.services.channels import create_channel, send_test_message, shown_config, update_channel
from tests.alerts.telling import deliver_now, delivery_to
from tests.fakes.certificates import make_certificate
from tests.fakes.http_server import HttpServer, closed_port
from tests.fakes.mqtt_broker import MqttBroker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
transport = MqttTransport()
NOTICE = Notice(
    type="alert.created",
    at=datetime(2026, 3, 14, tzinfo=UTC),
    title="High: person at <script> @everyone",
    data={"alert": {"id": 7, "severity": "high"}},
)


def config(**settings: Any) -> dict[str, Any]:
    return transport.validate({"host": "127.0.0.1", **settings})


def send(settings: dict[str, Any]) -> None:
    transport.send(Message("msg_1", transport.compose(NOTICE, key="msg_1", config=settings)), config=settings)


def refusal(settings: dict[str, Any]) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        send(settings)
    return caught.value


def test_alert_arrives_in_the_form_of_an_event_entity(broker: MqttBroker) -> None:
    send(config(port=broker.port))

    [message] = broker.wait_for("siteadmin/alert")
    body = json.loads(message.payload)
    assert (body["event_type"], body["id"], body["title"]) == ("high", "msg_1", NOTICE.title)
    assert not message.retain


@pytest.mark.parametrize(
    ("kind", "word"), [("alert.digest", "digest"), ("channel.disabled", "notice"), ("channel.test", "test")]
)
def test_what_is_no_alert_has_an_event_type_of_its_own(kind: str, word: str) -> None:
    body = json.loads(transport.compose(replace(NOTICE, type=kind, data={"alert": None}), key="msg_1", config={}))

    assert body["event_type"] == word and word in EVENT_TYPES


@pytest.mark.django_db
def test_delivery_and_test_reach_the_broker(broker: MqttBroker) -> None:
    channel = create_channel(name="HA", kind="mqtt", config={"host": "127.0.0.1", "port": broker.port})
    delivery = delivery_to(channel)

    assert deliver_now(delivery).outcome == "delivered"
    assert send_test_message(channel.pk).all_successful

    first, second = (json.loads(message.payload) for message in broker.wait_for("siteadmin/alert", count=2))
    assert (first["id"], first["alert"]["id"]) == (delivery.idempotency_key, delivery.alert_id)
    assert (second["event_type"], second["type"]) == ("test", "channel.test")


def test_wrong_password_is_final_and_not_repeated(loopback: None) -> None:
    with MqttBroker(password="geheim") as broker:
        send(config(port=broker.port, username="user", password="geheim"))
        error = refusal(config(port=broker.port, username="user", password="falsch"))

    assert error.permanent and "refused" in str(error)
    assert "falsch" not in str(error)


def test_broker_that_is_down_is_tried_again(loopback: None) -> None:
    with closed_port() as port:
        assert not refusal(config(port=port)).permanent


def test_broker_that_says_nothing_ends_at_the_deadline(receiver: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(session.Session.__init__.__kwdefaults__, "deadline", timedelta(seconds=1))
    started = time.monotonic()

    error = refusal(config(port=receiver.port))

    assert not error.permanent and "in time" in str(error)
    assert time.monotonic() - started < 5


def test_something_else_than_a_broker_is_tried_again(loopback: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeter = threading.Thread(target=lambda: server.accept()[0].send(b"SSH-2.0-OpenSSH_9.2\r\n"))
        greeter.start()

        assert not refusal(config(port=server.getsockname()[1])).permanent
        greeter.join(5)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Give the certificate of a broker, which is its own authority."""
    return make_certificate(tmp_path)[1]


def test_broker_whose_authority_is_private_is_told_over_tls(loopback: None, certificate: Path) -> None:
    with MqttBroker(certificate=certificate) as broker:
        authority = {"ca_certificate": certificate.read_text(), "host": "localhost"}

        send(config(port=broker.port, tls=True, **authority))

        assert broker.wait_for("siteadmin/alert")


@pytest.mark.parametrize(("host", "why"), [("localhost", "self-signed"), ("127.0.0.1", "mismatch")])
def test_certificate_that_is_not_trusted_ends_it(loopback: None, certificate: Path, host: str, why: str) -> None:
    authority = certificate.read_text() if why == "mismatch" else ""
    with MqttBroker(certificate=certificate) as broker:
        error = refusal(config(port=broker.port, tls=True, host=host, ca_certificate=authority))

        assert "certificate is not trusted" in str(error) and why in str(error)
        assert broker.on("siteadmin/alert") == []


def test_tls_is_not_given_up(broker: MqttBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CONNECT_SECONDS", 1)
    assert not refusal(config(port=broker.port, tls=True)).permanent
    assert broker.on("siteadmin/alert") == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_address_is_judged_where_it_is_connected_to(settings: Any, host: str) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    made = config(host=host)
    settings.OUTBOUND_ALLOWED_NETWORKS = []

    error = refusal(made)

    assert error.permanent and "may not be connected to" in str(error)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"host": ""}, "host"),
        ({"host": "mqtt://h"}, "host"),
        ({"host": 7}, "host"),
        ({"host": "169.254.169.254"}, "host"),
        ({"port": 0}, "port"),
        ({"port": "1883"}, "port"),
        ({"port": True}, "port"),
        ({"tls": "yes"}, "tls"),
        ({"ca_certificate": "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"}, "ca_certificate"),
        ({"ca_certificate": "ä"}, "ca_certificate"),
        ({"ca_certificate": 7}, "ca_certificate"),
        ({"password": "x"}, "username"),
        ({"username": "u", "password": "***"}, "password"),
        ({"username": "a\nb"}, "username"),
        ({"topic_prefix": "a/#"}, "topic_prefix"),
        ({"topic_prefix": ""}, "topic_prefix"),
        ({"discovery_prefix": "/a"}, "discovery_prefix"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_setting_is_named(settings: Any, given: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        transport.validate({"host": "broker.example", **given})

    assert list(caught.value.problems) == [f"config.{field}"]


@pytest.mark.django_db
def test_password_is_masked_and_kept_when_sent_back(client_as: Any) -> None:
    login = {"host": "broker.example", "username": "u", "password": "geheim"}
    channel = create_channel(name="HA", kind="mqtt", config=login)

    update_channel(channel.pk, config=shown_config(channel))

    channel.refresh_from_db()
    assert (channel.config["password"], channel.config["port"]) == ("geheim", 1883)
    assert "geheim" not in client_as("operator").get(f"/api/channels/{channel.pk}").content.decode()
