"""How connections are made, kept, handed over and ended; with real brokers on loopback."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from alerts.channels.mqtt.session import Session
from alerts.models import Channel, ModeChange, MqttConnection
from alerts.services.channels import create_channel, delete_channel, problem_of, update_channel
from alerts.services.modes import activate_mode, make_first_modes
from alerts.services.mqtt import conversation
from tests.alerts.mqtt.brokers import BASE, channel_to, keeping, state_of, wait_for_problem, wait_kept
from tests.factories import EventFactory
from tests.fakes.certificates import make_certificate
from tests.fakes.http_server import Answer, HttpServer
from tests.fakes.mqtt_broker import MqttBroker
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


def test_stopping_says_offline(broker: MqttBroker) -> None:
    channel = channel_to(broker)
    with keeping():
        wait_kept(broker, "siteadmin/status", b"online")

    wait_kept(broker, "siteadmin/status", b"offline")
    assert not state_of(channel).is_connected


def test_broker_that_was_away_and_forgot_everything_is_told_all_again(camera: Any) -> None:
    with MqttBroker() as first:
        channel = channel_to(first)
        with keeping():
            wait_kept(first, f"{BASE}/motion", b"OFF")
            first.stop()
            wait_for_problem(channel, "Not connected")
            with MqttBroker(port=first.port) as second:
                wait_kept(second, f"{BASE}/motion", b"OFF")
                wait_kept(second, "siteadmin/status", b"online")
                wait_until(lambda: not state_of(channel).problem)


def test_a_database_that_is_away_for_a_moment_loses_neither_command_nor_connection(
    broker: MqttBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_first_modes()
    channel_to(broker)
    away = iter([OperationalError("away")] * 3)

    def sometimes(*args: Any, **options: Any) -> Any:
        for error in away:
            raise error
        return activate_mode(*args, **options)

    monkeypatch.setattr(conversation, "activate_mode", sometimes)
    with keeping():
        broker.wait_for("siteadmin/mode")
        broker.publish("siteadmin/mode/set", "away")
        broker.wait_for("siteadmin/mode", count=2)

        assert broker.payloads("siteadmin/status") == [b"online"]


def test_channel_that_is_switched_off_says_offline_and_on_again_online(broker: MqttBroker, camera: Any) -> None:
    channel = channel_to(broker)
    with keeping():
        wait_kept(broker, "siteadmin/status", b"online")
        update_channel(channel.pk, enabled=False)
        wait_kept(broker, "siteadmin/status", b"offline")
        update_channel(channel.pk, enabled=True)
        wait_kept(broker, "siteadmin/status", b"online")

    assert broker.kept(f"{BASE}/motion") == b"OFF"


def test_nothing_of_a_deleted_channel_is_left_on_the_broker(broker: MqttBroker, camera: Any) -> None:
    make_first_modes()
    channel = channel_to(broker)
    with keeping():
        wait_kept(broker, f"{BASE}/motion", b"OFF")
        delete_channel(channel.pk)

        wait_kept(broker, "siteadmin/status", None)
        topics = {message.topic for message in broker.received}
        assert [topic for topic in topics if broker.kept(topic)] == []


def test_other_topics_take_the_place_of_the_old_ones(broker: MqttBroker, camera: Any) -> None:
    channel = channel_to(broker)
    with keeping():
        wait_kept(broker, f"{BASE}/motion", b"OFF")
        update_channel(channel.pk, config={"host": "127.0.0.1", "port": broker.port, "topic_prefix": "new"})

        wait_kept(broker, "new/cameras/front/motion", b"OFF")
        wait_kept(broker, f"{BASE}/motion", None)
        wait_kept(broker, "siteadmin/status", None)


def test_renamed_channel_keeps_its_connection(broker: MqttBroker) -> None:
    make_first_modes()
    channel = channel_to(broker)
    with keeping():
        broker.wait_for("siteadmin/mode")
        update_channel(channel.pk, name="Attic")
        wait_until(lambda: "Attic" in {getattr(thread, "channel_name", "") for thread in threading.enumerate()})
        broker.publish("siteadmin/mode/set", "away")
        broker.wait_for("siteadmin/mode", count=2)

        assert broker.payloads("siteadmin/status") == [b"online"]
    assert ModeChange.objects.filter(by="mqtt: Attic").count() == 1


def test_a_broker_that_hangs_holds_up_no_other(
    broker: MqttBroker, camera: Any, receiver: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Session.__init__.__kwdefaults__, "deadline", timedelta(seconds=3))
    receiver.default = Answer(hang=True)
    create_channel(name="A", kind="mqtt", config={"host": "127.0.0.1", "port": receiver.port})
    channel_to(broker, name="B")

    with keeping():
        wait_kept(broker, f"{BASE}/motion", b"OFF")


def test_two_processes_keep_one_connection(broker: MqttBroker, camera: Any) -> None:
    channel_to(broker)
    with keeping():
        wait_kept(broker, f"{BASE}/motion", b"OFF")
        with keeping():
            EventFactory(camera=camera)
            broker.wait_for(f"{BASE}/motion", count=2)

            assert broker.payloads("siteadmin/status") == [b"online"]
            assert broker.payloads(f"{BASE}/motion") == [b"OFF", b"ON"]


def test_hold_of_a_process_that_died_ends(broker: MqttBroker) -> None:
    channel = channel_to(broker)
    MqttConnection.objects.hold(channel.pk, holder=uuid4(), lease=timedelta(seconds=1))

    with keeping():
        wait_kept(broker, "siteadmin/status", b"online")


def test_somebody_elses_last_will_is_answered(broker: MqttBroker) -> None:
    channel_to(broker)
    with keeping():
        wait_kept(broker, "siteadmin/status", b"online")
        broker.publish("siteadmin/status", "offline", retain=True)

        wait_kept(broker, "siteadmin/status", b"online")


def test_wrong_password_is_said_everywhere(client_as: Any) -> None:
    with MqttBroker(password="geheim") as broker:
        channel = channel_to(broker, username="user", password="falsch")
        with keeping():
            problem = wait_for_problem(channel, "refused", "Not authorized")
            admin = client_as("admin")
            pages = [
                admin.get(f"/api/channels/{channel.pk}").content.decode(),
                admin.get("/admin/alerts/channel/").content.decode(),
                admin.get("/admin/alerts/mqttconnection/").content.decode(),
                json.dumps(admin.get("/api/system/status").data["mqtt"], default=str),
            ]
            update_channel(
                channel.pk,
                config={"host": "127.0.0.1", "port": broker.port, "username": "user", "password": "geheim"},
            )
            wait_kept(broker, "siteadmin/status", b"online")

    assert problem_of(Channel.objects.get_all()[0]) == ""
    assert [page for page in pages if "Not authorized" not in page or "falsch" in page] == [], problem


def test_certificate_that_is_not_trusted_is_said_and_the_right_authority_helps(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)[1]
    with MqttBroker(certificate=certificate) as broker:
        channel = channel_to(broker, tls=True)
        with keeping():
            wait_for_problem(channel, "certificate is not trusted", "self-signed")
            config = {"host": "localhost", "port": broker.port, "tls": True, "ca_certificate": certificate.read_text()}
            update_channel(channel.pk, config=config)

            wait_kept(broker, "siteadmin/status", b"online")


def test_address_that_may_not_be_connected_to_is_said(settings: Any, broker: MqttBroker) -> None:
    channel = channel_to(broker)
    settings.OUTBOUND_ALLOWED_NETWORKS = []

    with keeping():
        wait_for_problem(channel, "may not be connected to", "OUTBOUND_ALLOWED_NETWORKS")
    assert broker.on("siteadmin/status") == []


def test_connection_that_no_process_keeps_is_said() -> None:
    channel = channel_to()
    assert problem_of(channel) == ""
    MqttConnection.objects.update(held_until=timezone.now() - timedelta(minutes=1))

    assert "manage.py mqtt" in problem_of(Channel.objects.get_all()[0])


def test_channel_that_is_off_has_no_problem() -> None:
    channel = channel_to()
    MqttConnection.objects.update(held_until=timezone.now() - timedelta(minutes=1))
    channel = update_channel(channel.pk, enabled=False)
    MqttConnection.objects.update(held_until=timezone.now() - timedelta(minutes=1))

    assert problem_of(Channel.objects.get_all()[0]) == ""
