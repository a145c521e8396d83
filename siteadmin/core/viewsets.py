"""Viewsets of the API: roles, cameras, parameters and ids are looked after here, so a view is a few lines."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from functools import cached_property, partial
from typing import Any, ClassVar, Generic, TypeVar, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, ListSerializer
from rest_framework.viewsets import GenericViewSet

from siteadmin.core.etags import answer_one, read_expectation
from siteadmin.core.exceptions import CameraNotFoundError, InvalidInputError, NotFoundError
from siteadmin.core.filters import ordering_names, parse_id
from siteadmin.core.idempotency import answer_once
from siteadmin.core.kept import KeptRows, keep_rows
from siteadmin.core.pagination import ListPagination
from siteadmin.core.permissions import READING_METHODS, CameraAccess, camera_access
from siteadmin.core.reading import Parameter, Statement
from siteadmin.core.roles import Role
from siteadmin.core.rowplans import PlannedRows, RowPlan, plan_for
from siteadmin.core.serializers import StrictModelSerializer, StrictSerializer
from siteadmin.core.throttling import Scope
from siteadmin.core.unknown import refuse_body, refuse_unknown_parameters

M = TypeVar("M", bound=Model)

PLAIN_PARAMETERS = {"format"}
PAGE_NUMBERS = {"page", "per_page"}
"""Pages by number count their rows, each time anew."""
_plans: dict[tuple[type, str | None, type], RowPlan | None] = {}
_statements: dict[tuple[type, str | None], dict[Any, Statement]] = {}
_rows: dict[tuple[type, str | None], QuerySet[Any]] = {}


class BaseViewSet(GenericViewSet[M], Generic[M]):
    """Base of all viewsets; offers nothing by itself."""

    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    lookup_value_regex = "[^/]+"

    not_found: ClassVar[type[NotFoundError]] = NotFoundError
    text_lookup: ClassVar[bool] = False
    """Whether ids are texts; otherwise they are 64-bit integers."""
    has_fixed_rows: ClassVar[bool] = False
    """Whether `get_rows` asks the database the same for every request of an action."""
    camera_lookup: ClassVar[str | None] = None
    """Path to the camera's id; None: belongs to no camera, so hidden from whoever is limited to cameras."""
    required_roles: ClassVar[Mapping[str, Role]] = {}
    """Minimal role by action, over `permissions.DEFAULT_ROLES`."""
    ordering_fields: ClassVar[Collection[str] | Mapping[str, str]] = ()
    query_parameters: ClassVar[Mapping[str, Iterable[str]]] = {}
    """Further query parameters by action."""
    throttle_scopes: ClassVar[Mapping[str, Scope]] = {}
    """What is counted as what by action (`throttling.Scope`); the others are reads, searches by words, or writes."""
    may_find_nothing: ClassVar[Collection[str]] = ()
    """Actions without an id in their path that answer 404 where there is none."""
    picking_actions: ClassVar[Collection[str]] = ("list", "retrieve")
    """Actions whose reader may pick `fields`."""
    filtered_actions: ClassVar[Collection[str]] = ("list",)
    """Actions that take the filterset's parameters."""
    asking_actions: ClassVar[Collection[str]] = ()
    """POST actions that write nothing, so that each repetition may be answered anew."""
    bodiless_actions: ClassVar[Collection[str]] = ()
    """POST actions that take no body."""
    media_actions: ClassVar[Collection[str]] = ()
    """Actions that give a picture or a clip."""
    ranged_actions: ClassVar[Collection[str]] = ()
    """Those of them that give a part of it, where one is asked for."""
    outside_actions: ClassVar[Collection[str]] = ()
    """POST actions that reach beyond the database, and so never run inside one transaction."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer; times are of UTC, wherever the site or its viewer is."""
        with timezone.override(UTC):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who asks, then what they ask for."""
        super().initial(request, *args, **kwargs)
        self.check_query_parameters(request)
        if self.action in self.bodiless_actions:
            refuse_body(request)
        if request.method == "POST" and self.action is not None and self.action not in self.asking_actions:
            self.act_once(self.action)

    def act_once(self, action: str) -> None:
        """Let a request that is sent twice with one `Idempotency-Key` act once."""
        act = getattr(self, action)
        reaches_outside = action in self.outside_actions

        def post(request: Request, *args: Any, **kwargs: Any) -> Response:
            return answer_once(request, partial(act, request, *args, **kwargs), reaches_outside=reaches_outside)

        # DRF calls the action under its method's name on the instance, where `as_view` has put it.
        self.post = post

    def check_permissions(self, request: Request) -> None:
        """Refuse whoever may not do this; what lies beyond their cameras is not there for them, whatever the verb."""
        try:
            super().check_permissions(request)
        except PermissionDenied:
            self.check_visible(is_read=False)
            raise
        self.check_visible(is_read=request.method in READING_METHODS)

    def check_visible(self, *, is_read: bool) -> None:
        """Raise NotFound for an address beyond the cameras that somebody is limited to, before a body is looked at.

        What is read is looked up by the action itself, which finds the same.
        """
        if self.action is None or not self.kwargs or self.access.camera_ids is None:
            return
        camera_id = self.kwargs.get("camera_id")
        if camera_id is not None and camera_id not in self.access.camera_ids:
            raise CameraNotFoundError(camera_id)
        own_id = self.kwargs.get(self.lookup_url_kwarg or self.lookup_field)
        if self.camera_lookup is None:
            raise self.not_found(next(iter(self.kwargs.values())) if own_id is None else own_id)
        if own_id is not None and not is_read:
            self.get_object()

    @cached_property
    def access(self) -> CameraAccess:
        """The cameras that whoever asks may see."""
        return camera_access(self.request)

    def get_rows(self) -> QuerySet[M]:
        """Give the rows of this resource, before anything is hidden."""
        return super().get_queryset()

    def get_queryset(self) -> QuerySet[M]:
        """Give the rows that whoever asks may know of."""
        rows = self._fixed_rows() if self.has_fixed_rows else self.get_rows()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        camera_ids = self.access.camera_ids
        if camera_ids is None:
            return rows
        return rows.none() if self.camera_lookup is None else rows.filter(**{f"{self.camera_lookup}__in": camera_ids})

    def _fixed_rows(self) -> QuerySet[M]:
        key = (type(self), self.action)
        if key not in _rows:
            _rows[key] = self.get_rows()
        return _rows[key].all()

    def get_object(self) -> M:
        """Give the row of this address; raises `not_found` where there is none, or none to be seen."""
        found = self.narrow_to_address(self.get_queryset()).first()
        if found is None:
            raise self.not_found(self.address_key())
        self.check_object_permissions(self.request, found)
        return found

    def narrow_to_address(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Keep the row of this address; raises `not_found` for what can be nothing's id."""
        return rows.filter(**{self.lookup_field: self.address_key()})

    def address_key(self) -> Any:
        """Give the id in this address; raises `not_found` for what can be nothing's."""
        text = str(self.kwargs[self.lookup_url_kwarg or self.lookup_field])
        key = self.parse_lookup(text)
        if key is None:
            raise self.not_found(text)
        return key

    def parse_lookup(self, text: str) -> Any:
        """Read an id, or give None where nothing can have it."""
        if self.text_lookup:
            return None if "\x00" in text else text
        return parse_id(text)

    def known_query_parameters(self) -> set[str]:
        """Give the names of all parameters that the present action takes."""
        action = self.action or ""
        known = set(self.query_parameters.get(action, ()))
        if action in self.picking_actions:
            known.add("fields")
        if action == "list":
            known.update(ListPagination.parameters)
            known.update(["ordering"] if ordering_names(self) else [])
        filterset_class = getattr(self, "filterset_class", None)
        if filterset_class is not None and action in self.filtered_actions:
            known.update(filterset_class.base_filters)
        return known

    def check_query_parameters(self, request: Request) -> None:
        """Refuse parameters that nothing would act on; empty ones do no harm."""
        if self.action in (None, "metadata"):
            return
        refuse_unknown_parameters(request, known=self.known_query_parameters())

    def get_serializer(self, *args: Any, **kwargs: Any) -> BaseSerializer[M]:
        """Make the serializer, with the fields that a reader picked."""
        serializer = super().get_serializer(*args, **kwargs)
        picked = self.picked_fields()
        if picked is not None and "data" not in kwargs:
            inner = serializer.child if isinstance(serializer, ListSerializer) else serializer
            if isinstance(inner, (StrictSerializer, StrictModelSerializer)):
                _check_picked(picked, known=inner.fields)
                inner.pick(picked)
        return serializer

    def answer(self, row: M) -> Response:
        """Answer with this row and its ETag, or 304 where whoever reads has it as it is."""
        return answer_one(self.request, self.get_serializer(row).data, version=getattr(row, "version", None))

    def answer_page(
        self, rows: QuerySet[Any], *, kept: KeptRows | None = None, values: tuple[Any, ...] = ()
    ) -> Response:
        """Answer with a page of these rows, read straight from the database where their serializer allows it.

        `kept`: what is kept of them, with `values` as parameters.
        """
        plan = self.row_plan(rows)
        if plan is None:
            page = self.paginate_queryset(rows if kept is None else self.filter_queryset(self.get_queryset()))
            return self.get_paginated_response(self.get_serializer(page, many=True).data)
        reader = PlannedRows(plan, kept, values)
        paginator = cast("ListPagination", self.paginator)
        page = paginator.read_page(rows, self.request, reader, keyset=None if kept is None else kept.keyset)
        return self.get_paginated_response(page)

    def answer_one(self, rows: QuerySet[Any]) -> Response:
        """Answer with the row of this address in the same way."""
        plan = self.row_plan(rows)
        if plan is None:
            return self.answer(self.get_object())
        key, kept = self.address_key(), self.kept_statements()
        ahead = ["version"] if _has_version(rows.model) else []
        statement = None if kept is None else kept.get("one")
        if statement is None:
            wanted = rows.filter(**{self.lookup_field: Parameter(0)}).order_by()
            statement = Statement(plan.apply(wanted, ahead=ahead), is_prepared=kept is not None)
            if kept is not None:
                kept["one"] = statement
        found = statement.run([key])
        if not found:
            raise self.not_found(key)
        version = found[0][0] if ahead else None
        (shown,) = plan.show(found, skip=len(ahead))
        return answer_one(self.request, shown, version=version)

    def row_plan(self, rows: QuerySet[Any]) -> RowPlan | None:
        """Give how rows are read without their serializer, or None where they need it; a page has forms of its own."""
        if getattr(self.request.accepted_renderer, "format", "") != "json":
            return None
        serializer_class = self.get_serializer_class()
        key = (type(self), self.action, serializer_class)
        if key not in _plans:
            _plans[key] = plan_for(serializer_class, rows)
        plan, picked = _plans[key], self.picked_fields()
        if plan is None or picked is None:
            return plan
        _check_picked(picked, known=plan.columns)
        return plan.pick(picked)

    def kept_statements(self) -> dict[Any, Statement] | None:
        """Give the statements of this action where they are the same for every request: nothing narrows or picks."""
        is_plain = self.request.query_params.keys() <= PLAIN_PARAMETERS and self.access.camera_ids is None
        return _statements.setdefault((type(self), self.action), {}) if self.has_fixed_rows and is_plain else None

    def picked_fields(self) -> list[str] | None:
        """Give the names in `fields`, or None where all are wanted."""
        if self.action not in self.picking_actions or getattr(self, "swagger_fake_view", False):
            return None
        texts = self.request.query_params.getlist("fields")
        return [name.strip() for text in texts for name in text.split(",") if name.strip()] or None


