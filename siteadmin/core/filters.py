"""Query parameters of lists: each is known, of its type, and matched exactly."""

import copy
import itertools
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.utils.dateparse import parse_datetime
from django_filters.constants import EMPTY_VALUES
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail
from rest_framework.exceptions import ValidationError as RestValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

from siteadmin.core.exceptions import DateRangeValidationError, InvalidInputError
from siteadmin.core.reading import OneOf, Parameter

LARGEST_ID = 2**63 - 1
MOST_VALUES = 1000
"""How many values one parameter takes; a longer list would only burden the planner."""

LONGEST_TEXT = 500
"""Signs of one text parameter."""
PARAMETER_LOOKUPS = ("exact", "in", "overlap", "lt", "lte", "gt", "gte")
"""Comparisons whose SQL is the same for every value."""
STORABLE = r"^[^\x00]*$"
"""What a text may be: PostgreSQL keeps no NUL."""


def parse_id(text: str) -> int | None:
    """Read a 64-bit id, or give None where nothing can have it."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    number = int(text)
    return number if 0 < number <= LARGEST_ID else None


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 time; raises ValidationError where it is none or lacks its offset."""
    try:
        # An unescaped + of the offset arrives as a blank.
        value = parse_datetime(text.strip().replace(" ", "+") if "T" in text.upper() else text.strip())
    except ValueError:
        value = None
    if value is None:
        raise ValidationError("Enter an RFC 3339 time, such as 2026-03-14T21:58:00Z.", code="invalid")
    if value.tzinfo is None:
        raise ValidationError("The time needs an offset, such as Z or +01:00.", code="naive_time")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValidationError("The time lies outside the years 1 to 9999 in UTC.", code="invalid") from error


class InstantField(forms.Field):
    """An RFC 3339 time with its offset."""

    widget = forms.TextInput

    def to_python(self, value: Any) -> datetime | None:
        """Give an aware time, or None for nothing."""
        return parse_instant(value) if value else None


