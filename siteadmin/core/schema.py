"""What the OpenAPI schema says of every path: who may ask, which parameters count, how refusals look."""

from collections.abc import Collection, Mapping
from typing import Any, cast

from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, force_instance
from drf_spectacular.utils import OpenApiParameter

from siteadmin.core.filters import LARGEST_ID, MultiValueFilter, words_pattern
from siteadmin.core.idempotency import HEADER
from siteadmin.core.names import PATTERN
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.serializers import StrictSerializer

_TEXT = {"type": "string"}
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "details"],
    "properties": {
        "type": {**_TEXT, "format": "uri-reference", "description": "The page that explains it, or about:blank."},
        "title": {**_TEXT, "description": "The status phrase."},
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": {**_TEXT, "format": "uri-reference", "description": "The request's path."},
        "code": {**_TEXT, "examples": ["CAMERA_NOT_FOUND"]},
        "request_id": {"type": ["string", "null"]},
        "details": {"type": "object", "additionalProperties": True},
        "errors": {
            "type": "array",
            "description": "What is wrong with each field; an empty field is the whole body.",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {"field": _TEXT, "code": _TEXT, "detail": _TEXT},
            },
        },
    },
}
ALWAYS = {
    "400": "The request is not valid",
    "401": "Nobody we know is asking",
    "403": "Not allowed",
    "429": "Too many requests of this kind; `Retry-After` says how long to wait",
    "500": "A fault of the product",
    "503": "A service behind it is down",
}
ONE = {"404": "There is none, or none to be seen"}
CHANGING = {"409": "Conflicts with what is stored"}
STALE = {"412": "Somebody changed it since the state that `If-Match` names"}
REUSED = {"422": "The `Idempotency-Key` belongs to another request"}
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": "^[!#-~]{1,255}$"},
    OpenApiParameter.HEADER,
    description="A fresh key, such as a UUID: sent again within a day with the same request, the first answer comes "
    "again, marked by `Idempotency-Replayed: true`. 409 while the first one is under way.",
)
CHANGING_ONE = (
    *("partial_update", "update", "destroy"),
    *("acknowledge", "dismiss", "snooze", "change_feedback", "remove_feedback"),
)
"""Actions that take `If-Match`."""
READING_ONE = ("retrieve", "feedback")
"""Actions that give an ETag."""
IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The ETag that was looked at.")
IF_NONE_MATCH = OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The ETag that is known.")
UNWANTED = {"406": "No form that `Accept` names is given here"}
BEYOND = {"416": "`Range` names no part of the file"}
RANGE = OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="A part of the file, such as bytes=0-1023.")
WITH_BODY = {"413": "The body is too large", "415": "The body's type is not read here"}


class ApiSchema(AutoSchema):
    """drf-spectacular's reading of a view, with what the base classes of the API add."""

    def get_override_parameters(self) -> list[Any]:
        """Add the parameters that a viewset names itself."""
        action = getattr(self.view, "action", None)
        further: Mapping[str, Any] = getattr(self.view, "query_parameters", {})
        parameters = [OpenApiParameter(name, str) for name in sorted(further.get(action or "", ()))]
        if action in getattr(self.view, "picking_actions", ()):
            parameters.append(self._fields_parameter())
        if action in READING_ONE or self.is_media:
            parameters.append(IF_NONE_MATCH)
        if action in self.ranged_actions:
            parameters.append(RANGE)
        if self.is_keyed:
            parameters.append(IDEMPOTENCY_KEY)
        if action in CHANGING_ONE:
            parameters.append(IF_MATCH)
        return parameters

    def _fields_parameter(self) -> OpenApiParameter:
        view: Any = self.view
        names = view.get_serializer().fields
        schema = {"type": "string", "pattern": words_pattern(names)}
        return OpenApiParameter("fields", schema, description=f"Fields to give, comma-separated: {', '.join(names)}.")

    def _get_parameters(self) -> list[dict[str, Any]]:
        # An action may refuse a parameter of its filterset.
        parameters: list[dict[str, Any]] = super()._get_parameters()
        if not hasattr(self.view, "known_query_parameters"):
            return parameters
        known = self.view.known_query_parameters() | {"format"}
        return [each for each in parameters if each["in"] != "query" or each["name"] in known]

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        # drf-spectacular takes ids for texts, as our routes let any text through, to a 404.
        untyped, view = cast("Any", super()), cast("Any", self.view)
        parameters: list[dict[str, Any]] = untyped._resolve_path_parameters(variables)
        for parameter in parameters:
            if parameter["name"] in ("id", "pk", view.lookup_field) and not view.text_lookup:
                parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
            else:
                parameter["schema"] = {"type": "string", "pattern": "^[A-Za-z0-9_.-]+$"}
        return parameters

    def map_parsers(self) -> list[str]:
        """Name JSON alone where it is taken: forms are read too, for the browsable pages."""
        parsers: list[str] = super().map_parsers()
        return ["application/json"] if "application/json" in parsers else parsers

    def _get_request_body(self, direction: Any = "request") -> Any:
        # drf-spectacular takes the body of every PATCH for a part, and knows none of a DELETE; that of a bulk
        # request is whole, and names what is to be deleted.
        method = self.method
        if method in ("PATCH", "DELETE") and getattr(self.view, "action", None) != "partial_update":
            named = self.get_request_serializer()
            self.method = "POST" if isinstance(force_instance(named), StrictSerializer) else method
        try:
            return cast("Any", super())._get_request_body(direction)
        finally:
            self.method = method

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        # drf-spectacular has no public hook that sees all responses of an operation.
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        if getattr(self.view, "action", None) in READING_ONE or self.is_media:
            responses.setdefault("304", {"description": "It is known as it is"})
        if getattr(self.view, "action", None) in self.ranged_actions:
            responses["206"] = {**responses["200"], "description": "The part that `Range` names"}
        for status, text in self._problems().items():
            responses.setdefault(
                status,
                {
                    "description": text,
                    "content": {"application/problem+json": {"schema": self._problem_component().ref}},
                },
            )
        return responses

    @property
    def is_media(self) -> bool:
        """Whether the operation gives a picture or a clip."""
        return getattr(self.view, "action", None) in getattr(self.view, "media_actions", ())

    @property
    def ranged_actions(self) -> Collection[str]:
        """The actions of the view that give a part of a file, where one is asked for."""
        return cast("Collection[str]", getattr(self.view, "ranged_actions", ()))

    @property
    def is_keyed(self) -> bool:
        """Whether the operation takes an Idempotency-Key."""
        asks = getattr(self.view, "action", None) in getattr(self.view, "asking_actions", ())
        return self.method == "POST" and hasattr(self.view, "act_once") and not asks

    def _problems(self) -> dict[str, str]:
        problems, action = dict(ALWAYS), getattr(self.view, "action", None)
        if "{" in self.path or getattr(self.view, "action", None) in getattr(self.view, "may_find_nothing", ()):
            problems |= ONE
        if self.method in ("POST", "PATCH", "PUT", "DELETE"):
            problems |= CHANGING
        if getattr(self.view, "action", None) in CHANGING_ONE:
            problems |= STALE
        if self.is_keyed:
            problems |= REUSED
        if not issubclass(self.view.content_negotiation_class, AnyAnswerNegotiation):
            problems |= UNWANTED
        if action in self.ranged_actions:
            problems |= BEYOND
        if self.method in ("POST", "PATCH", "PUT"):
            problems |= WITH_BODY
        return dict(sorted(problems.items()))

    def _problem_component(self) -> ResolvedComponent:
        component = ResolvedComponent(
            name="Problem", type=ResolvedComponent.SCHEMA, schema=PROBLEM_SCHEMA, object="Problem"
        )
        self.registry.register_on_missing(component)
        return component


