"""Modes: made, changed, switched by people, by other programs and by the clock."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction

from alerts.choices import FIRST_MODES
from alerts.models import Mode, ModeChange
from alerts.results import ModeSwitchResult
from alerts.schedules import ScheduleError, parse_switch_times
from alerts.suppression_repositories import rename_mode_in_rules, rules_limited_to
from siteadmin.core.audit import changing, record, record_created
from siteadmin.core.exceptions import ConflictError, DuplicateResourceError, ModeNotFoundError

logger = structlog.get_logger(__name__)

EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when a fresh site's first mode has been active."""


def make_first_modes() -> None:
    """Make home, away and night where there is no mode; home has always been active."""
    with transaction.atomic():
        if Mode.objects.lock_all():
            return
        try:
            with transaction.atomic():
                Mode.objects.create_many(Mode(name=name, is_active=name == FIRST_MODES[0]) for name in FIRST_MODES)
                ModeChange.objects.save(ModeChange(mode_name=FIRST_MODES[0], at=EVER, by="setup"))
        except IntegrityError:  # another start was first
            return


def create_mode(*, fields: Mapping[str, Any]) -> Mode:
    """Make a mode; DuplicateResourceError for a taken name."""
    with transaction.atomic():
        now, _ = Mode.objects.clock_and_active()
        mode = _store(Mode(judged_until=now), fields=fields)
        record_created(mode)
    return mode


def update_mode(mode_id: int, *, fields: Mapping[str, Any], expected_version: int | None = None) -> Mode:
    """Change what is given; rules and history follow a new name.

    ModeNotFoundError, DuplicateResourceError, or VersionConflictError where somebody changed it since
    `expected_version`.
    """
    with transaction.atomic():
        mode = _locked(mode_id)
        old = mode.name
        with changing(mode, expected_version=expected_version):
            if "switch_times" in fields and fields["switch_times"] != mode.switch_times:
                mode.judged_until, _ = Mode.objects.clock_and_active()  # times that are over do not switch any more
            _store(mode, fields=fields)
        if mode.name != old:
            rename_mode_in_rules(old, new=mode.name)
            ModeChange.objects.rename(old, new=mode.name)
        return mode


def delete_mode(mode_id: int, *, expected_version: int | None = None) -> None:
    """Delete a mode; ConflictError for the active one, and for one that rules are limited to; VersionConflictError."""
    with transaction.atomic():
        mode = _locked(mode_id)
        if mode.is_active:
            raise ConflictError("The active mode cannot be deleted; switch to another one first")
        rules = rules_limited_to(mode.name)
        if rules:
            raise ConflictError(
                f"Rules are limited to the mode {mode.name}: {', '.join(rules[:5])}", details={"rules": rules}
            )
        with changing(mode, action="delete", expected_version=expected_version):
            Mode.objects.delete(mode)


def activate_mode(name: str, *, by: str) -> Mode:
    """Make the mode of this name the active one; again changes nothing. ModeNotFoundError where there is none."""
    with transaction.atomic():
        modes = {mode.name: mode for mode in Mode.objects.lock_all()}
        if name not in modes:
            raise ModeNotFoundError(name)
        now, before = Mode.objects.clock_and_active()
        if not modes[name].is_active:
            record("activate", modes[name], before={"active_mode": before}, after={"active_mode": name})
        return _activate(modes[name], at=now, by=by)


def switch_modes() -> ModeSwitchResult:
    """Switch to the mode whose switch time passed last since this was asked before; each time counts once.

    What somebody switched after that time stays.
    """
    with transaction.atomic():
        modes = Mode.objects.lock_all()
        now, _ = Mode.objects.clock_and_active()
        best: tuple[datetime, Mode] | None = None
        for mode in modes:
            at = _newest_switch(mode, until=now)
            if at is not None and (best is None or at > best[0]):
                best = (at, mode)
        if any(mode.switch_times for mode in modes):
            Mode.objects.note_judged(until=now)
        if best is None:
            return ModeSwitchResult()
        at, mode = best
        newest = ModeChange.objects.newest()
        if mode.is_active or (newest is not None and newest.at >= at):
            return ModeSwitchResult()
        _activate(mode, at=now, by="schedule")
        return ModeSwitchResult(activated=mode.name)


def _newest_switch(mode: Mode, *, until: datetime) -> datetime | None:
    if not mode.switch_times:
        return None
    try:
        return parse_switch_times(mode.switch_times).newest_within(mode.judged_until, until)
    except ScheduleError as error:  # a zone that this machine knows no more
        logger.warning("switch_times_unusable", mode=mode.name, error=str(error))
        return None


def _activate(mode: Mode, *, at: datetime, by: str) -> Mode:
    if not mode.is_active:
        Mode.objects.set_active(mode.pk)
        ModeChange.objects.save(ModeChange(mode_name=mode.name, at=at, by=by))
        mode.is_active = True
        logger.info("mode_switched", mode=mode.name, by=by)
    return mode


def _locked(mode_id: int) -> Mode:
    for mode in Mode.objects.lock_all():
        if mode.pk == mode_id:
            return mode
    raise ModeNotFoundError(mode_id)


def _store(mode: Mode, *, fields: Mapping[str, Any]) -> Mode:
    for name, value in fields.items():
        setattr(mode, name, value)
    try:
        with transaction.atomic():
            return Mode.objects.save(mode)
    except IntegrityError as error:
        raise DuplicateResourceError(
            f"A mode with the name '{mode.name}' exists already", details={"field": "name"}
        ) from error
