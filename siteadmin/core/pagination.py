"""Lists in pages: by cursor, which stays right while rows come and go, or by number where somebody wants to leap."""

import json
from typing import Any, Protocol
from urllib.parse import unquote_plus

from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from siteadmin.core.cursors import Keyset, Place
from siteadmin.core.exceptions import InvalidInputError

DEFAULT_LIMIT = 50
DEFAULT_PER_PAGE = 20
MAX_LIMIT = 1000
EXACT_UP_TO = 10_000
"""Rows counted exactly; beyond, counting would cost more than the number is worth."""
LARGEST_OFFSET = 2**63 - 1


Ends = list[tuple[Any, ...]] | None
"""The places of a page's first and last row; None: it has none."""


class Reader(Protocol):
    """How rows are read, and how they are shown."""

    def read(self, rows: QuerySet[Any], keyset: Keyset, place: Place | None, *, count: int) -> list[Any]:
        """Read up to so many rows beyond the place, in the direction in which it looks."""

    def fetch(self, rows: QuerySet[Any], keyset: Keyset) -> list[Any]:
        """Read these rows."""

    def values_of(self, row: Any, keyset: Keyset) -> tuple[Any, ...]:
        """Give the values by which a row is ordered."""

    def show(self, rows: list[Any], keyset: Keyset) -> list[Any]:
        """Give what the page holds of the rows."""


class Instances:
    """Rows as instances of their model, which a serializer then shows."""

    def read(self, rows: QuerySet[Any], keyset: Keyset, place: Place | None, *, count: int) -> list[Any]:
        """Read up to so many rows beyond the place."""
        return read_parts(self, rows, keyset, place, count=count)

    def fetch(self, rows: QuerySet[Any], keyset: Keyset) -> list[Any]:
        """Read these rows."""
        return list(rows)

    def values_of(self, row: Any, keyset: Keyset) -> tuple[Any, ...]:
        """Give the values by which a row is ordered."""
        return keyset.values_of(row)

    def show(self, rows: list[Any], keyset: Keyset) -> list[Any]:
        """Give the rows."""
        return rows


def read_parts(reader: Reader, rows: QuerySet[Any], keyset: Keyset, place: Place | None, *, count: int) -> list[Any]:
    """Read up to so many rows beyond the place, part by part."""
    found: list[Any] = []
    for part in keyset.parts(rows, place):
        found += reader.fetch(part[: count - len(found)], keyset)
        if len(found) == count:
            break
    return found


