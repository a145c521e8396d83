"""What is told over the kept connections, and what is heard on them; with real brokers on loopback."""

import json
from io import BytesIO
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image

from alerts.models import Mode, ModeChange
from alerts.services.modes import activate_mode, create_mode, make_first_modes
from alerts.services.mqtt import conversation, facts
from cameras.models import Camera
from events.models import Event
from tests.alerts.mqtt.brokers import BASE, HA, channel_to, keeping, state_of, wait_kept
from tests.factories import CameraFactory, EventFactory
from tests.fakes.mqtt_broker import MqttBroker
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


def test_a_broker_is_told_everything_and_home_assistant_finds_it(broker: MqttBroker, camera: Any) -> None:
    make_first_modes()
    channel = channel_to(broker, topic_prefix="house/cams", discovery_prefix="ha")

    with keeping():
        motion = json.loads(broker.wait_for("ha/binary_sensor/house_cams_front/motion/config")[0].payload)
        mode = json.loads(broker.wait_for("ha/select/house_cams/mode/config")[0].payload)
        alert = json.loads(broker.wait_for("ha/event/house_cams/alert/config")[0].payload)
        for topic in ("sensor/house_cams_front/event", "image/house_cams_front/picture"):
            broker.wait_for(f"ha/{topic}/config")
        wait_kept(broker, "house/cams/cameras/front/motion", b"OFF")
        wait_kept(broker, "house/cams/mode", b"home")
        wait_kept(broker, "house/cams/status", b"online")
        wait_until(lambda: state_of(channel).is_connected)

    assert motion["device"]["name"] == "Front <script>" and motion["device"]["via_device"] == "house_cams"
    assert motion["state_topic"] == "house/cams/cameras/front/motion"
    assert mode["options"] == ["home", "away", "night"] and mode["command_topic"] == "house/cams/mode/set"
    assert motion["availability_topic"] == mode["availability_topic"] == "house/cams/status"
    assert alert["state_topic"] == "house/cams/alert" and "critical" in alert["event_types"]


def test_motion_is_on_while_an_event_is_open(broker: MqttBroker, camera: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = BytesIO()
    Image.new("RGB", (8, 8)).save(made, "JPEG")
    monkeypatch.setattr(facts, "event_picture", lambda event, annotated: made.getvalue())
    channel_to(broker)
    with keeping():
        wait_kept(broker, f"{BASE}/motion", b"OFF")
        event = EventFactory(camera=camera, object_types=["person"], risk_score=72)
        wait_kept(broker, f"{BASE}/motion", b"ON")
        event.state = "closed"
        Event.objects.save(event)
        wait_kept(broker, f"{BASE}/motion", b"OFF")
        wait_kept(broker, f"{BASE}/picture", made.getvalue())

    last = json.loads(broker.kept(f"{BASE}/event") or b"")
    assert (last["id"], last["risk_score"], last["object_types"]) == (event.pk, 72, ["person"])


def test_what_changes_while_it_is_told_is_told_again(
    broker: MqttBroker, camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_of_camera = conversation.facts_of_camera

    def facts_before_the_change(camera_id: str) -> Any:
        known = facts_of_camera(camera_id)
        monkeypatch.setattr(conversation, "facts_of_camera", facts_of_camera)
        EventFactory(camera=camera)
        return known

    monkeypatch.setattr(conversation, "facts_of_camera", facts_before_the_change)
    channel_to(broker)

    with keeping():
        told = broker.wait_for(f"{BASE}/motion", count=2)

    assert [message.payload for message in told] == [b"OFF", b"ON"]


def test_what_stands_as_it_was_told_is_not_told_again(broker: MqttBroker, camera: Any) -> None:
    channel_to(broker)
    with keeping():
        broker.wait_for(f"{BASE}/motion")
        create_mode(fields={"name": "A later look"})
        broker.wait_for(f"{HA}/select/siteadmin/mode/config", count=2)

    assert len(broker.on(f"{BASE}/motion")) == 1


def test_deleted_camera_is_taken_away(broker: MqttBroker, camera: Any) -> None:
    channel_to(broker)
    config = f"{HA}/binary_sensor/siteadmin_front/motion/config"
    with keeping():
        broker.wait_for(f"{BASE}/motion")
        camera.deleted_at = timezone.now()
        camera.save()

        for topic in (config, f"{BASE}/motion"):
            wait_kept(broker, topic, None)


def test_camera_that_is_not_known_any_more_is_taken_away_at_the_next_connection(
    broker: MqttBroker, camera: Any
) -> None:
    channel_to(broker)
    with keeping():
        broker.wait_for(f"{BASE}/motion")
    Camera.objects.all().delete()

    with keeping():
        wait_kept(broker, f"{BASE}/motion", None)
        wait_kept(broker, f"{HA}/sensor/siteadmin_front/event/config", None)


def test_demo_is_told_to_nobody(broker: MqttBroker, camera: Any) -> None:
    CameraFactory(id="demo_1", demo=True)
    channel_to(broker)
    with keeping():
        broker.wait_for(f"{BASE}/motion")

    assert not [message.topic for message in broker.received if "demo_1" in message.topic]


def test_mode_is_switched_by_a_message_and_it_is_known_by_whom(broker: MqttBroker) -> None:
    make_first_modes()
    channel_to(broker, name="Kitchen")
    with keeping():
        wait_kept(broker, "siteadmin/mode", b"home")
        broker.publish("siteadmin/mode/set", "away")
        wait_kept(broker, "siteadmin/mode", b"away")

    newest = ModeChange.objects.newest()
    assert Mode.objects.get(is_active=True).name == "away"
    assert newest is not None and (newest.mode_name, newest.by) == ("away", "mqtt: Kitchen")


@pytest.mark.parametrize("word", ["nonsense", "", "A" * 3000, "away\x00"])
def test_unknown_mode_changes_nothing_and_the_active_one_is_told_again(broker: MqttBroker, word: str) -> None:
    make_first_modes()
    channel_to(broker)
    with keeping():
        broker.wait_for("siteadmin/mode")
        broker.publish("siteadmin/mode/set", word)
        told = broker.wait_for("siteadmin/mode", count=2)

    expected = b"away" if word.startswith("away") else b"home"
    assert told[1].payload == expected
    assert Mode.objects.get(is_active=True).name.encode() == expected


def test_command_that_the_broker_kept_is_not_obeyed(broker: MqttBroker) -> None:
    make_first_modes()
    broker.publish("siteadmin/mode/set", "away", retain=True)
    channel_to(broker)
    with keeping():
        broker.wait_for("siteadmin/mode")
        broker.publish("siteadmin/mode/set", "night")
        wait_kept(broker, "siteadmin/mode", b"night")

    assert ModeChange.objects.filter(mode_name="away").count() == 0


def test_mode_that_is_switched_elsewhere_and_one_that_is_new_are_told(broker: MqttBroker) -> None:
    make_first_modes()
    channel_to(broker)
    with keeping():
        wait_kept(broker, "siteadmin/mode", b"home")
        activate_mode("night", by="ann")
        create_mode(fields={"name": "Grüße von hier"})
        wait_kept(broker, "siteadmin/mode", b"night")
        found = broker.wait_for(f"{HA}/select/siteadmin/mode/config", count=2)

    assert "Grüße von hier" in json.loads(found[-1].payload)["options"]
