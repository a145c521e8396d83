"""The admin pages of rules, alerts, channels and deliveries."""

from alerts.admin import delivery as delivery