class FlagField(forms.Field):
    """True or false; anything else is an error, unlike with Django's NullBooleanField."""

    widget = forms.TextInput

    def to_python(self, value: Any) -> bool | None:
        """Give the flag, or None for nothing."""
        if value in (None, ""):
            return None
        flag = {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
        if flag is None:
            raise ValidationError("Enter true or false.", code="invalid")
        return flag


class ValuesWidget(forms.TextInput):
    """Several values: the parameter repeated, or commas."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        """Give all values in order, empty ones left out."""
        texts: Iterable[str] = data.getlist(name) if hasattr(data, "getlist") else [data.get(name) or ""]
        return [value.strip() for text in texts for value in text.split(",") if value.strip()]

    def format_value(self, value: Any) -> str:
        """Show the values as they can be typed."""
        return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value or "")


class ValuesField(forms.Field):
    """A list of texts, each one of the choices where there are any."""

    widget = ValuesWidget

    def __init__(self, *, choices: Iterable[Any] | None = None, **kwargs: Any) -> None:
        self.allowed = [str(getattr(choice, "value", choice[0])) for choice in choices] if choices is not None else None
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> list[Any]:
        """Give the values."""
        values = list(value or [])
        if len(values) > MOST_VALUES:
            raise ValidationError(f"At most {MOST_VALUES} values.", code="too_many")
        return [self.to_value(item) for item in values]

    def to_value(self, text: str) -> Any:
        """Give one value; raises ValidationError."""
        if "\x00" in text:
            raise ValidationError("Null characters are not allowed.", code="null_characters_not_allowed")
        if self.allowed is not None and text not in self.allowed:
            raise ValidationError(f"'{text}' is not one of: {', '.join(self.allowed)}.", code="invalid_choice")
        return text


class IdsField(ValuesField):
    """A list of 64-bit ids."""

    def to_value(self, text: str) -> int:
        """Give one id; raises ValidationError."""
        number = parse_id(text)
        if number is None:
            raise ValidationError(f"'{text}' is not an id.", code="invalid")
        return number


class MultiValueFilter(django_filters.Filter):
    """Rows whose field is one of the values, case and all; `choices` limits them."""

    field_class = ValuesField
    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": STORABLE}

    def __init__(self, field_name: str | None = None, lookup_expr: str = "in", **kwargs: Any) -> None:
        super().__init__(field_name=field_name, lookup_expr=lookup_expr, **kwargs)


class MultiIdFilter(MultiValueFilter):
    """Rows whose field is one of the ids."""

    field_class = IdsField
    schema: ClassVar[dict[str, Any]] = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}


class InstantFilter(django_filters.Filter):
    """Rows by a time, given as RFC 3339 with its offset."""

    field_class = InstantField
    schema: ClassVar[dict[str, Any]] = {"type": "string", "format": "date-time"}


class FlagFilter(django_filters.Filter):
    """Rows by a flag, true or false."""

    field_class = FlagField
    schema: ClassVar[dict[str, Any]] = {"type": "boolean"}


class IntegerFilter(django_filters.Filter):
    """Rows by a whole number; takes `min_value` and `max_value`."""

    field_class = forms.IntegerField
    schema: ClassVar[dict[str, Any]] = {"type": "integer"}


class NumberFilter(django_filters.Filter):
    """Rows by a number; takes `min_value` and `max_value`."""

    field_class = forms.FloatField
    schema: ClassVar[dict[str, Any]] = {"type": "number"}


class TextFilter(django_filters.Filter):
    """Rows by an exact text, of at most LONGEST_TEXT signs."""

    field_class = forms.CharField
    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": STORABLE, "maxLength": LONGEST_TEXT}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if self.field_class is forms.CharField:
            kwargs.setdefault("max_length", LONGEST_TEXT)
        super().__init__(*args, **kwargs)


class StrictFilterSet(django_filters.FilterSet):
    """Base of all filtersets; `ranges` names pairs of parameters of which the first may not lie after the second.

    Only what was sent is read: django-filter itself copies every filter and makes a form of all for each request.
    """

    ranges: ClassVar[Sequence[tuple[str, str]]] = ()
    varying_methods: ClassVar[Collection[str]] = ()
    """Filters by a method that takes a parameter in the place of a value."""

    def __init__(
        self, data: Any = None, queryset: Any = None, *, request: Request | None = None, prefix: str | None = None
    ) -> None:
        self.is_bound, self.data, self.queryset = data is not None, data or {}, queryset
        self.request, self.form_prefix = request, prefix
        self.values: dict[str, Any] = {}
        """What was sent, read; methods of filters may look at each other's parameters here."""

    @cached_property
    def filters(self) -> dict[str, django_filters.Filter]:
        """All filters, for the form on the browsable page."""
        copied: dict[str, django_filters.Filter] = copy.deepcopy(self.base_filters)
        for one in copied.values():
            one.parent, one.model = self, self.queryset.model
        return copied

    def narrow(self) -> QuerySet[Any]:
        """Give the rows that all parameters leave; raises ValidationError, or InvalidInputError for a range."""
        self.values = self._read()
        self._check_ranges()
        return self._apply(self.values)

    def shape(self) -> tuple[Hashable, tuple[Any, ...]]:
        """Read what was sent; give what a statement for it depends on, and the values that it takes as parameters.

        Raises as `narrow`.
        """
        self.values = self._read()
        self._check_ranges()
        shape: list[Hashable] = []
        values: list[Any] = []
        for name, value in self.values.items():
            if value in EMPTY_VALUES:
                continue
            if not self.varies(name):
                shape.append((name, tuple(value) if isinstance(value, list) else value))
                continue
            many = value if isinstance(value, list) else [value]
            shape.append((name, "parameters", len(many)))
            values += many
        return tuple(shape), tuple(values)

    def narrow_shape(self) -> QuerySet[Any]:
        """Give the rows of all requests that have the shape read last, with parameters for their values."""
        numbers = itertools.count()
        given: dict[str, Any] = {}
        for name, value in self.values.items():
            if value in EMPTY_VALUES or not self.varies(name):
                given[name] = value
            elif isinstance(value, list):
                given[name] = [Parameter(next(numbers)) for _ in value]
            else:
                given[name] = Parameter(next(numbers))
        return self._apply(given)

    def varies(self, name: str) -> bool:
        """Tell whether a statement takes this filter's values as parameters, whatever they are."""
        one = self.base_filters[name]
        if one.method is not None:
            return name in self.varying_methods
        # Of a few choices each may have an index of its own.
        has_few = isinstance(one, FlagFilter) or one.extra.get("choices") is not None
        return one.lookup_expr in PARAMETER_LOOKUPS and not has_few

    def _apply(self, values: Mapping[str, Any]) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.queryset
        plain: dict[str, Any] = {}
        for name, value in values.items():
            one = self.base_filters[name]
            if value in EMPTY_VALUES:
                continue
            if one.method is not None:
                rows = getattr(self, one.method)(rows, one.field_name, value)
            elif one.lookup_expr == "in" and isinstance(value[0], Parameter):
                rows = rows.filter(OneOf(F(one.field_name), *value))  # Django's own would make texts of parameters
            else:
                plain[f"{one.field_name}__{one.lookup_expr}"] = value
        return rows.filter(**plain) if plain else rows

    def _read(self) -> dict[str, Any]:
        values, errors = {}, {}
        for name, one in self.base_filters.items():
            if name not in self.data:
                continue
            field = one.field
            try:
                values[name] = field.clean(field.widget.value_from_datadict(self.data, {}, name))
            except ValidationError as error:
                errors[name] = [ErrorDetail(item.messages[0], code=item.code) for item in error.error_list]
        if errors:
            raise RestValidationError(errors)
        return values

    def _check_ranges(self) -> None:
        """Refuse a range that ends before it starts."""
        for first, last in self.ranges:
            start, end = self.values.get(first), self.values.get(last)
            if start is None or end is None or start <= end:
                continue
            message = f"'{first}' lies after '{last}'"
            errors = [{"field": first, "code": "invalid_range", "detail": message}]
            if isinstance(start, datetime):
                raise DateRangeValidationError(message, errors=errors)
            raise InvalidInputError(message, errors=errors)


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, with ranges checked; that a parameter is known is checked by the viewset, which knows them all."""

    filterset_base = StrictFilterSet

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """Narrow the rows; raises ValidationError for a bad value."""
        filterset: StrictFilterSet | None = self.get_filterset(request, queryset, view)
        return queryset if filterset is None else filterset.narrow()


class StrictOrderingBackend(BaseFilterBackend):
    """`ordering=-started_at,id`, of the names that the view offers in `ordering_fields`."""

    parameter = "ordering"

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """Order the rows; without the parameter they keep the order they have."""
        wanted = [word.strip() for word in request.query_params.get(self.parameter, "").split(",") if word.strip()]
        offered = ordering_names(view)
        if not wanted or not offered:
            return queryset
        for word in wanted:
            if word.removeprefix("-") not in offered:
                message = f"The 'ordering' parameter takes {', '.join(offered)}, each also with a leading '-'"
                raise InvalidInputError(
                    message, errors=[{"field": self.parameter, "code": "invalid_choice", "detail": message}]
                )
        signs = ["-" if word.startswith("-") else "" for word in wanted]
        return queryset.order_by(
            *(sign + offered[word.removeprefix("-")] for sign, word in zip(signs, wanted, strict=True))
        )

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Describe the parameter where the view offers it."""
        names = list(ordering_names(view))
        if not names:
            return []
        return [
            {
                "name": self.parameter,
                "in": "query",
                "required": False,
                "description": f"Order by {', '.join(names)}; a leading '-' turns it round. Ties are broken by id.",
                "schema": {"type": "string", "pattern": words_pattern(names, before="-?")},
            }
        ]


def words_pattern(words: Iterable[str], *, before: str = "") -> str:
    """Give the pattern of some of these words, separated by commas."""
    word = f"{before}({'|'.join(words)})"
    return f"^{word}(,{word})*$"


def ordering_names(view: APIView) -> dict[str, str]:
    """Give what `ordering` takes, each with the path by which the rows are ordered."""
    offered = getattr(view, "ordering_fields", None) or ()
    return dict(offered) if isinstance(offered, Mapping) else {name: name for name in offered}
