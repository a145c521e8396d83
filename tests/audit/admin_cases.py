"""What is posted to each admin page so that it writes, and what the audit trail says of it then."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt
from django.contrib.auth.models import Group
from django.utils import timezone

from alerts.models import Channel, Mode, QuietHours, Silence
from cameras.models import Camera, CameraFolder, DetectionLimit, Mask, UnassignedUpload
from events.models import Event, PromptVersion
from events.services.prompts import ensure_prompts
from siteadmin.accounts.models import TwoFactor
from siteadmin.core.keys import create_api_key
from siteadmin.core.models import DeadLetter
from siteadmin.core.roles import Role
from tests.factories import (
    AlertFactory,
    AlertRuleFactory,
    CameraFactory,
    ChannelFactory,
    DeliveryFactory,
    EventFactory,
    UserFactory,
    ZoneFactory,
)

PASSWORD = "n0t-3asy-at-all"  # noqa: S105 - a test's
POLYGON = [[0, 0], [1, 0], [1, 1]]
HOURS = {"days": ["monday"], "start": "22:00", "end": "23:00", "timezone": "UTC"}
TRIANGLE = "[[0, 0], [1, 0], [1, 1]]"


@dataclass(frozen=True, slots=True)
class Page:
    """One model's page: how a row is made, and what is sent to add and to change one."""

    make: Callable[[], Any]
    add: dict[str, Any] | None = None
    change: dict[str, Any] | None = None
    deletes: bool = True
    changed: str = ""
    """A field that the entry of the change names."""
    actions: dict[str, str] = field(default_factory=dict)
    """The entry's action by the page's own."""
    buttons: dict[str, str] = field(default_factory=dict)
    along: dict[str, str] = field(default_factory=dict)
    """What is sent along with an action or a button."""


def _camera() -> Camera:
    return CameraFactory(id="gate", name="Gate", folder_path="gate")


def _letter() -> DeadLetter:
    delivery = DeliveryFactory(state="failed", due_at=None)
    subject = str(delivery.pk)
    number = DeadLetter.objects.bury(
        queue="deliver", task="alerts.deliver", subject=subject, payload={}, error="e", attempts=1
    )
    return DeadLetter.objects.get(pk=number)


def _silence() -> Silence:
    now = timezone.now()
    return Silence.objects.create(
        camera_ids=[_camera().pk], starts_at=now, ends_at=now + timedelta(hours=1), created_by="x"
    )


def _upload() -> UnassignedUpload:
    return UnassignedUpload.objects.create(
        folder="New", slug="new", name="x.png", sha256="0" * 64, file="nothing.png", size=1, due_at=None
    )


def _webhook() -> Channel:
    return ChannelFactory(kind="webhook", config={"url": "https://example.com/"}, enabled=False)


def _prompt() -> PromptVersion:
    ensure_prompts()
    return PromptVersion.objects.get()


def _hidden_event() -> Event:
    event = EventFactory()
    Event.objects.mark_deleted([event.pk])
    return event


def _user_with_second_factor() -> Any:
    user = UserFactory()
    TwoFactor.objects.create(user=user, secret="A" * 32, confirmed_at=timezone.now())
    return user


def _failed_login() -> AccessAttempt:
    return AccessAttempt.objects.create(username="ann", ip_address="192.0.2.1", failures_since_start=5)


def _folder() -> CameraFolder:
    return CameraFolder.objects.create(camera=_camera(), folder_path="second")


