"""What people decide about events."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from events.choices import RiskLevel, ScoredBy
from events.models import Event
from events.services.review import (
    delete_event,
    delete_events,
    restore_event,
    update_event,
    update_events,
)
from siteadmin.core.exceptions import EventNotFoundError, VersionConflictError
from siteadmin.core.pipeline import Step
from tests.factories import CameraFactory, EventFactory, UserFactory

Capture = Any


@pytest.fixture
def person(db: None) -> Any:
    """Give somebody who reviews."""
    return UserFactory()


def test_reviewing_notes_who_and_when(person: Any) -> None:
    event = update_event(EventFactory().pk, changes={"reviewed": True}, actor=person)

    assert event.reviewed
    assert event.reviewed_by == person.username
    assert event.reviewed_at is not None
    assert timezone.now() - event.reviewed_at < timedelta(minutes=1)
    assert event.version == 2


def test_the_same_decision_again_changes_nothing(person: Any) -> None:
    first = update_event(EventFactory().pk, changes={"reviewed": True, "notes": "seen"}, actor=person)

    again = update_event(first.pk, changes={"reviewed": True, "notes": "seen"}, actor=UserFactory())

    assert (again.version, again.reviewed_by, again.reviewed_at) == (2, person.username, first.reviewed_at)


def test_the_first_reviewer_stays_when_another_adds_notes(person: Any) -> None:
    first = update_event(EventFactory().pk, changes={"reviewed": True}, actor=person)

    later = update_event(first.pk, changes={"reviewed": True, "notes": "a fox"}, actor=UserFactory())

    assert (later.notes, later.reviewed_by, later.version) == ("a fox", person.username, 3)


def test_taking_a_review_back_forgets_who_it_was(person: Any) -> None:
    event = update_event(EventFactory().pk, changes={"reviewed": True}, actor=person)

    event = update_event(event.pk, changes={"reviewed": False}, actor=person)

    assert (event.reviewed, event.reviewed_by, event.reviewed_at) == (False, "", None)


def test_no_change_at_all_keeps_the_version(person: Any) -> None:
    assert update_event(EventFactory().pk, changes={}, actor=person).version == 1


def test_a_persons_score_is_theirs_sets_the_level_and_asks_the_rules(
    person: Any, asked: list[tuple[Step, int]], django_capture_on_commit_callbacks: Capture
) -> None:
    event = EventFactory(risk_score=10)

    with django_capture_on_commit_callbacks(execute=True):
        event = update_event(event.pk, changes={"risk_score": 90}, actor=person)

    assert (event.risk_score, event.risk_level, event.scored_by) == (90, RiskLevel.CRITICAL, ScoredBy.PERSON)
    assert event.due_at is not None
    assert asked == [(Step.EVALUATE, event.pk)]


def test_confirming_the_built_in_score_makes_it_the_persons(person: Any) -> None:
    event = update_event(EventFactory(risk_score=50).pk, changes={"risk_score": 50}, actor=person)

    assert (event.scored_by, event.version) == (ScoredBy.PERSON, 2)


def test_an_evaluation_under_way_loses_its_claim_to_a_new_score(person: Any) -> None:
    event = EventFactory(due_at=timezone.now() - timedelta(seconds=1))
    token = Event.objects.claim(event.pk, lease=timedelta(minutes=1))
    assert token is not None

    update_event(event.pk, changes={"risk_score": 90}, actor=person)

    assert not Event.objects.finish(event.pk, token=token)
    event.refresh_from_db()
    assert event.due_at is not None


def test_notes_do_not_ask_the_rules(
    person: Any, asked: list[tuple[Step, int]], django_capture_on_commit_callbacks: Capture
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        event = update_event(EventFactory().pk, changes={"notes": "x", "kept": True}, actor=person)

    assert asked == []
    assert event.due_at is None


def test_a_stale_version_is_refused_and_changes_nothing(person: Any) -> None:
    event = update_event(EventFactory().pk, changes={"notes": "first"}, actor=person, expected_version=1)

    with pytest.raises(VersionConflictError) as refused:
        update_event(event.pk, changes={"notes": "second"}, actor=person, expected_version=1)

    assert refused.value.details == {"event_id": event.pk, "version": 2}
    event.refresh_from_db()
    assert event.notes == "first"


def test_what_the_pipeline_owns_is_no_persons_to_change(person: Any) -> None:
    with pytest.raises(ValueError, match="detection_count"):
        update_event(EventFactory().pk, changes={"detection_count": 5}, actor=person)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_change_one_version_at_once_exactly_one_wins(in_threads: Callable[..., list[Any]]) -> None:
    event, person = EventFactory(), UserFactory()

    def change(number: int) -> bool:
        try:
            update_event(event.pk, changes={"notes": f"note {number}"}, actor=person, expected_version=1)
        except VersionConflictError:
            return False
        return True

    assert sum(in_threads(change, range(12))) == 1
    event.refresh_from_db()
    assert event.version == 2


@pytest.mark.django_db(transaction=True)
def test_two_bulks_over_the_same_events_never_block_each_other(in_threads: Callable[..., list[Any]]) -> None:
    camera, person = CameraFactory(), UserFactory()
    ids = [event.pk for event in EventFactory.create_batch(30, camera=camera)]

    def change(number: int) -> int:
        order = ids if number % 2 else ids[::-1]
        return len(update_events(order, changes={"notes": f"note {number}"}, actor=person))

    assert in_threads(change, range(8)) == [30] * 8


def test_a_deleted_event_is_gone_until_it_is_restored(person: Any) -> None:
    event = EventFactory()

    delete_event(event.pk)

    assert not list(Event.objects.visible())
    with pytest.raises(EventNotFoundError):
        update_event(event.pk, changes={"notes": "x"}, actor=person)
    with pytest.raises(EventNotFoundError):
        delete_event(event.pk)
    assert restore_event(event.pk).deleted_at is None
    assert restore_event(event.pk).version == 3


def test_a_restored_event_is_shown_to_the_rules(
    asked: list[tuple[Step, int]], django_capture_on_commit_callbacks: Capture, db: None
) -> None:
    event = EventFactory()
    delete_event(event.pk)

    with django_capture_on_commit_callbacks(execute=True):
        restored = restore_event(event.pk)

    assert restored.due_at is not None
    assert asked == [(Step.EVALUATE, event.pk)]


def test_deleting_a_version_that_has_passed_is_refused(person: Any) -> None:
    event = EventFactory()
    update_event(event.pk, changes={"notes": "mine"}, actor=person)

    with pytest.raises(VersionConflictError):
        delete_event(event.pk, expected_version=1)

    assert Event.objects.visible().count() == 1


def test_a_bulk_answers_for_every_id_in_order(person: Any) -> None:
    one, two = EventFactory(), EventFactory()

    outcomes = update_events([two.pk, 2**62, one.pk], changes={"reviewed": True}, actor=person)

    assert [(outcome.id, outcome.error is None) for outcome in outcomes] == [
        (two.pk, True),
        (2**62, False),
        (one.pk, True),
    ]
    assert Event.objects.filter(reviewed=True, reviewed_by=person.username).count() == 2


def test_the_same_bulk_again_changes_nothing(person: Any) -> None:
    ids = [EventFactory().pk, EventFactory().pk]
    update_events(ids, changes={"reviewed": True}, actor=person)

    update_events(ids, changes={"reviewed": True}, actor=UserFactory())

    assert set(Event.objects.values_list("version", "reviewed_by")) == {(2, person.username)}


def test_a_bulk_leaves_events_of_other_cameras_alone(person: Any) -> None:
    mine, other = EventFactory(), EventFactory()
    allowed = frozenset([mine.camera_id])

    changed = update_events([mine.pk, other.pk], changes={"reviewed": True}, actor=person, camera_ids=allowed)
    deleted = delete_events([mine.pk, other.pk], camera_ids=allowed)

    assert [outcome.error is None for outcome in changed] == [True, False]
    assert [outcome.error is None for outcome in deleted] == [True, False]
    other.refresh_from_db()
    assert (other.reviewed, other.deleted_at) == (False, None)


def test_events_of_deleted_cameras_are_not_found(person: Any) -> None:
    event = EventFactory(camera=CameraFactory(deleted_at=timezone.now()))

    assert update_events([event.pk], changes={"reviewed": True}, actor=person)[0].error is not None
