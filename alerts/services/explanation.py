"""What became of every rule for an event, or for a camera's change of status: as it was stored, told to staff."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from alerts.choices import Decision, RuleTrigger, Severity
from alerts.models import Alert, AlertRule, Evaluation, RuleDecision
from alerts.services.facts import CAMERA_TRIGGERS
from cameras.choices import CameraStatus
from cameras.models import CameraStatusChange
from events.models import Event

NOT_JUDGED = "not_judged"


@dataclass(slots=True, frozen=True)
class RuleAnswer:
    """What became of one rule."""

    rule_id: int
    rule_name: str
    severity: str
    outcome: str
    """`fired`, `duplicate`, `suppressed`, `not_yet` or `not_judged`."""
    reason: str
    """Why, in plain words."""
    alert: Alert | None = None
    """The one it made or, for a duplicate, the first one."""
    decided_at: datetime | None = None

    @property
    def label(self) -> str:
        """The outcome in words."""
        return "Not judged" if self.outcome == NOT_JUDGED else Decision(self.outcome).label


@dataclass(slots=True, frozen=True)
class Explanation:
    """What became of every rule, by the rules' names."""

    answers: tuple[RuleAnswer, ...]

    @property
    def fired(self) -> tuple[RuleAnswer, ...]:
        """Those that fired."""
        return tuple(one for one in self.answers if one.outcome == Decision.FIRED)

    @property
    def skipped(self) -> tuple[RuleAnswer, ...]:
        """Those that did not, or not yet."""
        return tuple(one for one in self.answers if one.outcome != Decision.FIRED)

    @property
    def highest_severity(self) -> str | None:
        """That of the alerts that were made, or None."""
        severities = [Severity(one.severity) for one in self.fired]
        return max(severities, key=lambda severity: severity.rank).value if severities else None


def explain_event(event: Event) -> Explanation:
    """Say of every rule about what is seen why it fired for the event or did not; costs three queries."""
    evaluation = Evaluation.objects.of_event(event.pk)
    return _explain(
        RuleDecision.objects.for_event(event.pk),
        RuleTrigger.EVENT,
        reasons={} if evaluation is None else evaluation.reasons,
        otherwise="It is judged when the event changes",
    )


def explain_change(change: CameraStatusChange) -> Explanation:
    """Say the same for a camera that fell silent or came back, of every rule about that; costs three queries."""
    evaluation = Evaluation.objects.of_change(change.pk)
    return _explain(
        RuleDecision.objects.for_change(change.pk),
        CAMERA_TRIGGERS[CameraStatus(change.status)],
        reasons={} if evaluation is None else evaluation.reasons,
        otherwise="The rule was not there yet" if change.due_at is None else "It is about to be judged",
    )


def _explain(
    decisions: Iterable[RuleDecision], trigger: RuleTrigger, *, reasons: Mapping[str, str], otherwise: str
) -> Explanation:
    answers = [
        RuleAnswer(
            decision.rule_id,
            decision.rule.name,
            decision.alert.severity
            if decision.alert and decision.outcome == Decision.FIRED
            else decision.rule.severity,
            decision.outcome,
            decision.reason,
            decision.alert,
            decision.decided_at,
        )
        for decision in decisions
    ]
    decided = {answer.rule_id for answer in answers}
    for rule in AlertRule.objects.get_all():
        if rule.pk in decided or rule.trigger != trigger:
            continue
        reason, outcome = reasons.get(str(rule.pk), ""), Decision.NOT_YET.value
        if not reason or not rule.enabled:
            reason, outcome = otherwise if rule.enabled else "The rule is switched off", NOT_JUDGED
        answers.append(RuleAnswer(rule.pk, rule.name, rule.severity, outcome, reason))
    order = [*Decision.values, NOT_JUDGED]
    return Explanation(tuple(sorted(answers, key=lambda one: (order.index(one.outcome), one.rule_name, one.rule_id))))
