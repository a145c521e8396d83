"""Rows for tests: each factory makes one whole, consistent thing with as little said as possible."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import factory
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.utils import timezone
from factory.django import DjangoModelFactory

from alerts.models import Alert, AlertRule, Channel, Delivery
from cameras.choices import SnapshotState
from cameras.models import Camera, Snapshot, Zone
from events.models import Detection, Event

counter = itertools.count(1)
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


class UserFactory(DjangoModelFactory[Any]):
    """A member of staff; `role="operator"` puts them into that group."""

    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    is_staff = True

    @factory.post_generation
    def role(self: AbstractUser, create: bool, role: str | None, **_: Any) -> None:  # noqa: FBT001 - factory_boy's form
        if create and role:
            self.groups.add(Group.objects.get_or_create(name=role)[0])


class CameraFactory(DjangoModelFactory[Camera]):
    class Meta:
        model = Camera

    id = factory.Sequence(lambda n: f"camera_{n}")
    name = factory.LazyAttribute(lambda camera: camera.id.replace("_", " ").title())
    folder_path = factory.LazyAttribute(lambda camera: camera.id)


class ZoneFactory(DjangoModelFactory[Zone]):
    """By default the left half of the picture."""

    class Meta:
        model = Zone

    camera = factory.SubFactory(CameraFactory)
    name = factory.Sequence(lambda n: f"Zone {n}")
    coordinates = factory.LazyFunction(lambda: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]])


class SnapshotFactory(DjangoModelFactory[Snapshot]):
    """A snapshot whose row says it was detected; it has no file."""

    class Meta:
        model = Snapshot

    camera = factory.SubFactory(CameraFactory)
    name = factory.Sequence(lambda n: f"snap/picture{n}.jpg")
    sha256 = factory.LazyFunction(lambda: hashlib.sha256(str(next(counter)).encode()).hexdigest())
    size = 1000
    width = 640
    height = 480
    state = SnapshotState.DETECTED
    due_at = None
    captured_at = factory.LazyFunction(timezone.now)
    received_at = factory.LazyFunction(timezone.now)


class EventFactory(DjangoModelFactory[Event]):
    class Meta:
        model = Event

    camera = factory.SubFactory(CameraFactory)
    started_at = factory.LazyFunction(timezone.now)
    ended_at = factory.LazyAttribute(lambda event: event.started_at + timedelta(seconds=10))
    last_arrival_at = factory.LazyAttribute(lambda event: event.ended_at)
    risk_score = 50
    scored_by = "builtin"
    object_types = factory.LazyFunction(lambda: ["person"])
    detection_count = 1
    due_at = None


class DetectionFactory(DjangoModelFactory[Detection]):
    """A person in the middle of a 640x480 picture."""

    class Meta:
        model = Detection

    camera = factory.SubFactory(CameraFactory)
    object_type = "person"
    confidence = 0.9
    x = 300
    y = 200
    width = 40
    height = 120
    frame_width = 640
    frame_height = 480
    detected_at = factory.LazyFunction(timezone.now)
    created_at = factory.LazyFunction(timezone.now)


class ChannelFactory(DjangoModelFactory[Channel]):
    class Meta:
        model = Channel

    name = factory.Sequence(lambda n: f"Channel {n}")
    kind = "inbox"


class AlertRuleFactory(DjangoModelFactory[AlertRule]):
    """A rule without conditions, so that it always holds; `channels=[...]` are added."""

    class Meta:
        model = AlertRule
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Rule {n}")

    @factory.post_generation
    def channels(self: AlertRule, create: bool, channels: list[Channel] | None, **_: Any) -> None:  # noqa: FBT001
        if create and channels:
            self.channels.add(*channels)


class AlertFactory(DjangoModelFactory[Alert]):
    class Meta:
        model = Alert

    event = factory.SubFactory(EventFactory)
    camera = factory.SelfAttribute("event.camera")
    rule = factory.SubFactory(AlertRuleFactory)
    rule_name = factory.SelfAttribute("rule.name")
    severity = factory.SelfAttribute("rule.severity")
    dedup_key = factory.LazyAttribute(lambda alert: f"{alert.camera.pk}:{alert.rule.pk}")


class DeliveryFactory(DjangoModelFactory[Delivery]):
    class Meta:
        model = Delivery

    alert = factory.SubFactory(AlertFactory)
    channel = factory.SubFactory(ChannelFactory)
    channel_name = factory.SelfAttribute("channel.name")
    idempotency_key = factory.Sequence(lambda n: f"msg_{n:032d}")
