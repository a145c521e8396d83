"""The queue at /review/: who is next, what is decided, and who may."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from cameras.services import limit_staff
from events.models import Event, EventFeedback
from events.services.review import delete_event, update_event
from siteadmin.core.models import AuditEntry
from tests.events.seen import seen_event
from tests.factories import CameraFactory, EventFactory, UserFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def client_of(role: str, *, cameras: list[str] | None = None) -> Client:
    user = UserFactory(role=role, username=role)
    if cameras is not None:
        limit_staff(user.pk, camera_ids=cameras)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def reviewer() -> Client:
    return client_of("reviewer")


@pytest.fixture
def waiting() -> list[Event]:
    """Make three events that wait, the newest first, and one that was reviewed between them."""
    camera = CameraFactory(id="gate", name="Gate")
    events = [
        EventFactory(camera=camera, started_at=NOON - timedelta(minutes=minute), risk_score=score)
        for minute, score in ((0, 20), (2, 90), (3, 40))
    ]
    EventFactory(camera=camera, started_at=NOON - timedelta(minutes=1), reviewed=True)
    return events


def at(event: Event) -> str:
    return f"/review/{event.pk}/"


def decide(client: Client, event: Event, decision: str, *, query: str = "", **fields: Any) -> Any:
    return client.post(at(event) + query, {"decision": decision, "version": event.version, "notes": "", **fields})


class TestOrder:
    def test_it_begins_with_the_newest_that_waits(self, reviewer: Client, waiting: list[Event]) -> None:
        assert reviewer.get("/review/")["Location"] == at(waiting[0])

    def test_each_page_leads_to_its_neighbours_past_what_was_reviewed(
        self, reviewer: Client, waiting: list[Event]
    ) -> None:
        page = reviewer.get(at(waiting[1])).context

        assert (page["newer"], page["older"], page["waiting"]) == (at(waiting[0]), at(waiting[2]), 3)
        assert reviewer.get(at(waiting[0])).context["newer"] == ""
        assert reviewer.get(at(waiting[2])).context["older"] == ""

    def test_events_of_one_moment_are_each_shown_once(self, reviewer: Client) -> None:
        events = [EventFactory(started_at=NOON, risk_score=score) for score in (None, 10, 90, 10, None)]

        seen, address = [], reviewer.get("/review/")["Location"]
        while address:
            seen.append(int(re.findall(r"\d+", address)[0]))
            address = reviewer.get(address).context["older"]

        assert seen == sorted((event.pk for event in events), reverse=True)

    def test_a_decision_leads_to_the_next_older_one_and_at_the_end_to_what_was_skipped(
        self, reviewer: Client, waiting: list[Event]
    ) -> None:
        assert decide(reviewer, waiting[1], "reviewed")["Location"] == at(waiting[2])
        assert decide(reviewer, waiting[2], "reviewed")["Location"] == "/review/"
        assert reviewer.get("/review/")["Location"] == at(waiting[0])

    def test_when_nothing_waits_the_page_says_so(self, reviewer: Client) -> None:
        page = reviewer.get("/review/")

        assert page.status_code == 200
        assert "Nothing waits for review" in page.content.decode()

    def test_it_is_narrowed_by_camera_and_risk(self, reviewer: Client, waiting: list[Event]) -> None:
        other = EventFactory(camera=CameraFactory(id="yard"), started_at=NOON + timedelta(hours=1), risk_score=95)

        assert reviewer.get("/review/?level=high")["Location"] == f"{at(other)}?level=high"
        query = "?camera=gate&level=medium"
        assert reviewer.get(f"/review/{query}")["Location"] == at(waiting[1]) + query
        page = reviewer.get(at(waiting[1]) + query).context
        assert (page["waiting"], page["older"]) == (2, at(waiting[2]) + query)
        assert decide(reviewer, waiting[1], "reviewed", query=query)["Location"] == at(waiting[2]) + query

    def test_a_choice_that_is_none_is_named_and_leaves_nothing_out(
        self, reviewer: Client, waiting: list[Event]
    ) -> None:
        page = reviewer.get("/review/?level=huge&camera=nowhere", follow=True)

        assert page.redirect_chain == [(at(waiting[0]), 302)]
        assert [str(one).partition(":")[0] for one in page.context["messages"]] == ["camera", "level"]


class TestDecisions:
    def test_reviewed_is_noted_by_whom_with_the_notes(self, reviewer: Client, waiting: list[Event]) -> None:
        decide(reviewer, waiting[0], "reviewed", notes="The postman")

        event = Event.objects.get(pk=waiting[0].pk)
        assert (event.reviewed, event.reviewed_by, event.notes) == (True, "reviewer", "The postman")
        assert AuditEntry.objects.get().actor == "reviewer"

    def test_a_false_alarm_is_feedback_too(self, reviewer: Client, waiting: list[Event]) -> None:
        decide(reviewer, waiting[0], "false_alarm")

        assert Event.objects.get(pk=waiting[0].pk).reviewed
        feedback = EventFeedback.objects.get()
        assert (feedback.event_id, feedback.verdict, feedback.given_by) == (waiting[0].pk, "false_positive", "reviewer")

    def test_a_false_alarm_takes_the_place_of_what_was_said_before(
        self, reviewer: Client, waiting: list[Event]
    ) -> None:
        EventFeedback.objects.create(event=waiting[0], verdict="severity_wrong", expected_level="low")

        decide(reviewer, waiting[0], "false_alarm")

        feedback = EventFeedback.objects.get()
        assert (feedback.verdict, feedback.expected_level) == ("false_positive", None)

    def test_what_is_kept_is_reviewed_as_well(self, reviewer: Client, waiting: list[Event]) -> None:
        decide(reviewer, waiting[0], "kept")

        event = Event.objects.get(pk=waiting[0].pk)
        assert (event.reviewed, event.kept) == (True, True)

    def test_it_is_undone_on_the_page_of_the_event(self, reviewer: Client, waiting: list[Event]) -> None:
        answer = decide(reviewer, waiting[0], "reviewed")
        event = Event.objects.get(pk=waiting[0].pk)

        back = decide(reviewer, event, "again")

        assert at(event) in reviewer.get(answer["Location"]).content.decode()
        assert back["Location"] == at(event)
        assert not Event.objects.get(pk=event.pk).reviewed

    def test_nobody_overwrites_what_they_have_not_seen(self, reviewer: Client, waiting: list[Event]) -> None:
        update_event(waiting[0].pk, changes={"notes": "mine"}, actor=UserFactory())

        answer = decide(reviewer, waiting[0], "reviewed", notes="yours")

        assert answer["Location"] == at(waiting[0])
        event = Event.objects.get(pk=waiting[0].pk)
        assert (event.reviewed, event.notes) == (False, "mine")

    @pytest.mark.parametrize(
        "fields",
        [{"decision": "burn"}, {"version": "x"}, {"notes": "x" * 10_001}],
        ids=["decision", "version", "notes"],
    )
    def test_a_form_of_no_use_is_refused_on_the_page(
        self, reviewer: Client, waiting: list[Event], fields: dict[str, str]
    ) -> None:
        answer = reviewer.post(at(waiting[0]), {"decision": "reviewed", "version": 1, **fields})

        assert answer.status_code == 400
        assert f'<p class="sa-error sa-wide">{next(iter(fields))}' in answer.content.decode()
        assert not Event.objects.get(pk=waiting[0].pk).reviewed


class TestWho:
    def test_a_viewer_looks_and_decides_nothing(self, waiting: list[Event]) -> None:
        viewer = client_of("viewer")

        assert 'name="decision"' not in viewer.get(at(waiting[0])).content.decode()
        assert decide(viewer, waiting[0], "reviewed").status_code == 403

    def test_nobody_is_led_to_the_login(self, waiting: list[Event]) -> None:
        for address in ("/review/", at(waiting[0])):
            assert Client().get(address)["Location"].startswith("/admin/login/")

    def test_whoever_is_limited_to_cameras_finds_theirs_alone(self, waiting: list[Event]) -> None:
        own = EventFactory(camera=CameraFactory(id="yard", name="Yard"), started_at=NOON - timedelta(days=1))
        limited = client_of("reviewer", cameras=["yard"])

        assert limited.get("/review/")["Location"] == at(own)
        page = limited.get(at(own))
        assert (page.context["newer"], page.context["waiting"]) == ("", 1)
        assert "Gate" not in page.content.decode()
        assert limited.get(at(waiting[0])).status_code == 404
        assert decide(limited, waiting[0], "reviewed").status_code == 404

    def test_what_was_deleted_is_not_there(self, reviewer: Client, waiting: list[Event]) -> None:
        delete_event(waiting[0].pk)

        assert reviewer.get(at(waiting[0])).status_code == 404
        assert reviewer.get("/review/")["Location"] == at(waiting[1])

    @pytest.mark.parametrize("number", [0, 2**63, 10**30])
    def test_a_number_that_is_no_id_is_not_there(self, reviewer: Client, number: int) -> None:
        assert reviewer.get(f"/review/{number}/").status_code == 404


def test_a_page_needs_as_many_statements_for_many_events(reviewer: Client) -> None:
    event = seen_event(started_at=NOON)
    for minute in range(30):
        EventFactory(camera=event.camera, started_at=NOON - timedelta(minutes=minute + 1))

    with assert_query_count("review queue page"):
        assert reviewer.get(at(event)).status_code == 200
