"""Tasks of the alerts: three lines each, the work is the services'."""

from celery import shared_task

from alerts.choices import DELIVER_SOFT_TIME_LIMIT, DELIVER_TIME_LIMIT
from alerts.results import DeliveryResult, EscalationResult, EvaluationResult, ForgettingResult, ModeSwitchResult
from alerts.services.camera_evaluation import evaluate_change
from alerts.services.delivery import deliver as deliver_one
from alerts.services.escalation import escalate_alert
from alerts.services.evaluation import MOST_TOGETHER, evaluate_event
from alerts.services.forgetting import forget_messages as forget_old_messages
from alerts.services.modes import switch_modes as switch_due_modes
from siteadmin.core.pipeline import Step


@shared_task(name=Step.EVALUATE.value)
def evaluate(event_id: int) -> EvaluationResult:
    """Judge the rules for one event, and for others that wait."""
    return evaluate_event(event_id, most=MOST_TOGETHER)


@shared_task(name=Step.EVALUATE_CAMERA.value)
def evaluate_camera(change_id: int) -> EvaluationResult:
    """Judge the rules for one camera that fell silent or came back."""
    return evaluate_change(change_id)


@shared_task(name=Step.DELIVER.value, time_limit=DELIVER_TIME_LIMIT, soft_time_limit=DELIVER_SOFT_TIME_LIMIT)
def deliver(delivery_id: int) -> DeliveryResult:
    """Attempt one delivery."""
    return deliver_one(delivery_id)


@shared_task(name="alerts.switch_modes")
def switch_modes() -> ModeSwitchResult:
    """Switch modes whose time has come; beat runs it every few seconds."""
    return switch_due_modes()


@shared_task(name="alerts.forget_messages")
def forget_messages() -> ForgettingResult:
    """Forget messages whose events are gone; beat runs it once an hour."""
    return forget_old_messages()


@shared_task(name=Step.ESCALATE.value)
def escalate(escalation_id: int) -> EscalationResult:
    """Take the next step of an alert that nobody answers."""
    return escalate_alert(escalation_id)
