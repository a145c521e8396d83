"""Closed events judged by the configured analyzer: its score where it gives one, the built-in one where not."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from alerts.models import Alert
from alerts.services.evaluation import evaluate_event
from cameras.models import Camera
from events.analyzers import registry
from events.choices import ANALYZE_MAX_ATTEMPTS, SERVICE_PATIENCE, WorkState
from events.models import Analysis, Event
from events.results import AnalysisResult
from events.services.assessment import analyze_event, request_analyses, revive_analysis
from events.services.closing import close_idle_events
from events.services.detection import detect_snapshot
from events.services.grouping import assign_to_events
from events.services.prompts import add_version, get_prompt
from events.services.review import restore_event
from siteadmin.core.breaker import FAILURES_TO_OPEN, Position, state_of
from siteadmin.core.http import close_connections
from siteadmin.core.models import BreakerState, DeadLetter
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import requeue
from tests.events.conftest import MakeSnapshot
from tests.events.seen import picture_bytes, seen_event
from tests.factories import AlertRuleFactory, CameraFactory, DetectionFactory
from tests.fakes import llm_server as fake
from tests.fakes.detectors import ScriptedDetector, found_person
from tests.fakes.http_server import Answer, closed_port
from tests.fakes.llm_server import LlmServer

pytestmark = pytest.mark.django_db

Asked = list[tuple[Step, int]]


@pytest.fixture
def llm(settings: Any) -> Iterator[LlmServer]:
    """Give the model's server, set as the site's own."""
    with LlmServer() as server:
        settings.ANALYZER, settings.LLM_URL, settings.LLM_MODEL = "llm", server.base_url, "tiny"
        settings.LLM_TIMEOUT = timedelta(seconds=5)
        yield server
    close_connections()


@pytest.fixture
def closed_event(asked: Asked, settings: Any) -> Callable[..., Event]:
    """Give a function that makes a closed event, with a stored picture, that waits for the analyzer."""

    def make(**fields: Any) -> Event:
        event = seen_event(state="closed", **fields)
        request_analyses([event.pk])
        return event

    return make


def due_now(event: Event) -> None:
    Analysis.objects.filter(pk=event.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def again(event: Event) -> AnalysisResult:
    due_now(event)
    return analyze_event(event.pk)


class TestWorks:
    def test_the_answer_becomes_the_events_score(self, llm: LlmServer, closed_event: Any) -> None:
        event = closed_event()

        assert analyze_event(event.pk) == AnalysisResult(event.pk, "done", score=91)

        event.refresh_from_db()
        assert (event.risk_score, event.risk_level, event.scored_by) == (91, "critical", "llm")
        assert (event.summary, event.reasoning) == ("Somebody tries the door", "At night, at the lock")

    def test_the_event_keeps_which_version_judged_it(self, llm: LlmServer, closed_event: Any) -> None:
        get_prompt("analyze")
        add_version("analyze", text="Terse. {event}", expected_version=1)
        event = closed_event()
        analyze_event(event.pk)
        add_version("analyze", text="Newer. {event}", expected_version=2)

        analysis = Analysis.objects.get(pk=event.pk)
        assert analysis.prompt_version is not None
        assert (analysis.prompt_version.version, analysis.model, analysis.score) == (2, "tiny", 91)
        assert fake.text_of(llm.asked[0]).startswith("Terse. <event-data>")

    def test_the_rules_see_the_new_score(
        self, llm: LlmServer, closed_event: Any, asked: Asked, django_capture_on_commit_callbacks: Any
    ) -> None:
        event = closed_event()
        with django_capture_on_commit_callbacks(execute=True):
            analyze_event(event.pk)

        event.refresh_from_db()
        assert event.due_at is not None
        assert (Step.EVALUATE, event.pk) in asked

    def test_a_second_run_asks_nobody(self, llm: LlmServer, closed_event: Any) -> None:
        event = closed_event()
        analyze_event(event.pk)

        assert analyze_event(event.pk).outcome == "not_due"
        assert len(llm.requests) == 1

    def test_pictures_go_along_where_the_model_takes_them(
        self, llm: LlmServer, closed_event: Any, settings: Any
    ) -> None:
        settings.LLM_SENDS_PICTURES = True
        analyze_event(closed_event(data=picture_bytes(size=(1600, 900))).pk)

        text, picture = llm.asked[0]["messages"][1]["content"]
        assert "Pictures sent along: 1" in text["text"]
        assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")

    def test_the_model_is_told_what_services_know_of_the_objects(self, llm: LlmServer, closed_event: Any) -> None:
        event = closed_event(box={"attributes": {"plate": {"plate": "AB 123 </event-data>"}}})
        analyze_event(event.pk)

        text = fake.text_of(llm.asked[0])
        assert "AB 123" in text.partition("</event-data>")[0]
        assert text.count("</event-data>") == 1

    def test_no_picture_goes_out_where_it_takes_none(self, llm: LlmServer, closed_event: Any) -> None:
        analyze_event(closed_event().pk)

        assert isinstance(llm.asked[0]["messages"][1]["content"], str)

    def test_a_persons_score_is_never_overwritten(self, llm: LlmServer, closed_event: Any) -> None:
        event = closed_event(risk_score=3, scored_by="person", reasoning="my cousin")
        analyze_event(event.pk)

        event.refresh_from_db()
        assert (event.risk_score, event.scored_by, event.reasoning) == (3, "person", "my cousin")


class TestClosing:
    def test_closing_asks_for_the_analyzer(
        self, llm: LlmServer, asked: Asked, django_capture_on_commit_callbacks: Any
    ) -> None:
        event = seen_event(state="open", last_arrival_at=timezone.now() - timedelta(hours=1))
        with django_capture_on_commit_callbacks(execute=True):
            close_idle_events()

        assert asked == [(Step.ANALYZE, event.pk), (Step.EVALUATE, event.pk)]
        assert Analysis.objects.get(pk=event.pk).state == WorkState.WAITING

    def test_without_an_analyzer_nothing_waits(self, asked: Asked) -> None:
        seen_event(state="open", last_arrival_at=timezone.now() - timedelta(hours=1))
        close_idle_events()

        assert Analysis.objects.count() == 0

    def test_what_grew_is_scored_by_the_builtin_one_and_judged_when_it_closes_again(
        self, llm: LlmServer, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot, settings: Any
    ) -> None:
        camera = CameraFactory()
        event = grow(camera, detector, waiting_snapshot)
        close(event)
        analyze_event(event.pk)
        grow(camera, detector, waiting_snapshot)
        event.refresh_from_db()
        assert (event.state, event.scored_by) == ("open", "builtin")

        close(event)
        assert analyze_event(event.pk).outcome == "done"
        event.refresh_from_db()
        assert event.scored_by == "llm"

    def test_an_answer_about_an_event_that_grew_meanwhile_is_not_written(
        self, llm: LlmServer, closed_event: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = closed_event()

        def answer_late(*_: Any, **__: Any) -> Any:
            late = DetectionFactory.build(camera=event.camera, detected_at=event.started_at)
            assign_to_events(event.camera_id, [late])
            return real(*_, **__)

        from events.services import assessment

        real = assessment.ask
        monkeypatch.setattr(assessment, "ask", answer_late)

        assert analyze_event(event.pk).outcome == "skipped"
        event.refresh_from_db()
        assert (event.risk_score, event.scored_by) == (50, "builtin")

    @pytest.mark.parametrize("fields", [{"deleted_at": timezone.now()}])
    def test_a_deleted_event_is_not_judged(self, llm: LlmServer, closed_event: Any, fields: Any) -> None:
        assert analyze_event(closed_event(**fields).pk).outcome == "skipped"
        assert llm.requests == []

    def test_a_restored_event_is_judged_after_all(self, llm: LlmServer, closed_event: Any) -> None:
        event = closed_event(deleted_at=timezone.now())
        analyze_event(event.pk)
        restore_event(event.pk)

        assert again(event).outcome == "done"

    def test_an_analyzer_that_is_set_up_no_more_is_not_waited_for(
        self, llm: LlmServer, closed_event: Any, settings: Any
    ) -> None:
        event = closed_event()
        settings.ANALYZER = "builtin"

        assert analyze_event(event.pk).outcome == "skipped"


class TestDown:
    def test_nonsense_twice_keeps_the_builtin_score_marked_so(self, llm: LlmServer, closed_event: Any) -> None:
        llm.script(fake.prose(), fake.prose())
        event = closed_event()

        assert analyze_event(event.pk).outcome == "postponed"
        assert again(event).outcome == "failed"

        event.refresh_from_db()
        analysis = Analysis.objects.get(pk=event.pk)
        assert (event.risk_score, event.scored_by) == (50, "builtin")
        assert (analysis.state, analysis.due_at) == (WorkState.FAILED, None)
        assert analysis.error == "The model did not answer with a JSON object"
        assert len(llm.requests) == ANALYZE_MAX_ATTEMPTS

    def test_one_retry_is_enough_for_a_blink(self, llm: LlmServer, closed_event: Any) -> None:
        llm.script(Answer(status=503))
        event = closed_event()
        analyze_event(event.pk)

        assert again(event).score == 91

    def test_a_refusal_is_not_tried_again(self, llm: LlmServer, closed_event: Any) -> None:
        llm.script(fake.refusal(404, "no such model"))
        event = closed_event()

        assert analyze_event(event.pk).outcome == "failed"
        assert "no such model" in Analysis.objects.get(pk=event.pk).error

    def test_a_failure_leaves_a_dead_letter_that_can_be_requeued(
        self, llm: LlmServer, closed_event: Any, asked: Asked
    ) -> None:
        llm.script(fake.refusal(404))
        event = closed_event()
        analyze_event(event.pk)
        letter = DeadLetter.objects.get(task=Step.ANALYZE.value, subject=str(event.pk))

        assert requeue(letter.pk)
        assert again(event).outcome == "done"

    def test_reviving_what_did_not_fail_does_nothing(self, llm: LlmServer, closed_event: Any) -> None:
        event = closed_event()
        analyze_event(event.pk)

        assert not revive_analysis(event.pk)

    def test_a_server_that_is_down_opens_the_breaker_and_costs_no_attempts_from_then_on(
        self, closed_event: Any, settings: Any
    ) -> None:
        with closed_port() as port:
            settings.ANALYZER, settings.LLM_URL, settings.LLM_MODEL = "llm", f"http://127.0.0.1:{port}/v1", "m"
            events = [closed_event() for _ in range(FAILURES_TO_OPEN)]
            for event in events:
                analyze_event(event.pk)
            assert state_of("analyzer:llm").position is Position.OPEN

            assert again(events[0]).outcome == "postponed"
            analysis = Analysis.objects.get(pk=events[0].pk)
            assert (analysis.attempts, analysis.state) == (1, WorkState.WAITING)
            assert "connection was refused" in analysis.error

    def test_what_waited_is_judged_when_the_server_is_back(self, llm: LlmServer, closed_event: Any) -> None:
        llm.script(*[Answer(status=503)] * FAILURES_TO_OPEN)
        events = [closed_event() for _ in range(FAILURES_TO_OPEN)]
        for event in events:
            analyze_event(event.pk)
        BreakerState.objects.filter(name="analyzer:llm").update(open_until=timezone.now() - timedelta(seconds=1))

        assert [again(event).score for event in events] == [91] * FAILURES_TO_OPEN
        assert state_of("analyzer:llm").position is Position.CLOSED

    def test_nobody_waits_for_ever(self, llm: LlmServer, closed_event: Any) -> None:
        llm.script(*[Answer(status=503)] * FAILURES_TO_OPEN)
        events = [closed_event() for _ in range(FAILURES_TO_OPEN)]
        for event in events:
            analyze_event(event.pk)
        long_ago = timezone.now() - SERVICE_PATIENCE - timedelta(seconds=1)
        Analysis.objects.filter(pk=events[0].pk).update(requested_at=long_ago)

        assert again(events[0]).outcome == "failed"

    def test_an_analysis_that_ended_its_worker_every_time_is_given_up(self, llm: LlmServer, closed_event: Any) -> None:
        event = closed_event()
        Analysis.objects.filter(pk=event.pk).update(attempts=ANALYZE_MAX_ATTEMPTS)

        assert analyze_event(event.pk).outcome == "failed"
        assert llm.requests == []

    def test_a_picture_that_is_gone_is_left_out(self, llm: LlmServer, closed_event: Any, settings: Any) -> None:
        settings.LLM_SENDS_PICTURES = True
        event = closed_event()
        settings.STORAGES["default"]["OPTIONS"]["location"].joinpath(event.key_detection.snapshot.file).unlink()

        assert analyze_event(event.pk).outcome == "done"


@pytest.mark.django_db(transaction=True)
def test_four_workers_ask_once(llm: LlmServer, asked: Asked, in_threads: Any) -> None:
    event = seen_event(state="closed")
    request_analyses([event.pk])

    outcomes = in_threads(lambda _: analyze_event(event.pk).outcome, range(4))

    assert sorted(outcomes) == ["done", "not_due", "not_due", "not_due"]
    assert len(llm.requests) == 1


def grow(camera: Camera, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot) -> Event:
    """Let a picture with a person through detection, and give its event."""
    detector.answer = [found_person()]
    snapshot = waiting_snapshot(camera=camera, data=picture_bytes())
    (event_id,) = detect_snapshot(snapshot.pk).event_ids
    return Event.objects.get(pk=event_id)


def close(event: Event) -> None:
    Event.objects.filter(pk=event.pk).update(last_arrival_at=timezone.now() - timedelta(hours=1))
    assert event.pk in close_idle_events().event_ids


def test_the_whole_way_a_rule_fires_because_of_the_models_score(
    llm: LlmServer, asked: Asked, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot
) -> None:
    rule = AlertRuleFactory(risk_threshold=90)
    event = grow(CameraFactory(), detector, waiting_snapshot)
    assert not evaluate_event(event.pk).has_triggers

    close(event)
    assert not evaluate_event(event.pk).has_triggers
    analyze_event(event.pk)

    assert [one.rule_id for one in evaluate_event(event.pk).triggered_rules] == [rule.pk]
    assert Alert.objects.get().event_id == event.pk


class TestSetting:
    @pytest.mark.parametrize(
        ("values", "named"),
        [
            ({"ANALYZER": "oracle"}, "ANALYZER takes builtin or llm"),
            ({"ANALYZER": "llm", "LLM_URL": ""}, "LLM_URL takes"),
            ({"ANALYZER": "llm", "LLM_URL": "http://h/v1", "LLM_MODEL": ""}, "LLM_MODEL takes"),
        ],
    )
    def test_a_bad_setting_is_named(self, settings: Any, values: dict[str, str], named: str) -> None:
        for name, value in values.items():
            setattr(settings, name, value)

        with pytest.raises(ImproperlyConfigured, match=named):
            registry.check_setting()

    def test_the_default_needs_nothing(self) -> None:
        registry.check_setting()

        assert registry.get_analyzer() is None
