"""Addresses of the alerts' API."""

from alerts.api.alerts import AlertViewSet
from alerts.api.channels import ChannelViewSet
from alerts.api.deliveries import DeliveryViewSet
from alerts.api.modes import ModeViewSet
from alerts.api.rules import AlertRuleViewSet
from alerts.api.silences import QuietHoursViewSet, SilenceViewSet
from siteadmin.core.routers import ApiRouter


def register(router: ApiRouter) -> None:
    """Add this app's resources to the API."""
    router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
    router.register("alerts", AlertViewSet, basename="alert")
    router.register("channels", ChannelViewSet, basename="channel")
    router.register("deliveries", DeliveryViewSet, basename="delivery")
    router.register("modes", ModeViewSet, basename="mode")
    router.register("silences", SilenceViewSet, basename="silence")
    router.register("quiet-hours", QuietHoursViewSet, basename="quiet-hours")
