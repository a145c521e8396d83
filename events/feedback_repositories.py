"""Reads and writes of people's feedback on events."""

from typing import TYPE_CHECKING

from siteadmin.core.repository import Repository

if TYPE_CHECKING:
    from events.models import EventFeedback


class FeedbackRepository(Repository["EventFeedback"]):
    """Look-ups and writes of feedback."""

    def of_event(self, event_id: int) -> "EventFeedback | None":
        """Give what was said of the event, or None."""
        return self.get_queryset().filter(event_id=event_id).first()
