"""The admin pages of rules, alerts, channels and deliveries."""

from alerts.admin import alerts as alerts
from alerts.admin import delivery as delivery
from alerts.admin import push as push
from alerts.admin import rules as rules
from alerts.admin import suppression as suppression
from alerts.admin import telling as telling