def _has_version(model: type[Model]) -> bool:
    return any(field.name == "version" for field in model._meta.concrete_fields)


def _check_picked(picked: list[str], *, known: Collection[str]) -> None:
    unknown = [name for name in picked if name not in known]
    if unknown:
        message = f"The 'fields' parameter takes {', '.join(known)}, not {', '.join(unknown)}"
        raise InvalidInputError(message, errors=[{"field": "fields", "code": "invalid_choice", "detail": message}])


class ListMixin(BaseViewSet[M]):
    """GET on the collection."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List what may be seen, a page at a time."""
        if not self.has_fixed_rows or PAGE_NUMBERS & request.query_params.keys():
            return self.answer_page(self.filter_queryset(self.get_queryset()))
        kept, values = keep_rows(self)
        return self.answer_page(kept.rows, kept=kept, values=values)


class RetrieveMixin(BaseViewSet[M]):
    """GET on one."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give one, or 304 where it is known as it is."""
        return self.answer_one(self.get_queryset())


class ChangeMixin(BaseViewSet[M]):
    """What changing one row takes: nobody overwrites what they have not seen."""

    expected_version: int | None = None
    """The `version` that the row must still have when the service changes it; None: any."""

    @contextmanager
    def expecting(self, row: Model, *, stated: int | None = None) -> Iterator[None]:
        """Hold a change to what it was made on: 409 for a stale `version` in the body, 412 for a stale `If-Match`."""
        version = getattr(row, "version", None)
        if version is None:
            yield
            return
        expectation = read_expectation(self.request, version=version, stated=stated)
        self.expected_version = expectation.version
        with expectation.refusing():
            yield


