"""Addresses of the alerts' API."""

from alerts.api.channels import ChannelViewSet
from alerts.api.deliveries import DeliveryViewSet
from siteadmin.core.routers import ApiRouter


def register(router: ApiRouter) -> None:
    """Add this app's resources to the API."""
    router.register("channels", ChannelViewSet, basename="channel")
    router.register("deliveries", DeliveryViewSet, basename="delivery")
