"""Which services add attributes to detections: the setting `ENRICHERS`."""

from django.conf import settings

from events.enrichers.http import HttpEnricher


def get_enrichers() -> list[HttpEnricher]:
    """Give all services, in the order of the setting."""
    return [HttpEnricher(service) for service in settings.ENRICHERS]


def get_enricher(name: str) -> HttpEnricher | None:
    """Give the service of this name; None where the setting names it no more."""
    return next((enricher for enricher in get_enrichers() if enricher.name == name), None)
