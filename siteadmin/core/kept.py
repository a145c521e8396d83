"""What is kept of lists between requests: rows, order and statements, by the shape of what was asked.

Two requests have the same shape where they differ in nothing but values that a statement takes as parameters: another
camera, another word, another place in the list. Django then writes their SQL once. The database still plans filters
for each value: one plan for a busy and a quiet camera alike would be wrong for one of them.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from siteadmin.core.cursors import Keyset
from siteadmin.core.filters import StrictFilterSet, StrictOrderingBackend
from siteadmin.core.reading import Statement

MOST_SHAPES = 500
"""Shapes kept by a process; a site's pages and scripts ask for a few dozen."""
MOST_STATEMENTS = 100
"""Statements kept of one shape: by direction and by the length of the page, which clients choose."""


@dataclass(frozen=True, slots=True)
class KeptRows:
    """The rows of one shape, their order, and what was written of them as SQL."""

    rows: "QuerySet[Any]"
    keyset: Keyset
    is_prepared: bool
    """Whether the database plans each statement once as well: no value of a filter stands in it."""
    statements: dict[Hashable, Statement] = field(default_factory=dict)

    def keep(self, key: Hashable, statement: Statement) -> None:
        """Keep a statement of this shape."""
        if len(self.statements) >= MOST_STATEMENTS:
            self.statements.clear()
        self.statements[key] = statement


class Shapes:
    """The shapes that were asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, KeptRows] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> KeptRows | None:
        """Give what is kept of this shape."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            return kept

    def put(self, key: Hashable, kept: KeptRows) -> None:
        """Keep this; the shape that was not asked for longest makes room."""
        with self._lock:
            self._kept[key] = kept
            if len(self._kept) > MOST_SHAPES:
                self._kept.popitem(last=False)


_shapes = Shapes()


def keep_rows(view: Any) -> tuple[KeptRows, tuple[Any, ...]]:
    """Give what is kept of the rows that a view's list is asked for, and the values that their statements take.

    Raises as the filters and the order do.
    """
    filterset: StrictFilterSet | None = None
    shape: Hashable = ()
    values: tuple[Any, ...] = ()
    parameters = view.request.query_params
    if getattr(view, "filterset_class", None) is not None:
        filterset = view.filterset_class(parameters, request=view.request)
        shape, values = filterset.shape()
    camera_ids = view.access.camera_ids
    key = (type(view), view.action, camera_ids, shape, parameters.get("ordering"), tuple(view.picked_fields() or ()))
    kept = _shapes.get(key)
    if kept is None:
        rows = view.get_queryset()
        if filterset is not None:
            filterset.queryset = rows
            rows = filterset.narrow_shape()
        rows = StrictOrderingBackend().filter_queryset(view.request, rows, view)
        kept = KeptRows(rows, Keyset.of(rows), is_prepared=not shape and camera_ids is None)
        _shapes.put(key, kept)
    return kept, values