def strip_slashes(endpoints: list[tuple[str, str, str, Any]], **kwargs: Any) -> list[tuple[str, str, str, Any]]:
    """Show each path once, without the slash that is optional."""
    return [(path.rstrip("/") or "/", regex, method, callback) for path, regex, method, callback in endpoints]


def close_requests(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Say that bodies take no field that is not named, as the serializers have it."""
    for name, schema in result["components"]["schemas"].items():
        if name.endswith("Request") and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return result


class FilterParameters(DjangoFilterExtension):
    """Parameters that take several values are lists."""

    target_class = "siteadmin.core.filters.StrictFilterBackend"
    priority = 1

    def resolve_filter_field(
        self, auto_schema: Any, model: Any, filterset_class: Any, field_name: str, filter_field: Any
    ) -> list[dict[str, Any]]:
        """Describe one parameter."""
        parent: Any = super()  # untyped
        parameters = parent.resolve_filter_field(auto_schema, model, filterset_class, field_name, filter_field)
        for parameter in parameters:
            # Of a column that is a list drf-spectacular tells what that holds; a parameter is one value of it.
            parameter["schema"].pop("items", None)
            parameter["schema"] |= {
                **getattr(filter_field, "schema", {}),
                **{
                    name: filter_field.extra[key]
                    for name, key in (("minimum", "min_value"), ("maximum", "max_value"))
                    if key in filter_field.extra
                },
            }
            if "enum" in parameter["schema"]:
                parameter["schema"].pop("pattern", None)
        if isinstance(filter_field, MultiValueFilter):
            for parameter in parameters:
                parameter["schema"] = {"type": "array", "items": parameter["schema"]}
                parameter["description"] = "Several: repeat it, or separate them by commas."
        return list(parameters)


class NamePattern(OpenApiSerializerFieldExtension):
    """Names are one line of plain text."""

    target_class = "siteadmin.core.names.NameSerializerField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Describe the field as any other text, with its pattern."""
        described: dict[str, Any] = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        return {**described, "pattern": PATTERN} if direction == "request" else described


class KeyScheme(OpenApiAuthenticationExtension):
    """Keys as bearer tokens or in their own header."""

    target_class = "siteadmin.core.authentication.ApiKeyAuthentication"
    name = ["bearerKey", "headerKey"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Either will do."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Describe both."""
        return [{"type": "http", "scheme": "bearer"}, {"type": "apiKey", "in": "header", "name": "X-API-Key"}]


class BasicKeyScheme(OpenApiAuthenticationExtension):
    """Keys as the password of HTTP Basic."""

    target_class = "siteadmin.core.authentication.BasicKeyAuthentication"
    name = "basicKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Describe it."""
        return {"type": "http", "scheme": "basic", "description": "Any user name, the key as password."}


class StaffSessionScheme(OpenApiAuthenticationExtension):
    """The session cookie of the site."""

    target_class = "siteadmin.core.authentication.StaffSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Describe it."""
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
