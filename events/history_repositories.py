"""Events loaded by the many, with the words by which they are found."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connection

from events import sql
from siteadmin.core.bulk import columns_of, copy_rows

if TYPE_CHECKING:
    from events.models import Event


class EventHistory:
    """What the repository of events gives to whoever loads a history."""

    model: "type[Event]"

    def load(self, fields: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Load events, values in the order of these fields, inside the caller's transaction.

        They wait in a table of their own first, where the statement that derives their words reads them.
        """
        columns = columns_of(self.model, fields)
        with connection.cursor() as cursor:
            cursor.execute(sql.STAGE_EVENTS)
            copy_rows(self.model, fields, rows, table="staged_event")
            cursor.execute(sql.LOAD_EVENTS.replace("{columns}", columns))
            cursor.execute("TRUNCATE staged_event")
