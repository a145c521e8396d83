"""Who must be told: rules, alerts, cooldowns, channels and deliveries."""

from alerts.models.alerts import Alert, Cooldown
from alerts.models.channels import Channel, ChannelPace
from alerts.models.deliveries import Delivery, DeliveryAttempt
from alerts.models.escalation import Escalation, EscalationStep
from alerts.models.links import LinkUse
from alerts.models.mqtt import MqttConnection
from alerts.models.push import PushSubscription as PushSubscription
from alerts.models.push import VapidKey as VapidKey
from alerts.models.rules import AlertRule, Evaluation, RuleDecision
from alerts.models.suppression import Mode, ModeChange, QuietHours, Silence

__all__ = [
    "Alert",
    "AlertRule",
    "Channel",
    "ChannelPace",
    "Cooldown",
    "Delivery",
    "DeliveryAttempt",
    "Escalation",
    "EscalationStep",
    "Evaluation",
    "LinkUse",
    "Mode",
    "ModeChange",
    "MqttConnection",
    "QuietHours",
    "RuleDecision",
    "Silence",
]