class CreateMixin(BaseViewSet[M]):
    """POST on the collection."""

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create one."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.validated_data.pop("version", None)  # what was read can be sent back as another
        created = self.perform_create(serializer)
        return Response(self.get_serializer(created).data, status=status.HTTP_201_CREATED)

    def perform_create(self, serializer: BaseSerializer[M]) -> M:
        """Store what was sent and give the stored row; override it to call a service."""
        return serializer.save()


class PatchMixin(ChangeMixin[M]):
    """PATCH on one."""

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change the fields that were sent; 409 for a stale `version`, 412 for a stale `If-Match`."""
        return self.change(request, partial=True)

    def change(self, request: Request, *, partial: bool) -> Response:
        """Check what was sent, write it, and answer with the row as it is then."""
        row = self.get_object()
        serializer = self.get_serializer(row, data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        stated = serializer.validated_data.pop("version", None)
        with self.expecting(row, stated=stated):
            changed = self.perform_update(serializer)
        return self.answer(changed)

    def perform_update(self, serializer: BaseSerializer[M]) -> M:
        """Store what was sent and give the stored row; override it to call a service."""
        return serializer.save()


class DestroyMixin(ChangeMixin[M]):
    """DELETE on one."""

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete one; 412 for a stale `If-Match`."""
        row = self.get_object()
        with self.expecting(row):
            self.perform_destroy(row)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def perform_destroy(self, instance: M) -> None:
        """Delete the row; override it to call a service."""
        instance.delete()


class ReadViewSet(ListMixin[M], RetrieveMixin[M]):
    """List and get."""


class CrudViewSet(ListMixin[M], CreateMixin[M], RetrieveMixin[M], PatchMixin[M], DestroyMixin[M]):
    """List, create, get, patch and delete; PUT is not offered, since PATCH does what is wanted."""
