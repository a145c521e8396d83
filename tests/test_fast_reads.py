"""Rows read straight from the database are what their serializers give, whoever asks for them and however."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from alerts.models import Alert, Delivery, DeliveryAttempt, Escalation, Silence
from cameras.models import Camera, Snapshot, Zone
from events.models import Analysis, Detection, Event, PromptVersion
from siteadmin.core.rowplans import RowPlan
from siteadmin.core.viewsets import BaseViewSet
from tests.api_roles import Route, routes
from tests.factories import (
    AlertFactory,
    CameraFactory,
    DeliveryFactory,
    DetectionFactory,
    EventFactory,
    SnapshotFactory,
)
from tests.test_api_roles import ids_of

pytestmark = pytest.mark.django_db

NOT_ROWS = (
    *("image", "snapshot", "file", "export", "summary", "feedback", "active", "evaluation", "status", "stream"),
    "duplicates",  # an event may have been merged into another
)
READS = [route for route in routes() if route.method == "get" and not route.path.endswith(NOT_ROWS)]
READS = [route for route in READS if issubclass(route.view, BaseViewSet) and route.basename != "export"]
NEED_PYTHON = {
    "unassigned-uploads": "the recorder's channel is read from the path",
    "alert-rules": "channels and schedules are put together",
    "channels": "settings are masked",
    "dead-letters": "the pipeline knows what can be requeued",
    "modes": "switch times are shown in part",
    "prompts": "placeholders are the program's",
    "quiet-hours": "schedules are shown in part",
}
"""What is read by its serializer, and why; tables that stay small."""


@pytest.fixture
def reader(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client("admin")


@pytest.fixture
def world() -> dict[str, Any]:
    """Make two rows of everything, and give the ids of the first."""
    ids = ids_of(CameraFactory(id="front_door"))
    ids_of(CameraFactory(id="back_yard"))
    return ids


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[RowPlan | None]:
    """Give the plans that are made use of, in order; None for each answer that took a serializer."""
    found: list[RowPlan | None] = []
    original = BaseViewSet.row_plan

    def note(view: Any, rows: Any) -> RowPlan | None:
        found.append(original(view, rows))
        return found[-1]

    monkeypatch.setattr(BaseViewSet, "row_plan", note)
    return found


def assert_same(client: APIClient, address: str) -> Any:
    """Ask by plan and by serializer: the bytes and the ETag must be the same; gives the body."""
    fast = client.get(address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseViewSet, "row_plan", lambda view, rows: None)
        slow = client.get(address)
    assert fast.status_code == slow.status_code == 200, fast.content
    assert fast.content == slow.content
    assert fast.get("ETag") == slow.get("ETag")
    return fast.json()


@pytest.mark.parametrize("route", READS, ids=lambda route: route.name)
def test_all_is_read_by_plan_but_what_says_why_not(
    route: Route, world: dict[str, Any], reader: APIClient, plans: list[RowPlan | None]
) -> None:
    reader.get(route.address(world))

    has_reason = route.path.split("/")[2] in NEED_PYTHON and "versions" not in route.path
    assert [plan is None for plan in plans] == [has_reason]


@pytest.mark.parametrize("route", READS, ids=lambda route: route.name)
def test_every_resource_is_the_same_both_ways(route: Route, world: dict[str, Any], reader: APIClient) -> None:
    body = assert_same(reader, route.address(world))

    assert body


@pytest.mark.parametrize(
    "query",
    ["fields=id", "fields=reviewed_by,id,analysis", "ordering=-risk_score&limit=1", "page=1&per_page=1", "limit=1"],
)
def test_picks_orders_and_pages_are_the_same_both_ways(query: str, world: dict[str, Any], reader: APIClient) -> None:
    body = assert_same(reader, f"/api/events?{query}")

    for link in ("next", "previous"):
        if body.get(link):
            assert_same(reader, body[link])


FILTERS = {
    "events": [
        "camera={c}", "camera={c},{c}&reviewed=false", "camera={c}&risk_level=low,high&object_type=person",
        "min_risk=0&max_risk=99", "zone={zone}", "q=person", "q=a%20-b%20or%20%22c", "kept=false",
        "started_after=2020-01-01T00:00:00Z&started_before=2099-01-01T00:00:00%2B02:00",
        "started_after=2020-01-01T00:00:00Z&overlaps=1", "time_of_day=00:00-24:00&tz=Europe/Berlin",
        "risk_level=low,critical&ordering=-risk_score",
    ],
    "detections": ["min_confidence=0.1", "event={event}&camera={c}", "object_type=person,car&zone={zone}"],
    "snapshots": ["camera={c}&state=detected", "captured_after=2020-01-01T00:00:00Z"],
    "deliveries": ["state=pending,delivered"],
    "cameras": ["status=unknown", "status=error", "q=front"],
    "alerts": ["camera={c}&severity=low,medium,high,critical"],
}  # fmt: skip


@pytest.mark.parametrize("path", FILTERS)
def test_filters_find_the_same_both_ways_however_often_and_with_whatever_values(
    path: str, world: dict[str, Any], reader: APIClient
) -> None:
    seen = set()
    for query in FILTERS[path]:
        # The other values first, so that what is kept of these is not what the asked ones find.
        for camera, number in (("nowhere", 2**62), ("back_yard", 1), ("front_door", world["event.pk"])):
            address = f"/api/{path}?{query.format(c=camera, event=number, zone=number)}&limit=1"
            for _ in range(2):
                body = assert_same(reader, address)
                seen.add(len(body["results"]))
            for link in ("next", "previous"):
                if body.get(link):
                    assert_same(reader, body[link])

    assert seen == {0, 1} or path == "deliveries"


@pytest.mark.parametrize("path", ["events", "detections", "alerts"])
def test_one_who_is_limited_and_filters_sees_nothing_beyond(
    path: str, world: dict[str, Any], key_client: Callable[..., APIClient]
) -> None:
    address = f"/api/{path}?camera=back_yard,front_door"

    everybody = key_client("admin").get(address).json()["results"]
    limited = assert_same(key_client("viewer", cameras=("front_door",)), address)["results"]
    other = assert_same(key_client("viewer", cameras=("back_yard",)), address)["results"]

    assert {row["camera"] for row in everybody} == {"back_yard", "front_door"}
    assert {row["camera"] for row in limited} == {"front_door"}
    assert {row["camera"] for row in other} == {"back_yard"}


def test_one_row_with_picked_fields_is_the_same_both_ways(world: dict[str, Any], reader: APIClient) -> None:
    assert set(assert_same(reader, f"/api/detections/{world['detection.pk']}?fields=bbox,id")) == {"id", "bbox"}


def test_an_unknown_field_is_refused_by_name(world: dict[str, Any], reader: APIClient) -> None:
    response = reader.get("/api/events?fields=id,colour")

    assert response.status_code == 400
    assert response.json()["detail"].startswith("The 'fields' parameter takes id, camera, ")


@pytest.mark.parametrize("path", ["events", "detections", "snapshots", "alerts", "cameras"])
def test_whoever_is_limited_to_a_camera_sees_the_same_both_ways(
    path: str, world: dict[str, Any], key_client: Callable[..., APIClient]
) -> None:
    everybody, limited = key_client("admin"), key_client("admin", cameras=("front_door",))

    # In this order, so that nothing kept of the first answers the second.
    all_rows = everybody.get(f"/api/{path}").json()["results"]
    rows = assert_same(limited, f"/api/{path}")["results"]

    assert {row.get("camera", row["id"]) for row in all_rows} == {"front_door", "back_yard"}
    assert {row.get("camera", row["id"]) for row in rows} == {"front_door"}


def test_a_hidden_row_is_not_found_after_somebody_saw_it(
    world: dict[str, Any], key_client: Callable[..., APIClient]
) -> None:
    address = f"/api/events/{world['event.pk']}"

    assert key_client("admin").get(address).status_code == 200
    assert key_client("viewer", cameras=("back_yard",)).get(address).status_code == 404


def test_what_was_answered_before_is_304_until_it_changes(world: dict[str, Any], reader: APIClient) -> None:
    address = f"/api/events/{world['event.pk']}"
    changed = reader.patch(address, {"notes": "the postman"}, format="json")

    known = reader.get(address, HTTP_IF_NONE_MATCH=changed["ETag"])
    reader.patch(address, {"notes": "a stranger"}, format="json")
    unknown = reader.get(address, HTTP_IF_NONE_MATCH=changed["ETag"])

    assert (known.status_code, known.content) == (304, b"")
    assert (unknown.status_code, unknown.json()["notes"]) == (200, "a stranger")


def test_the_browsable_page_shows_the_same_rows(world: dict[str, Any], reader: APIClient) -> None:
    event = reader.get(f"/api/events/{world['event.pk']}").json()

    page = reader.get("/api/events", HTTP_ACCEPT="text/html")

    assert page.status_code == 200
    assert event["started_at"] in page.content.decode()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
def test_times_are_of_utc_wherever_the_site_is(zone: str, world: dict[str, Any], reader: APIClient) -> None:
    with override_settings(TIME_ZONE=zone):
        body = assert_same(reader, f"/api/events/{world['event.pk']}")

    assert body["started_at"].endswith("Z")


# Rows of any content

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
TIMES = st.integers(-(10**15), 10**16).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
TIMES |= st.integers(0, 10**10).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
KNOWN: dict[tuple[type[models.Model], str], st.SearchStrategy[Any]] = {
    (Event, "risk_score"): st.none() | st.integers(0, 100),
    (Event, "version"): st.integers(1, 2**31 - 1),
    (Detection, "confidence"): st.floats(0, 1),
    (Detection, "attributes"): st.dictionaries(TEXTS, JSON, max_size=3),
    (Alert, "matched_conditions"): st.lists(TEXTS, max_size=3),
    (Zone, "coordinates"): st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=3),
    (Camera, "clock_fault"): st.none() | st.dictionaries(TEXTS, JSON, max_size=3),
    (DeliveryAttempt, "status_code"): st.none() | st.integers(100, 599),
}
LEFT_ALONE = {
    (Event, "started_at"),  # it must not lie behind its end
    (Delivery, "purpose"),  # it goes with its alert
    (Camera, "deleted_at"),
    (Event, "deleted_at"),
    (Camera, "name"),
    (Camera, "folder_path"),
    (Silence, "counts_until"),
    (Silence, "ends_at"),  # it must lie behind its start
    (DeliveryAttempt, "number"),
    (PromptVersion, "version"),
}


def values_of(field: Any) -> st.SearchStrategy[Any]:
    """Give whatever a column may hold."""
    if isinstance(field, ArrayField):
        return st.lists(values_of(field.base_field), max_size=3)
    kind: st.SearchStrategy[Any]
    match field:
        case models.BooleanField():
            kind = st.booleans()
        case models.BinaryField():
            kind = st.binary(max_size=5)
        case models.UUIDField():
            kind = st.uuids()
        case models.DateTimeField():
            kind = TIMES
        case models.FloatField():
            kind = st.floats(allow_nan=False, allow_infinity=False)
        case models.JSONField():
            kind = JSON.filter(lambda value: value is not None)
        case models.BigIntegerField():
            kind = st.integers(0, 2**63 - 1)
        case models.PositiveSmallIntegerField():
            kind = st.integers(0, 2**15 - 1)
        case models.IntegerField():
            kind = st.integers(0, 2**31 - 1)
        case _:
            kind = st.sampled_from([value for value, _ in field.choices]) if field.choices else TEXTS
            kind = kind.map(lambda text: text[: field.max_length])
    return st.none() | kind if field.null else kind


def changes_of(model: type[models.Model]) -> st.SearchStrategy[dict[str, Any]]:
    """Give values for all columns that may hold anything."""
    free = [
        field
        for field in model._meta.concrete_fields
        if not (field.primary_key or field.is_relation or field.generated or field.unique or field.name == "search")
        and (model, field.name) not in LEFT_ALONE
    ]
    return st.fixed_dictionaries(
        {field.name: KNOWN[model, field.name] if (model, field.name) in KNOWN else values_of(field) for field in free}
    )


def event_with_analysis() -> tuple[Any, str]:
    event = EventFactory(started_at=datetime(1800, 1, 1, tzinfo=UTC))
    prompt = PromptVersion.objects.save(PromptVersion(name="any", version=7, text="x"))
    Analysis.objects.save(Analysis(event=event, prompt_version=prompt))
    return event, f"/api/events/{event.pk}"


def alert_with_escalation() -> tuple[Any, str]:
    alert = AlertFactory()
    Escalation.objects.save(Escalation(alert=alert, position=2, due_at=alert.created_at, reason="in a window"))
    return alert, f"/api/alerts/{alert.pk}"


def delivery_with_attempts() -> tuple[Any, str]:
    delivery = DeliveryFactory()
    for number in (2, 1):
        DeliveryAttempt.objects.save(
            DeliveryAttempt(delivery=delivery, number=number, at=delivery.created_at, outcome="failed")
        )
    return delivery, f"/api/deliveries/{delivery.pk}"


def zone() -> tuple[Any, str]:
    made = Zone.objects.save(Zone(camera=CameraFactory(), name="z", coordinates=[]))
    return made, f"/api/cameras/{made.camera_id}/zones/{made.pk}"


def simple(factory: Callable[[], Any], path: str) -> Callable[[], tuple[Any, str]]:
    def make() -> tuple[Any, str]:
        row = factory()
        return row, f"/api/{path}/{row.pk}"

    return make


def silence() -> Silence:
    end = datetime(9000, 1, 1, tzinfo=UTC)
    return Silence.objects.save(Silence(starts_at=EPOCH, ends_at=end, created_by="x"))


MADE: dict[str, tuple[Callable[[], tuple[Any, str]], list[type[models.Model]]]] = {
    "event": (event_with_analysis, [Event, Analysis]),
    "detection": (simple(DetectionFactory, "detections"), [Detection]),
    "snapshot": (simple(SnapshotFactory, "snapshots"), [Snapshot]),
    "alert": (alert_with_escalation, [Alert, Escalation]),
    "delivery": (delivery_with_attempts, [Delivery, DeliveryAttempt]),
    "camera": (simple(CameraFactory, "cameras"), [Camera]),
    "zone": (zone, [Zone]),
    "silence": (simple(silence, "silences"), [Silence]),
}


@pytest.mark.parametrize("kind", MADE)
@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_of_any_content_are_the_same_both_ways(kind: str, reader: APIClient, data: st.DataObject) -> None:
    make, kinds = MADE[kind]
    row, address = make()
    try:
        for model in kinds:
            model._default_manager.all().update(**data.draw(changes_of(model)))

        assert_same(reader, address)
        assert_same(reader, address.rpartition("/")[0])
    finally:
        row.delete()
        PromptVersion.objects.filter(name="any").delete()
