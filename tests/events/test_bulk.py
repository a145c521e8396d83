"""Detections of an external detector: each answered on its own, the same again adds nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from cameras.models import Camera
from events.models import Detection, Event
from events.services.bulk import ExternalDetection, record_detections
from siteadmin.core.exceptions import BoundingBoxValidationError, CameraNotFoundError
from siteadmin.core.pipeline import Step
from tests.factories import NOON, CameraFactory, SnapshotFactory, ZoneFactory


@pytest.fixture
def one(db: None) -> ExternalDetection:
    return ExternalDetection(
        camera=CameraFactory().pk,
        detected_at=NOON,
        object_type="person",
        confidence=0.9,
        x=10,
        y=20,
        width=30,
        height=60,
        frame_width=640,
        frame_height=480,
    )


def statuses(items: list[ExternalDetection], **options: Any) -> list[int]:
    return [outcome.status for outcome in record_detections(items, **options)]


def test_detections_take_the_way_of_built_in_ones(
    one: ExternalDetection, asked: list[tuple[Step, int]], django_capture_on_commit_callbacks: Any
) -> None:
    zone = ZoneFactory(camera_id=one.camera)

    with django_capture_on_commit_callbacks(execute=True):
        outcomes = record_detections([one, replace(one, detected_at=NOON + timedelta(seconds=2), object_type="cat")])

    event = Event.objects.get()
    assert [(outcome.index, outcome.status, outcome.event) for outcome in outcomes] == [
        (0, 201, event.pk),
        (1, 201, event.pk),
    ]
    assert (event.zones, event.object_types, event.scored_by) == ([zone.pk], ["person", "cat"], "builtin")
    assert asked == [(Step.EVALUATE, event.pk)]


def test_the_same_external_id_again_adds_nothing_and_gives_the_first(one: ExternalDetection) -> None:
    (first,) = record_detections([replace(one, external_id="a")])

    (again,) = record_detections([replace(one, external_id="a", confidence=0.1)])

    assert (again.status, again.id, again.event) == (200, first.id, first.event)
    assert Detection.objects.count() == 1


def test_the_same_external_id_twice_in_one_request_adds_one(one: ExternalDetection) -> None:
    first, second = record_detections([replace(one, external_id="a"), replace(one, external_id="a")])

    assert (first.status, second.status, second.id) == (201, 200, first.id)


def test_an_external_id_is_its_cameras_own(one: ExternalDetection) -> None:
    other = replace(one, camera=CameraFactory().pk, external_id="a")

    assert statuses([replace(one, external_id="a"), other]) == [201, 201]


def test_without_an_external_id_each_is_a_new_one(one: ExternalDetection) -> None:
    assert statuses([one, one]) == [201, 201]


def test_what_cannot_be_taken_changes_nothing_for_the_others(one: ExternalDetection) -> None:
    outcomes = record_detections([replace(one, camera="nowhere"), one, replace(one, x=620)])

    assert [outcome.status for outcome in outcomes] == [404, 201, 400]
    assert isinstance(outcomes[0].error, CameraNotFoundError)
    assert isinstance(outcomes[2].error, BoundingBoxValidationError)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"width": 0}, 400),
        ({"height": -1}, 400),
        ({"x": -1}, 400),
        ({"y": 421}, 400),
        ({"frame_width": 0}, 400),
        ({"frame_height": 10**9}, 400),
        ({"confidence": 1.01}, 400),
        ({"confidence": float("nan")}, 400),
        ({"object_type": ""}, 400),
        ({"object_type": "x" * 65}, 400),
        ({"object_type": "a\x00b"}, 400),
        ({"external_id": "x" * 201}, 400),
        ({"detected_at": datetime(1, 1, 1, tzinfo=UTC)}, 400),
        ({"snapshot": 4711}, 404),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused(one: ExternalDetection, wrong: dict[str, Any], status: int) -> None:
    assert statuses([replace(one, **wrong)]) == [status]
    assert not Detection.objects.exists()


def test_a_box_may_fill_its_frame(one: ExternalDetection) -> None:
    assert statuses([replace(one, x=0, y=0, width=640, height=480)]) == [201]


def test_a_snapshot_is_one_of_the_same_camera(one: ExternalDetection) -> None:
    theirs, another = SnapshotFactory(camera_id=one.camera), SnapshotFactory()

    assert statuses([replace(one, snapshot=theirs.pk), replace(one, snapshot=another.pk)]) == [201, 404]


def test_a_sender_reaches_no_camera_but_its_own(one: ExternalDetection) -> None:
    other = replace(one, camera=CameraFactory().pk)

    assert statuses([one, other], camera_ids=frozenset({other.camera})) == [404, 201]


def test_a_deleted_camera_takes_nothing(one: ExternalDetection) -> None:
    assert statuses([replace(one, camera=CameraFactory(deleted_at=NOON).pk)]) == [404]


def test_a_thousand_cost_few_statements(one: ExternalDetection, django_assert_max_num_queries: Any) -> None:
    items = [replace(one, detected_at=NOON + timedelta(seconds=n), external_id=str(n)) for n in range(1000)]

    with django_assert_max_num_queries(16):
        record_detections(items)


YEARS = timedelta(days=3 * 365)


@pytest.mark.parametrize(
    ("off", "reason"), [(YEARS, "ahead"), (timedelta(minutes=6), "ahead"), (-10 * YEARS, "before 2010")]
)
def test_a_time_that_cannot_be_gives_way_to_the_arrivals_and_is_shown(
    one: ExternalDetection, off: timedelta, reason: str
) -> None:
    now = timezone.now()

    (outcome,) = record_detections([replace(one, detected_at=now + off)])

    event = Event.objects.get(pk=outcome.event)
    camera = Camera.objects.get(pk=one.camera)
    assert outcome.status == 201
    assert now <= event.started_at <= timezone.now()
    assert reason in camera.clock_fault["reason"]
    assert camera.clock_fault["stated"] == (now + off).isoformat()


def test_a_right_time_ends_the_fault_but_that_of_a_picture_says_nothing(one: ExternalDetection) -> None:
    record_detections([replace(one, detected_at=timezone.now() + YEARS)])
    picture = SnapshotFactory(camera_id=one.camera)

    record_detections([replace(one, snapshot=picture.pk)])
    assert Camera.objects.get(pk=one.camera).clock_fault is not None

    record_detections([one])
    assert Camera.objects.get(pk=one.camera).clock_fault is None


@pytest.mark.django_db(transaction=True)
def test_four_senders_of_the_same_add_it_once(in_threads: Any, asked: list[tuple[Step, int]]) -> None:
    item = ExternalDetection(
        camera=CameraFactory().pk, detected_at=NOON, object_type="car", confidence=1, x=0, y=0, width=9, height=9,
        frame_width=9, frame_height=9, external_id="a",
    )  # fmt: skip

    results = in_threads(lambda _: statuses([item]), range(8))

    assert sorted(status for answer in results for status in answer) == [200] * 7 + [201]
    assert Detection.objects.count() == 1