class ListPagination(BasePagination):
    """`limit` and `cursor`, or `page` and `per_page`; never both."""

    parameters = ("limit", "cursor", "page", "per_page")
    display_page_controls = False

    def __init__(self) -> None:
        self.envelope: dict[str, Any] = {}

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        """Give the rows of the page that was asked for."""
        return self.read_page(queryset, request, Instances())

    def read_page(
        self, queryset: Any, request: Request, reader: "Reader", *, keyset: Keyset | None = None
    ) -> list[Any]:
        """Give the rows of the page that was asked for, as the reader gives them; `keyset`: their order, if known."""
        by_number = [name for name in ("page", "per_page") if request.query_params.get(name)]
        by_cursor = [name for name in ("limit", "cursor") if request.query_params.get(name)]
        if by_number and by_cursor:
            raise _refusal(by_cursor[0], f"The '{by_cursor[0]}' parameter cannot be used with '{by_number[0]}'")
        keyset = keyset or Keyset.of(queryset)
        if by_number:
            return self._by_number(queryset, keyset, request, reader)
        return self._by_cursor(queryset, keyset, request, reader)

    def get_paginated_response(self, data: Any) -> Response:
        """Put the envelope around the rows."""
        return Response({"results": data, **self.envelope})

    def _by_cursor(self, queryset: QuerySet[Any], keyset: Keyset, request: Request, reader: "Reader") -> list[Any]:
        limit = read_positive(request, "limit", default=DEFAULT_LIMIT, maximum=MAX_LIMIT)
        cursor = request.query_params.get("cursor")
        place = keyset.read(cursor) if cursor else None
        backwards = place is not None and place.backwards
        found = reader.read(queryset, keyset, place, count=limit + 1)
        has_more, page = len(found) > limit, found[:limit]
        if backwards:
            page.reverse()
        ends = [reader.values_of(row, keyset) for row in (page[0], page[-1])] if page else None
        self.envelope = {
            "next": _address(request, keyset, _after(place, ends, has_more=has_more)),
            "previous": _address(request, keyset, _before(place, ends, has_more=has_more)),
        }
        return reader.show(page, keyset)

    def _by_number(self, queryset: QuerySet[Any], keyset: Keyset, request: Request, reader: "Reader") -> list[Any]:
        page = read_positive(request, "page", default=1)
        per_page = read_positive(request, "per_page", default=DEFAULT_PER_PAGE, maximum=MAX_LIMIT)
        start = (page - 1) * per_page
        if start > LARGEST_OFFSET - per_page:
            raise _refusal("page", "The 'page' parameter is too large")
        total, exact = count_rows(queryset)
        self.envelope = {
            "page": page,
            "per_page": per_page,
            "total": total,
            "pages": -(-total // per_page),
            "total_exact": exact,
        }
        found: list[Any] = []
        for part in keyset.parts(queryset):
            found += reader.fetch(part[start : start + per_page - len(found)], keyset)
            if len(found) == per_page:
                break
            start = 0 if found else max(0, start - part.count())
        return reader.show(found, keyset)

    def get_results(self, data: Any) -> Any:
        """Find the rows in an answer; the browsable page asks."""
        return data["results"]

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the parameters."""
        whole = {"type": "integer", "minimum": 1}
        described = {
            # No `default`: clients made of the schema would send both kinds of paging at once.
            "limit": ({**whole, "maximum": MAX_LIMIT}, f"Rows a page ({DEFAULT_LIMIT})."),
            "cursor": ({"type": "string"}, "Where the page starts: as in `next` and `previous`."),
            "page": (whole, "Number of the page, instead of `cursor`; the answer then has totals."),
            "per_page": ({**whole, "maximum": MAX_LIMIT}, f"Rows a page, with `page` ({DEFAULT_PER_PAGE})."),
        }
        return [
            {"name": name, "in": "query", "required": False, "schema": schema, "description": text}
            for name, (schema, text) in described.items()
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the envelope: `next` and `previous` by cursor, the totals by number."""
        address = {"type": ["string", "null"], "format": "uri"}
        by_cursor = {"next": address, "previous": address}
        by_number = {name: {"type": "integer"} for name in ("page", "per_page", "total", "pages")}
        return {
            "type": "object",
            "required": ["results"],
            "properties": {"results": schema, **by_cursor, **by_number, "total_exact": {"type": "boolean"}},
        }


def _after(place: Place | None, ends: Ends, *, has_more: bool) -> Place | None:
    if place is not None and place.backwards:
        # Where nothing is left before the place, it starts the next page itself.
        return Place(ends[1]) if ends else Place(place.values, inclusive=not place.inclusive)
    return Place(ends[1]) if ends and has_more else None


def _before(place: Place | None, ends: Ends, *, has_more: bool) -> Place | None:
    if place is None:
        return None
    if ends is None:
        return None if place.backwards else Place(place.values, backwards=True, inclusive=not place.inclusive)
    return Place(ends[0], backwards=True) if has_more or not place.backwards else None


def count_rows(queryset: QuerySet[Any]) -> tuple[int, bool]:
    """Count up to EXACT_UP_TO rows, beyond that ask the planner; tells whether the number is exact."""
    unordered = queryset.order_by()
    counted = unordered[: EXACT_UP_TO + 1].count()
    if counted <= EXACT_UP_TO:
        return counted, True
    plan = json.loads(unordered.explain(format="json"))
    return max(int(plan[0]["Plan"]["Plan Rows"]), counted), False


def read_positive(request: Request, name: str, *, default: int, maximum: int | None = None) -> int:
    """Read a positive whole number; raises InvalidInputError."""
    text = request.query_params.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18) or int(text) < 1:
        raise _refusal(name, f"The '{name}' parameter must be a positive integer")
    number = int(text)
    if maximum is not None and number > maximum:
        raise _refusal(name, f"The '{name}' parameter must be at most {maximum}")
    return number


def _refusal(name: str, message: str) -> InvalidInputError:
    return InvalidInputError(message, errors=[{"field": name, "code": "invalid", "detail": message}])


def _address(request: Request, keyset: Keyset, place: Place | None) -> str | None:
    if place is None:
        return None
    kept = [part for part in request.META.get("QUERY_STRING", "").split("&") if part and _name_of(part) != "cursor"]
    query = "&".join([*kept, f"cursor={keyset.write(place)}"])
    return f"{request.build_absolute_uri(request.path)}?{query}"


def _name_of(part: str) -> str:
    return unquote_plus(part.partition("=")[0])
