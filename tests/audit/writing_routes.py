"""What each writing route of the API is sent so that it writes, and what the audit trail says of it then."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from alerts.models import Alert, Channel, Delivery, Mode
from cameras.models import Camera, UnassignedUpload
from events.models import Event, EventFeedback
from siteadmin.core.models import DeadLetter

Ids = dict[str, Any]
POLYGON = [[0, 0], [1, 0], [1, 1]]
HOURS = {"days": ["monday"], "start": "22:00", "end": "23:00", "timezone": "UTC"}

NOT_RECORDED = {
    "POST /api/cameras/{camera_id}/snapshots": "a picture is the pipeline's intake, not a person's change",
    "POST /api/detections/bulk": "what a detector saw is the pipeline's intake",
    "POST /api/detect": "looks, and writes nothing",
    "POST /api/alert-rules/preview": "judges past events, and writes nothing",
    "POST /api/alert-rules/{pk}/preview": "judges past events, and writes nothing",
    "POST /api/prompts/{name}/preview": "judges one event, and writes nothing",
}
"""Routes that take a body and leave no entry, each with the reason."""


@dataclass(frozen=True, slots=True)
class Write:
    """One request that writes: its body, and resource type and action of the entry that it leaves."""

    resource_type: str
    action: str
    body: Any = None
    prepare: Callable[[Ids], object] = lambda ids: None
    """Brings the row into the state from which this write leads on."""
    fields: tuple[str, ...] = ()
    """Fields that the entry's `after` (or for what goes, `before`) must name."""


def _delete_softly(ids: Ids) -> None:
    Camera.objects.mark_deleted(ids["camera.pk"])


def _hide_event(ids: Ids) -> None:
    Event.objects.mark_deleted([ids["event.pk"]])


def _no_feedback(ids: Ids) -> None:
    EventFeedback.objects.filter(event_id=ids["event.pk"]).delete()


def _fail_delivery(ids: Ids) -> None:
    Delivery.objects.filter(pk=ids["delivery.pk"]).update(state="failed", due_at=None)
    DeadLetter.objects.filter(pk=ids["dead-letter.pk"]).update(task="alerts.deliver", subject=str(ids["delivery.pk"]))


def _idle_mode(ids: Ids) -> None:
    Mode.objects.filter(pk=ids["mode.pk"]).update(is_active=False)


def _webhook(ids: Ids) -> None:
    channel = Channel.objects.get(pk=ids["channel.pk"])
    channel.kind, channel.config = "webhook", {"url": "https://example.com/"}
    channel.save()


def _pending(ids: Ids) -> None:
    Alert.objects.filter(pk=ids["alert.pk"]).update(status="pending")


def _soon() -> str:
    return (timezone.now() + timedelta(hours=1)).isoformat()


