"""What was never delivered keeps its message's bytes, to be sent unchanged; a mail's hold a picture.

So they go with the event whose picture it is, as its own file does. What is sent after all is put together anew then.
"""

from datetime import timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from alerts.models import Delivery
from alerts.results import ForgettingResult

logger = structlog.get_logger(__name__)


def forget_messages() -> ForgettingResult:
    """Forget the bytes of what failed or is parked: of events that are gone, and of digests past RETENTION_DAYS."""
    days: int = settings.RETENTION_DAYS
    number = Delivery.objects.forget_bodies(older_than=timezone.now() - timedelta(days=days) if days else None)
    if number:
        logger.info("messages_forgotten", deliveries=number)
    return ForgettingResult(deliveries=number)
