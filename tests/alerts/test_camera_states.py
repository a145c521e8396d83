"""How cameras stand, told to a real broker on loopback."""

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image

from alerts.models import CameraState, Channel
from alerts.services import camera_states
from alerts.services.camera_states import announce, notice_changes
from alerts.services.channels import create_channel, update_channel
from events.models import Event
from siteadmin.core.pipeline import Step
from tests.factories import CameraFactory, EventFactory
from tests.fakes.mqtt_broker import MqttBroker

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
BASE = "siteadmin/cameras/front"


@pytest.fixture
def broker(loopback: None) -> Iterator[MqttBroker]:
    with MqttBroker() as running:
        yield running


@pytest.fixture
def camera() -> Any:
    return CameraFactory(id="front", name="Front <script>")


def broker_channel(port: int = 1, **fields: Any) -> Channel:
    return create_channel(name="HA", kind="mqtt", config={"host": "127.0.0.1", "port": port}, **fields)


def tell_all() -> list[bool]:
    notice_changes()
    return [announce(state.pk) for state in CameraState.objects.get_all()]


def test_new_broker_is_told_of_every_camera(broker: MqttBroker, camera: Any) -> None:
    broker_channel(broker.port)

    assert tell_all() == [True]

    motion = json.loads(broker.wait_for("homeassistant/binary_sensor/siteadmin_front/motion/config")[0].payload)
    assert (motion["state_topic"], motion["device"]["name"]) == (f"{BASE}/motion", "Front <script>")
    for topic in ("sensor/siteadmin_front/event", "image/siteadmin_front/picture"):
        broker.wait_for(f"homeassistant/{topic}/config")
    assert broker.wait_for(f"{BASE}/motion")[0].payload == b"OFF"
    assert tell_all() == [False]


def test_motion_is_on_while_an_event_is_open(broker: MqttBroker, camera: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    broker_channel(broker.port)
    made = BytesIO()
    Image.new("RGB", (8, 8)).save(made, "JPEG")
    monkeypatch.setattr(camera_states, "event_picture", lambda event, annotated: made.getvalue())
    event = EventFactory(camera=camera, object_types=["person"], risk_score=72)

    tell_all()
    event.state = "closed"
    Event.objects.save(event)
    tell_all()

    assert [message.payload for message in broker.wait_for(f"{BASE}/motion", count=2)] == [b"ON", b"OFF"]
    last = json.loads(broker.wait_for(f"{BASE}/event", count=2)[-1].payload)
    assert (last["id"], last["risk_score"], last["object_types"]) == (event.pk, 72, ["person"])
    assert broker.wait_for(f"{BASE}/picture", count=2)[0].payload == made.getvalue()


def test_change_is_noticed_once(loopback: None, asked: list[tuple[Step, int]], camera: Any) -> None:
    broker_channel()

    assert [notice_changes() for _ in range(3)] == [1, 0, 0]
    [state] = CameraState.objects.get_all()
    assert asked == [] or asked == [(Step.ANNOUNCE, state.pk)]


def test_what_changes_while_it_is_told_is_told_again(
    broker: MqttBroker, camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker_channel(broker.port)
    facts_of_camera = camera_states.facts_of_camera

    def facts_before_the_change(camera: Any) -> Any:
        facts = facts_of_camera(camera)
        monkeypatch.undo()
        EventFactory(camera=camera)
        return facts

    monkeypatch.setattr(camera_states, "facts_of_camera", facts_before_the_change)
    assert tell_all() == [True]

    assert notice_changes() == 1


def test_broker_that_is_away_is_tried_until_it_is_back(loopback: None, camera: Any) -> None:
    channel = broker_channel(9)
    assert tell_all() == [False]
    [state] = CameraState.objects.get_all()
    assert state.due_at is not None and state.claim_token is None

    with MqttBroker() as broker:
        update_channel(channel.pk, config={"host": "127.0.0.1", "port": broker.port})
        assert tell_all() == [True]
        broker.wait_for(f"{BASE}/motion")


def test_broker_switched_on_is_told_of_everything(loopback: None, camera: Any) -> None:
    channel = broker_channel(enabled=False)
    assert notice_changes() == 0

    update_channel(channel.pk, enabled=True)

    assert notice_changes() == 1


def test_deleted_camera_is_taken_away(broker: MqttBroker, camera: Any) -> None:
    broker_channel(broker.port)
    tell_all()
    camera.deleted_at = timezone.now()
    camera.save()

    assert tell_all() == [True]

    assert broker.wait_for("homeassistant/binary_sensor/siteadmin_front/motion/config", count=2)[1].payload == b""
    assert notice_changes() == 0


def test_without_brokers_nothing_waits(camera: Any) -> None:
    create_channel(name="In", kind="inbox", config={})

    assert notice_changes() == 0
