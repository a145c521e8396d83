"""Rules: made, changed and deleted; the same for admin pages and API."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction

from alerts.choices import RuleTrigger
from alerts.models import AlertRule, Channel, EscalationStep, Mode
from cameras.models import Camera, Zone
from siteadmin.core.audit import changing, record_created
from siteadmin.core.exceptions import AlertRuleNotFoundError, DuplicateResourceError, ValidationError
from siteadmin.core.repository import Repository

Steps = Sequence[Mapping[str, Any]]
"""`wait_seconds` and `channel_ids` each, in order."""
ABOUT_SEEN = ("risk_threshold", "object_types", "min_confidence", "zone_ids")
"""Conditions on what is seen, which camera triggers do not have."""


def check_rule(
    rule: AlertRule | None = None,
    *,
    fields: Mapping[str, Any],
    channel_ids: Sequence[int] = (),
    escalation: Steps = (),
) -> None:
    """Refuse what this rule could not be changed to or, without one, what none could be made of; ValidationError."""
    _check_trigger(rule or AlertRule(), fields=fields)
    _check_ids(rule or AlertRule(), fields=fields, channel_ids=channel_ids)
    _check_steps(escalation)


def create_rule(*, fields: Mapping[str, Any], channel_ids: Sequence[int] = (), escalation: Steps = ()) -> AlertRule:
    """Make a rule; ValidationError for ids that nothing has, DuplicateResourceError for a taken name."""
    with transaction.atomic():
        check_rule(fields=fields, channel_ids=channel_ids, escalation=escalation)
        rule = AlertRule()
        _store(rule, fields=fields, channel_ids=channel_ids, escalation=escalation)
        record_created(rule)
        return AlertRule.objects.get_shown(rule.pk)


def update_rule(
    rule_id: int,
    *,
    fields: Mapping[str, Any],
    channel_ids: Sequence[int] | None = None,
    escalation: Steps | None = None,
    expected_version: int | None = None,
) -> AlertRule:
    """Change what is given; decisions that were made stay, and steps that still wait take the new channels.

    AlertRuleNotFoundError, VersionConflictError where somebody changed it since `expected_version`, or as
    `create_rule`.
    """
    with transaction.atomic():
        rule = _locked(rule_id)
        with changing(rule, expected_version=expected_version):
            _check_trigger(rule, fields=fields)
            _check_ids(rule, fields=fields, channel_ids=channel_ids)
            _store(rule, fields=fields, channel_ids=channel_ids, escalation=escalation)
        return AlertRule.objects.get_shown(rule.pk)


def delete_rule(rule_id: int, *, expected_version: int | None = None) -> None:
    """Delete a rule with its decisions; its alerts stay, under its name. AlertRuleNotFoundError where none is."""
    with transaction.atomic():
        # The rule first, then its alerts, as evaluations lock them: nobody waits in a circle.
        rule = _locked(rule_id)
        with changing(rule, action="delete", expected_version=expected_version):
            AlertRule.objects.delete(rule)


def _locked(rule_id: int) -> AlertRule:
    rule = AlertRule.objects.get_locked(rule_id)
    if rule is None:
        raise AlertRuleNotFoundError(rule_id)
    return rule


def _store(
    rule: AlertRule,
    *,
    fields: Mapping[str, Any],
    channel_ids: Sequence[int] | None,
    escalation: Steps | None,
) -> None:
    for name, value in fields.items():
        setattr(rule, name, value)
    try:
        with transaction.atomic():
            AlertRule.objects.save(rule)
    except IntegrityError as error:
        raise DuplicateResourceError(
            f"A rule with the name '{rule.name}' exists already", details={"field": "name"}
        ) from error
    if channel_ids is not None:
        rule.channels.set(channel_ids)
    if escalation is not None:
        _check_steps(escalation)
        EscalationStep.objects.replace(rule.pk, steps=escalation)
    if channel_ids is not None or escalation is not None:
        _refuse_telling_twice(AlertRule.objects.get_shown(rule.pk))


def _check_steps(steps: Steps) -> None:
    """Refuse channels that there are not."""
    errors = [
        error
        for index, step in enumerate(steps)
        for error in _unknown(
            f"escalation.{index}.channel_ids", step["channel_ids"], Channel.objects, kept=(), word="channel"
        )
    ]
    if errors:
        raise ValidationError(errors=errors)


def _refuse_telling_twice(rule: AlertRule) -> None:
    """Refuse steps that name a channel which was told before: each is told of an alert once."""
    told = set(rule.channel_ids)
    errors = []
    for index, step in enumerate(rule.escalation_chain):
        for place, channel_id in enumerate(step.channel_ids):
            if channel_id in told:
                field = f"escalation.{index}.channel_ids.{place}"
                detail = "This channel is told before; a step takes others."
                errors.append({"field": field, "code": "already_told", "detail": detail})
        told.update(step.channel_ids)
    if errors:
        raise ValidationError(errors=errors)


def _check_trigger(rule: AlertRule, *, fields: Mapping[str, Any]) -> None:
    """Refuse conditions on what is seen where the rule is about a camera's silence."""
    wanted = {name: fields.get(name, getattr(rule, name)) for name in ("trigger", "dedup_key_template", *ABOUT_SEEN)}
    if wanted["trigger"] == RuleTrigger.EVENT:
        return
    detail = "A rule about a camera falling silent or coming back takes no condition on what is seen."
    errors = [
        {"field": name, "code": "not_for_trigger", "detail": detail}
        for name in ABOUT_SEEN
        if wanted[name] not in (None, [], ())
    ]
    if any(f"{{{name}}}" in wanted["dedup_key_template"] for name in ("object_type", "zone")):
        detail = "Nothing is seen when a camera falls silent: take {camera_id} and {rule_id}."
        errors.append({"field": "dedup_key_template", "code": "not_for_trigger", "detail": detail})
    if errors:
        raise ValidationError(errors[0]["detail"].rstrip("."), errors=errors)


def _check_ids(rule: AlertRule, *, fields: Mapping[str, Any], channel_ids: Sequence[int] | None) -> None:
    """Refuse ids that nothing has; those that the rule has already may stay, whatever became of what they name."""
    errors = [
        *_unknown("camera_ids", fields.get("camera_ids", ()), Camera.objects, kept=rule.camera_ids, word="camera"),
        *_unknown("zone_ids", fields.get("zone_ids", ()), Zone.objects, kept=rule.zone_ids, word="zone"),
        *_unknown_modes(fields.get("modes", ()), kept=rule.modes),
        *_unknown("channel_ids", channel_ids or (), Channel.objects, kept=(), word="channel"),
    ]
    if errors:
        raise ValidationError(errors=errors)


def _unknown(
    field: str, ids: Sequence[Any], repository: Repository[Any], *, kept: Iterable[Any], word: str
) -> list[dict[str, str]]:
    new = [one for one in ids if one not in set(kept)]
    known = {entity.pk for entity in repository.get_many(new)} if new else set()
    return [
        {"field": f"{field}.{ids.index(one)}", "code": "does_not_exist", "detail": f"There is no {word} '{one}'."}
        for one in dict.fromkeys(new)
        if one not in known
    ]


def _unknown_modes(names: Sequence[str], *, kept: Iterable[str]) -> list[dict[str, str]]:
    known = {*kept, *Mode.objects.names()} if names else set()
    return [
        {"field": f"modes.{index}", "code": "does_not_exist", "detail": f"There is no mode '{name}'."}
        for index, name in enumerate(names)
        if name not in known
    ]