def writes(ids: Ids) -> dict[str, Write]:
    """Give a write for every route that leaves an entry."""
    rule = {"name": "Night", "channel_ids": [ids["channel.pk"]]}
    return {
        "POST /api/cameras": Write("camera", "create", {"name": "New"}, fields=("name", "folder_path")),
        "PATCH /api/cameras/{pk}": Write("camera", "update", {"name": "Other"}, fields=("name", "version")),
        "DELETE /api/cameras/{pk}": Write("camera", "delete", fields=("deleted_at",)),
        "POST /api/cameras/{pk}/restore": Write("camera", "restore", prepare=_delete_softly, fields=("deleted_at",)),
        "POST /api/cameras/{pk}/ftp-password": Write("camera", "make_ftp_password", fields=("ftp_password",)),
        "POST /api/cameras/{camera_id}/zones": Write("zone", "create", {"name": "z", "coordinates": POLYGON}),
        "PATCH /api/cameras/{camera_id}/zones/{pk}": Write("zone", "update", {"color": "#000000"}, fields=("color",)),
        "DELETE /api/cameras/{camera_id}/zones/{pk}": Write("zone", "delete", fields=("coordinates",)),
        "POST /api/cameras/{camera_id}/masks": Write("mask", "create", {"name": "n", "coordinates": POLYGON}),
        "PATCH /api/cameras/{camera_id}/masks/{pk}": Write("mask", "update", {"enabled": False}, fields=("enabled",)),
        "DELETE /api/cameras/{camera_id}/masks/{pk}": Write("mask", "delete"),
        "POST /api/detection-limits": Write("detection_limit", "create", {"object_type": "dog", "ignored": True}),
        "PATCH /api/detection-limits/{pk}": Write(
            "detection_limit", "update", {"min_confidence": 0.9}, fields=("min_confidence",)
        ),
        "DELETE /api/detection-limits/{pk}": Write("detection_limit", "delete"),
        "POST /api/unassigned-uploads/{pk}/assign": Write(
            "camera", "create", {"create": {"name": "x", "id": "new_x"}}, prepare=_rename_folder
        ),
        "POST /api/unassigned-uploads/{pk}/discard": Write("unassigned_upload", "discard"),
        "PATCH /api/events/{pk}": Write("event", "update", {"notes": "a fox"}, fields=("notes", "version")),
        "DELETE /api/events/{pk}": Write("event", "delete", fields=("deleted_at",)),
        "POST /api/events/{pk}/restore": Write("event", "restore", prepare=_hide_event, fields=("deleted_at",)),
        "PATCH /api/events/bulk": Write("event", "update", {"ids": [ids["event.pk"]], "kept": True}, fields=("kept",)),
        "DELETE /api/events/bulk": Write("event", "delete", {"ids": [ids["event.pk"]]}, fields=("deleted_at",)),
        "POST /api/events/export": Write("export", "create", fields=("form", "parameters")),
        "POST /api/events/{pk}/feedback": Write(
            "event_feedback", "create", {"verdict": "accurate"}, prepare=_no_feedback, fields=("verdict",)
        ),
        "PATCH /api/events/{pk}/feedback": Write(
            "event_feedback", "update", {"verdict": "false_positive"}, fields=("verdict",)
        ),
        "DELETE /api/events/{pk}/feedback": Write("event_feedback", "delete"),
        "POST /api/prompts/{name}/versions": Write(
            "prompt_version",
            "create",
            {"text": "Judge {event}.", "expected_version": ids["prompt-version.version"]},
            fields=("text", "version"),
        ),
        "POST /api/prompts/{name}/versions/{version}/activate": Write("prompt_version", "create", {}),
        "POST /api/alert-rules": Write("alert_rule", "create", rule, fields=("channels", "escalation")),
        "PATCH /api/alert-rules/{pk}": Write(
            "alert_rule", "update", {"channel_ids": [ids["channel.pk"]]}, fields=("channels",)
        ),
        "PUT /api/alert-rules/{pk}": Write("alert_rule", "update", rule, fields=("name",)),
        "DELETE /api/alert-rules/{pk}": Write("alert_rule", "delete"),
        "POST /api/alerts/{pk}/acknowledge": Write("alert", "acknowledge", {}, prepare=_pending, fields=("status",)),
        "POST /api/alerts/{pk}/dismiss": Write("alert", "dismiss", {}, fields=("status", "dismissed_by")),
        "POST /api/alerts/{pk}/snooze": Write("alert", "snooze", {"minutes": 5}, fields=("snoozed_until",)),
        "PATCH /api/alerts/bulk": Write(
            "alert", "dismiss", {"ids": [ids["alert.pk"]], "action": "dismiss"}, fields=("status",)
        ),
        "POST /api/channels": Write("channel", "create", {"name": "Box", "kind": "inbox"}, fields=("kind",)),
        "PATCH /api/channels/{pk}": Write("channel", "update", {"enabled": False}, fields=("enabled",)),
        "DELETE /api/channels/{pk}": Write("channel", "delete"),
        "POST /api/channels/{pk}/rotate-secret": Write(
            "channel", "rotate_secret", prepare=_webhook, fields=("secret",)
        ),
        "POST /api/channels/{pk}/test": Write("channel", "test", fields=("outcome",)),
        "POST /api/modes": Write("mode", "create", {"name": "holiday"}),
        "PATCH /api/modes/{pk}": Write("mode", "update", {"name": "other"}, fields=("name",)),
        "DELETE /api/modes/{pk}": Write("mode", "delete", prepare=_idle_mode),
        "POST /api/modes/{pk}/activate": Write("mode", "activate", prepare=_idle_mode, fields=("active_mode",)),
        "POST /api/silences": Write("silence", "create", {"camera_ids": [ids["camera.pk"]], "ends_at": _soon()}),
        "POST /api/silences/snooze": Write("silence", "create", {"camera": ids["camera.pk"], "minutes": 5}),
        "PATCH /api/silences/{pk}": Write(
            "silence", "update", {"comment": "c", "camera_ids": [ids["camera.pk"]]}, fields=("comment",)
        ),
        "DELETE /api/silences/{pk}": Write("silence", "delete", fields=("counts_until",)),
        "POST /api/quiet-hours": Write("quiet_hours", "create", {"channel": ids["channel.pk"], "schedule": HOURS}),
        "PATCH /api/quiet-hours/{pk}": Write("quiet_hours", "update", {"enabled": False}, fields=("enabled",)),
        "DELETE /api/quiet-hours/{pk}": Write("quiet_hours", "delete"),
        "POST /api/dead-letters/{pk}/requeue": Write(
            "dead_letter", "requeue", prepare=_fail_delivery, fields=("state",)
        ),
        "POST /api/dead-letters/{pk}/discard": Write("dead_letter", "discard", {"reason": "old"}, fields=("reason",)),
        "POST /api/dead-letters/requeue": Write(
            "dead_letter", "requeue", {"ids": [ids["dead-letter.pk"]]}, prepare=_fail_delivery
        ),
        "POST /api/dead-letters/discard": Write(
            "dead_letter", "discard", {"ids": [ids["dead-letter.pk"]], "reason": "old"}
        ),
    }


def _rename_folder(ids: Ids) -> None:
    UnassignedUpload.objects.filter(pk=ids["unassigned-upload.pk"]).update(folder="New X", slug="new_x")