PAGES: dict[str, Page] = {
    "auth.User": Page(
        _user_with_second_factor,
        add={
            "username": "ann",
            "password1": "n0t-3asy-at-all",
            "password2": "n0t-3asy-at-all",
            "usable_password": "true",
        },
        change={"email": "ann@example.com"},
        changed="email",
        actions={"delete_selected": "delete", "reset_second_factors": "reset_two_factor"},
    ),
    "axes.AccessAttempt": Page(
        _failed_login,
        deletes=False,
        actions={"unlock_logins": "unlock_login", "unlock_addresses": "unlock_login"},
    ),
    "auth.Group": Page(
        lambda: Group.objects.create(name="night"),
        add={"name": "day"},
        change={"name": "evening"},
        changed="name",
        actions={"delete_selected": "delete"},
    ),
    "core.ApiKey": Page(
        lambda: create_api_key(name="phone", role=Role.VIEWER)[0],
        add={"name": "tablet", "role": "viewer"},
        change={"role": "reviewer"},
        changed="role",
        actions={"delete_selected": "delete", "revoke": "revoke"},
    ),
    "core.DeadLetter": Page(
        _letter,
        deletes=False,
        actions={"requeue_letters": "requeue", "discard_letters": "discard"},
        buttons={"requeue": "requeue", "discard": "discard"},
        along={"reason": "known"},
    ),
    "cameras.UnassignedUpload": Page(
        _upload,
        deletes=False,
        actions={"make_cameras": "create", "assign_to_camera": "create", "discard": "discard"},
    ),
    "cameras.Zone": Page(
        lambda: ZoneFactory(camera=_camera()),
        add={"camera": "gate", "name": "door", "coordinates": TRIANGLE},
        change={"name": "path"},
        changed="name",
        actions={"delete_selected": "delete"},
    ),
    "cameras.Mask": Page(
        lambda: Mask.objects.create(camera=_camera(), name="tree", coordinates=POLYGON),
        add={"camera": "gate", "name": "flag", "coordinates": TRIANGLE},
        change={"object_types": "cat"},
        changed="object_types",
        actions={"delete_selected": "delete"},
    ),
    "cameras.DetectionLimit": Page(
        lambda: DetectionLimit.objects.create(camera=_camera(), object_type="cat", min_confidence=0.5),
        add={"object_type": "dog", "min_confidence": "0.9", "ignored": "unknown"},
        change={"min_confidence": "0.75"},
        changed="min_confidence",
        actions={"delete_selected": "delete"},
    ),
    "cameras.Camera": Page(
        _camera,
        add={"name": "Yard"},
        change={"name": "Garden"},
        changed="name",
        deletes=False,
        actions={"delete_cameras": "delete", "silence_cameras": "create"},
        buttons={"make_ftp_password": "make_ftp_password"},
    ),
    "events.PromptVersion": Page(
        _prompt, add={"text": "Judge {event}."}, deletes=False, actions={"activate": "create"}
    ),
    "events.Event": Page(
        EventFactory,
        change={"notes": "a fox"},
        changed="notes",
        deletes=False,
        actions={"mark_reviewed": "update", "keep": "update", "delete_events": "delete"},
    ),
    "alerts.Alert": Page(
        AlertFactory,
        deletes=False,
        actions={"acknowledge_all": "acknowledge", "dismiss_all": "dismiss", "snooze_all": "snooze"},
        buttons={"acknowledge": "acknowledge", "dismiss": "dismiss", "snooze": "snooze"},
    ),
    "alerts.Channel": Page(
        ChannelFactory,
        add={"name": "Box", "kind": "inbox"},
        change={"name": "Other box"},
        changed="name",
        actions={"delete_selected": "delete", "send_test": "test"},
    ),
    "alerts.Delivery": Page(DeliveryFactory, deletes=False, actions={"retry_now": "retry"}),
    "alerts.AlertRule": Page(
        AlertRuleFactory,
        add={"name": "Night"},
        change={"name": "Evening"},
        changed="name",
        actions={"delete_selected": "delete", "switch_off": "update", "silence": "create"},
    ),
    "alerts.Mode": Page(
        lambda: Mode.objects.create(name="holiday"),
        add={"name": "party"},
        change={"name": "holidays"},
        changed="name",
        actions={"delete_selected": "delete", "activate_one": "activate"},
        buttons={"activate": "activate"},
    ),
    "alerts.Silence": Page(
        _silence,
        add={"camera_ids": ["gate"], "ends_at_0": "2099-01-01", "ends_at_1": "00:00:00"},
        change={"comment": "holidays"},
        changed="comment",
        actions={"delete_selected": "delete"},
    ),
    "alerts.QuietHours": Page(
        lambda: QuietHours.objects.create(channel=ChannelFactory(), schedule=HOURS),
        add={"start": "22:00", "end": "06:00"},
        change={"start": "21:00"},
        changed="schedule",
        actions={"delete_selected": "delete"},
    ),
}
ELSEWHERE = {
    ("cameras.Camera", "restore_cameras"): "a deleted camera's",
    ("events.Event", "restore_events"): "a deleted event's",
    ("alerts.AlertRule", "switch_on"): "a rule's that is off",
    ("alerts.Channel", "rotate_secrets"): "a webhook's",
    ("alerts.Channel", "save_and_test"): "sends once the page's transaction is over",
}
"""Actions that lead on from another state, tested by themselves."""
