"""Silences: made, changed, ended; what they once were stays known."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from alerts.models import AlertRule, Mode, Silence
from cameras.models import Camera, Zone
from siteadmin.core.audit import changing, record_created
from siteadmin.core.exceptions import (
    AlertRuleNotFoundError,
    CameraNotFoundError,
    SilenceNotFoundError,
    ValidationError,
)
from siteadmin.core.repository import Repository

MATCHERS = ("camera_ids", "rule_ids", "severities", "object_types", "zone_ids")


def create_silence(*, fields: Mapping[str, Any], by: str) -> Silence:
    """Make a silence, from now on where no start is given; ValidationError where it could never be in effect."""
    with transaction.atomic():
        now, _ = Mode.objects.clock_and_active()
        silence = Silence(created_by=by, created_at=now, counts_from=now)
        for name, value in {"starts_at": now, **fields}.items():
            setattr(silence, name, value)
        _check(silence, fields=fields)
        if silence.ends_at <= now:
            raise _invalid("ends_at", "The end is over already.")
        Silence.objects.save(silence)
        record_created(silence)
        return silence


def update_silence(silence_id: int, *, fields: Mapping[str, Any], expected_version: int | None = None) -> Silence:
    """Change what is given, from now on; SilenceNotFoundError, ValidationError, VersionConflictError."""
    with transaction.atomic():
        silence = _locked(silence_id)
        now, _ = Mode.objects.clock_and_active()
        news = {name: value for name, value in fields.items() if getattr(silence, name) != value}
        with changing(silence, expected_version=expected_version):
            if news:
                _change(silence, news=news, at=now)
        return silence


def _change(silence: Silence, *, news: Mapping[str, Any], at: datetime) -> None:
    if silence.starts_at <= at:
        Silence.objects.keep_as_it_was(silence, at=at)
    for name, value in news.items():
        setattr(silence, name, value)
    silence.counts_from = at
    _check(silence, fields=news)
    Silence.objects.save(silence)


def delete_silence(silence_id: int, *, expected_version: int | None = None) -> None:
    """End a silence now and hide it; SilenceNotFoundError where there is none, VersionConflictError."""
    with transaction.atomic():
        silence = _locked(silence_id)
        now, _ = Mode.objects.clock_and_active()
        with changing(silence, action="delete", expected_version=expected_version):
            Silence.objects.retire(silence_id, at=now)


def snooze_camera(camera_id: str, *, minutes: int, by: str, comment: str = "") -> Silence:
    """Be silent about a camera for so many minutes; CameraNotFoundError where there is none."""
    camera = Camera.objects.get_by_id(camera_id)
    if camera is None or camera.deleted_at is not None:
        raise CameraNotFoundError(camera_id)
    return _snooze({"camera_ids": [camera.pk]}, minutes=minutes, by=by, comment=comment or f"{camera} is snoozed")


def snooze_rule(rule_id: int, *, minutes: int, by: str, comment: str = "") -> Silence:
    """Be silent about what a rule finds for so many minutes; AlertRuleNotFoundError where there is none."""
    rule = AlertRule.objects.get_by_id(rule_id)
    if rule is None:
        raise AlertRuleNotFoundError(rule_id)
    return _snooze({"rule_ids": [rule.pk]}, minutes=minutes, by=by, comment=comment or f"{rule} is snoozed")


def _snooze(matchers: Mapping[str, Any], *, minutes: int, by: str, comment: str) -> Silence:
    now, _ = Mode.objects.clock_and_active()
    ends_at = now + timedelta(minutes=minutes)
    return create_silence(fields={**matchers, "starts_at": now, "ends_at": ends_at, "comment": comment}, by=by)


def _locked(silence_id: int) -> Silence:
    silence = Silence.objects.get_locked(silence_id)
    if silence is None:
        raise SilenceNotFoundError(silence_id)
    return silence


def _check(silence: Silence, *, fields: Mapping[str, Any]) -> None:
    if not any(getattr(silence, name) for name in MATCHERS):
        raise _invalid("camera_ids", f"Say what is silent, by at least one of {', '.join(MATCHERS)}.")
    if silence.ends_at <= silence.starts_at:
        raise _invalid("ends_at", "The end does not lie after the start.")
    _check_ids("camera_ids", fields.get("camera_ids", ()), Camera.objects, word="camera")
    _check_ids("rule_ids", fields.get("rule_ids", ()), AlertRule.objects, word="rule")
    _check_ids("zone_ids", fields.get("zone_ids", ()), Zone.objects, word="zone")


def _check_ids(name: str, ids: Sequence[Any], repository: Repository[Any], *, word: str) -> None:
    known = {entity.pk for entity in repository.get_many(ids)} if ids else set()
    errors = [
        {"field": f"{name}.{index}", "code": "does_not_exist", "detail": f"There is no {word} '{one}'."}
        for index, one in enumerate(ids)
        if one not in known
    ]
    if errors:
        raise ValidationError(errors=errors)


def _invalid(name: str, text: str) -> ValidationError:
    return ValidationError(text.rstrip("."), errors=[{"field": name, "code": "invalid", "detail": text}])
