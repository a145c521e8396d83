"""Reads and writes of sealed fields as they are stored, of any model."""

from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.models.functions import Cast


class SealedValues:
    """One sealed field's stored texts."""

    def __init__(self, model: type[models.Model], field: str) -> None:
        self._field = field
        # The cast takes away the field's own opening and sealing.
        self._rows = model._base_manager.annotate(stored=Cast(field, models.TextField())).order_by("pk")

    def read(self) -> Iterator[tuple[Any, str]]:
        """Give each row's key and what is stored; none where nothing is."""
        return self._rows.exclude(stored="").values_list("pk", "stored").iterator()

    def replace(self, row_id: Any, *, old: str, new: str) -> bool:
        """Store this instead, unless somebody stored something else meanwhile."""
        row = self._rows.filter(pk=row_id, stored=old)
        return bool(row.update(**{self._field: models.Value(new, output_field=models.TextField())}))
