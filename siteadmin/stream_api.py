"""`GET /api/stream`: what changes, as server-sent events."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, cast

from django.contrib.auth import get_user
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from alerts.api.alerts import AlertSerializer
from alerts.models import Alert
from cameras.api.serializers import CameraSerializer
from cameras.models import Camera
from events.api.serializers import EventSerializer
from events.models import Event
from siteadmin.core.change_repositories import Position
from siteadmin.core.exceptions import InvalidInputError
from siteadmin.core.models import Change
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.permissions import camera_access, role_of
from siteadmin.core.roles import Role
from siteadmin.core.stream import Message, hub_of
from siteadmin.core.viewsets import BaseViewSet

TOPICS = (
    "event.opened",
    "event.changed",
    "event.reviewed",
    "event.removed",
    "alert.created",
    "alert.changed",
    "camera.status",
)
RESOURCES: Mapping[str, tuple[Callable[[], QuerySet[Any]], type[BaseSerializer[Any]]]] = {
    "event": (Event.objects.for_api, EventSerializer),
    "alert": (Alert.objects.for_api, AlertSerializer),
    "camera": (Camera.objects.active, CameraSerializer),
}
"""What a topic's first word stands for: whose rows, and how the API gives them."""
PARAMETERS = [
    OpenApiParameter("topic", str, enum=TOPICS, many=True, description="Only these; all where none is named."),
    OpenApiParameter("camera", str, many=True, description="Only these cameras."),
    OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description="Resume behind this message."),
]


class StreamViewSet(BaseViewSet[Change]):
    """Changes as they happen; `data` is `{"id", "event" | "alert" | "camera": the resource, or null where it is gone}`.

    Every message carries an id; whoever comes back with it in `Last-Event-ID` within a day misses nothing. After
    `reset` read the lists anew.
    """

    queryset = Change.objects.none()
    camera_lookup = "camera_id"
    content_negotiation_class = AnyAnswerNegotiation
    required_roles: ClassVar = {"stream": Role.VIEWER}
    query_parameters: ClassVar = {"stream": {"topic", "camera"}}

    @extend_schema(
        parameters=PARAMETERS,
        responses={(200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, description="An endless answer.")},
    )
    def stream(self, request: Request) -> StreamingHttpResponse:
        """Tell of every change that whoever asks may see, until they hang up."""
        topics = frozenset(_words(request, "topic")) or frozenset(TOPICS)
        if topics - set(TOPICS):
            message = f"The 'topic' parameter takes {', '.join(TOPICS)}, not {', '.join(sorted(topics - set(TOPICS)))}"
            raise InvalidInputError(message, errors=[{"field": "topic", "code": "invalid_choice", "detail": message}])
        cameras, seen = frozenset(_words(request, "camera")), self.access.camera_ids

        def is_wanted(message: Message) -> bool:
            return (
                message.topic in topics
                and (not cameras or message.camera_id in cameras)
                and (seen is None or message.camera_id in seen)
            )

        lines = hub_of(describe).listen(
            since=_last_event_id(request),
            wanted=is_wanted,
            is_still_allowed=lambda: _may_still_listen(request, camera_ids=seen),
        )
        answer = StreamingHttpResponse(lines, content_type="text/event-stream; charset=utf-8")
        answer["Cache-Control"] = "no-store"
        answer["X-Accel-Buffering"] = "no"  # nginx would gather the messages
        return answer


def describe(changes: Sequence[Change]) -> list[Message]:
    """Give the messages of these changes with what they are about as it is now.

    Of several changes of one thing that say no more than that it changed, the last one stands for all.
    """
    last = {(_kind(change), change.subject): change.pk for change in changes if _says_no_more(change)}
    told = [
        change for change in changes if not _says_no_more(change) or last[_kind(change), change.subject] == change.pk
    ]
    resources = {kind: _resources(kind, told) for kind in {_kind(change) for change in told}}
    messages = []
    for change in told:
        kind = _kind(change)
        resource = resources[kind].get(change.subject)
        topic = "event.removed" if kind == "event" and resource is None else change.topic
        subject = change.subject if kind == "camera" else int(change.subject)
        messages.append(Message.of(change, topic=topic, data=_json({"id": subject, kind: resource})))
    return messages


def _kind(change: Change) -> str:
    return change.topic.partition(".")[0]


def _says_no_more(change: Change) -> bool:
    """Whether the topic tells no more than the row does as it is now."""
    return change.topic.endswith(".changed")


def _resources(kind: str, changes: Sequence[Change]) -> dict[str, Any]:
    rows, serializer = RESOURCES[kind]
    subjects = {change.subject for change in changes if _kind(change) == kind}
    return {str(row.pk): serializer(row).data for row in rows().filter(pk__in=subjects)}


def _json(data: Any) -> bytes:
    return bytes(JSONRenderer().render(data))


def _words(request: Request, name: str) -> list[str]:
    return [word.strip() for text in request.query_params.getlist(name) for word in text.split(",") if word.strip()]


def _last_event_id(request: Request) -> Position | None:
    text = request.headers.get("Last-Event-ID", "").strip()
    if not text:
        return None
    try:
        return Position.parse(text)
    except ValueError as error:
        message = "The 'Last-Event-ID' header takes the id of a message of this stream"
        errors = [{"field": "Last-Event-ID", "code": "invalid", "detail": message}]
        raise InvalidInputError(message, errors=errors) from error


def _may_still_listen(request: Request, *, camera_ids: frozenset[str] | None) -> bool:
    """Ask anew who this is: a key may have been revoked, a session ended, a person gone or limited to other cameras."""
    fresh = copy(request._request)
    fresh.session = type(fresh.session)(fresh.session.session_key)
    fresh.user = get_user(fresh)
    again = Request(fresh, authenticators=cast("Sequence[BaseAuthentication]", request.authenticators))
    try:
        role = role_of(again)
        return role is not None and role.includes(Role.VIEWER) and camera_access(again).camera_ids == camera_ids
    except APIException:
        return False
