"""Rules read, parsed and kept in the process's memory, each under the version of its row.

Nobody has to say that a rule was changed: a changed row is another version, whichever process or person wrote it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from alerts.choices import Severity
from alerts.models import AlertRule
from alerts.rules import RuleFacts
from alerts.schedules import ScheduleError
from alerts.services.facts import facts_of_rule


@dataclass(slots=True, frozen=True)
class ReadyRule:
    """A rule as it is judged and told of."""

    id: int | None
    """None for one that is not saved."""
    name: str
    severity: Severity
    trigger: str
    cooldown: timedelta
    dedup_key_template: str
    conditions: RuleFacts | None
    fault: str = ""
    """Why it has no conditions: its schedule cannot be used (any more)."""


_kept: dict[int, tuple[str, ReadyRule]] = {}
"""By rule's id, with the version it is; rules that are gone are asked for no more, and few."""


def ready_rules(versions: Sequence[str], *, trigger: str) -> list[ReadyRule]:
    """Give the rules of these versions, by one query for those that are not kept.

    A rule that was changed meanwhile comes as it is now; one that was deleted, switched off or given another trigger
    is left out.
    """
    known = {version: _find(version) for version in versions}
    missing = [version for version, rule in known.items() if rule is None]
    news = {}
    for version, row in AlertRule.objects.get_versions(missing) if missing else ():
        news[row.pk] = rule = make_ready(row)
        _kept[row.pk] = (version, rule)
        if not row.enabled or row.trigger != trigger:
            del news[row.pk]
    rules = (rule or news.get(_id_of(version)) for version, rule in known.items())
    return [rule for rule in rules if rule is not None]


def make_ready(rule: AlertRule) -> ReadyRule:
    """Parse a rule, which need not be saved."""
    conditions, fault = None, ""
    try:
        conditions = facts_of_rule(rule)
    except ScheduleError as error:  # a zone that this machine knows no more, say
        fault = f"the schedule cannot be used: {error}"
    return ReadyRule(
        id=rule.pk,
        name=rule.name,
        severity=Severity(rule.severity),
        trigger=rule.trigger,
        cooldown=timedelta(seconds=rule.cooldown_seconds),
        dedup_key_template=rule.dedup_key_template,
        conditions=conditions,
        fault=fault,
    )


def _find(version: str) -> ReadyRule | None:
    kept = _kept.get(_id_of(version))
    return kept[1] if kept is not None and kept[0] == version else None


def _id_of(version: str) -> int:
    return int(version.partition(" ")[0])
