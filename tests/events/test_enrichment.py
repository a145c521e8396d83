"""Services that add attributes to detections: what they are asked, what is kept, and that nothing waits for them."""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from events.choices import ENRICH_MAX_ATTEMPTS, WorkState
from events.enrichers.http import MAX_ANSWER_BYTES, read_attributes
from events.exceptions import AnswerNotUsableError
from events.models import Detection, Enrichment, Event
from events.services.bulk import ExternalDetection, record_detections
from events.services.detection import detect_snapshot
from events.services.enrichment import enrich_detection, request_enrichments, revive_enrichment
from siteadmin.core.breaker import FAILURES_TO_OPEN, Position, state_of
from siteadmin.core.http import close_connections
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step
from siteadmin.settings.env import Env
from siteadmin.settings.services import ENRICHERS_TAKE, EnricherSettings, parse_enrichers
from tests.events.conftest import MakeSnapshot
from tests.events.seen import picture_bytes, seen_event
from tests.factories import NOON, CameraFactory
from tests.fakes.detectors import ScriptedDetector, found_person
from tests.fakes.http_server import Answer, HttpServer, closed_port

Asked = list[tuple[Step, int]]


class TestSetting:
    def test_services_are_read_with_types_and_time_limit(self) -> None:
        assert parse_enrichers("plate=http://h:8001/p types=car,truck timeout=2.5; face=https://h/f") == (
            EnricherSettings(
                name="plate",
                url="http://h:8001/p",
                types=frozenset({"car", "truck"}),
                timeout=timedelta(seconds=2.5),
            ),
            EnricherSettings(name="face", url="https://h/f"),
        )

    @pytest.mark.parametrize(
        "value",
        [
            "plate",
            "plate=ftp://h/p",
            "plate=http://",
            "Plate=http://h",
            "=http://h",
            "plate=http://h:99999/",
            "plate=http://h timeout=0",
            "plate=http://h timeout=61",
            "plate=http://h timeout=soon",
            "plate=http://h kinds=car",
            "plate=http://h; plate=http://i",
        ],
    )
    def test_a_bad_value_stops_the_start_with_its_name(self, value: str) -> None:
        env = Env({"ENRICHERS": value}, dotenv=None)

        with pytest.raises(ImproperlyConfigured, match="ENRICHERS takes services"):
            env.parsed("ENRICHERS", parse_enrichers, default=(), takes=ENRICHERS_TAKE)


@pytest.fixture
def service(settings: Any) -> Iterator[HttpServer]:
    """Give a service that reads plates of cars, set as the site's own."""
    plate = Answer(body=json.dumps({"plate": "AB 123", "sure": 0.97}).encode())
    with HttpServer(default=plate) as server:
        settings.ENRICHERS = (
            EnricherSettings(
                name="plate", url=f"{server.url}/read", types=frozenset({"person"}), timeout=timedelta(seconds=2)
            ),
        )
        yield server
    close_connections()


@pytest.fixture
def waiting(service: HttpServer, asked: Asked) -> Callable[[], Enrichment]:
    """Give a function that makes a detection with a stored picture that waits for the service."""

    def make() -> Enrichment:
        detection = seen_event().key_detection
        assert detection is not None
        request_enrichments([detection])
        return Enrichment.objects.get(detection=detection)

    return make


def attributes_of(enrichment: Enrichment) -> Any:
    return Detection.objects.get(pk=enrichment.detection_id).attributes


def again(enrichment: Enrichment) -> Any:
    Enrichment.objects.filter(pk=enrichment.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    return enrich_detection(enrichment.pk)


@pytest.mark.django_db
class TestAsking:
    def test_what_the_service_says_stands_under_its_name(self, waiting: Any) -> None:
        enrichment = waiting()
        result = enrich_detection(enrichment.pk)

        assert (result.outcome, result.attributes) == ("done", ("plate", "sure"))
        assert attributes_of(enrichment) == {"plate": {"plate": "AB 123", "sure": 0.97}}

    def test_the_picture_of_the_object_goes_out_as_a_file(self, waiting: Any, service: HttpServer) -> None:
        enrich_detection(waiting().pk)

        (received,) = service.requests
        assert (received.method, received.target) == ("POST", "/read")
        assert received.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert b'name="file"; filename="object.jpg"' in received.body
        assert b"\xff\xd8" in received.body
        assert b'name="object_type"\r\n\r\nperson\r\n' in received.body

    def test_what_others_said_stays(self, waiting: Any) -> None:
        enrichment = waiting()
        Detection.objects.filter(pk=enrichment.detection_id).update(attributes={"face": {"name": "Eve"}})
        enrich_detection(enrichment.pk)

        assert attributes_of(enrichment).keys() == {"face", "plate"}

    def test_a_second_run_asks_nobody(self, waiting: Any, service: HttpServer) -> None:
        enrichment = waiting()
        enrich_detection(enrichment.pk)

        assert enrich_detection(enrichment.pk).outcome == "not_due"
        assert len(service.requests) == 1

    def test_nothing_known_adds_nothing(self, waiting: Any, service: HttpServer) -> None:
        service.script(Answer(body=b"{}"))
        enrichment = waiting()

        assert enrich_detection(enrichment.pk).outcome == "done"
        assert attributes_of(enrichment) == {}

    def test_a_service_that_is_set_up_no_more_is_not_waited_for(self, waiting: Any, settings: Any) -> None:
        enrichment = waiting()
        settings.ENRICHERS = ()

        assert enrich_detection(enrichment.pk).outcome == "skipped"


@pytest.mark.django_db
class TestDown:
    def test_trouble_is_tried_again_and_then_given_up(self, waiting: Any, service: HttpServer) -> None:
        service.default = Answer(status=503)
        enrichment = waiting()
        outcomes = [again(enrichment).outcome for _ in range(ENRICH_MAX_ATTEMPTS)]

        assert outcomes == ["postponed"] * (ENRICH_MAX_ATTEMPTS - 1) + ["failed"]
        enrichment.refresh_from_db()
        assert (enrichment.state, enrichment.due_at) == (WorkState.FAILED, None)
        assert enrichment.error == "The service 'plate' answered with status 503"
        assert DeadLetter.objects.get().task == Step.ENRICH.value

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (Answer(body=b"a red car"), "JSON"),
            (Answer(body=b""), "JSON"),
            (Answer(body=b"[1]"), "JSON object"),
            (Answer(body=b'{"a": NaN}'), "JSON"),
            (Answer(body=b"[" * 50_000), "JSON"),
            (Answer(body=json.dumps({str(n): n for n in range(50)}).encode()), "attributes"),
            (Answer(body=b'"' + b"x" * MAX_ANSWER_BYTES + b'"'), "bytes"),
            (Answer(status=400), "status 400"),
            (Answer(status=302), "status 302"),
        ],
    )
    def test_what_cannot_be_used_fails_at_once_with_the_reason(
        self, waiting: Any, service: HttpServer, answer: Answer, reason: str
    ) -> None:
        service.script(answer)
        enrichment = waiting()
        result = enrich_detection(enrichment.pk)

        assert result.outcome == "failed"
        assert reason in result.error
        assert attributes_of(enrichment) == {}

    def test_a_service_that_drips_ends_at_its_time_limit(self, waiting: Any, service: HttpServer) -> None:
        service.script(Answer(body=b'{"a": 1}', drip=0.2))

        assert "in time" in enrich_detection(waiting().pk).error

    def test_failures_in_a_row_open_its_breaker_and_cost_no_attempts_from_then_on(
        self, waiting: Any, service: HttpServer
    ) -> None:
        service.default = Answer(status=503)
        rows = [waiting() for _ in range(FAILURES_TO_OPEN)]
        for row in rows:
            enrich_detection(row.pk)
        assert state_of("enrichment:plate").position is Position.OPEN

        assert again(rows[0]).outcome == "postponed"
        rows[0].refresh_from_db()
        assert rows[0].attempts == 1
        assert len(service.requests) == FAILURES_TO_OPEN

    def test_a_failed_one_can_be_revived_and_no_other(self, waiting: Any, service: HttpServer) -> None:
        service.script(Answer(status=400))
        enrichment = waiting()
        assert not revive_enrichment(enrichment.pk)
        enrich_detection(enrichment.pk)

        assert revive_enrichment(enrichment.pk)
        assert enrich_detection(enrichment.pk).outcome == "done"

    def test_a_picture_that_is_gone_fails_with_the_reason(self, waiting: Any, settings: Any) -> None:
        enrichment = waiting()
        snapshot = enrichment.detection.snapshot
        settings.STORAGES["default"]["OPTIONS"]["location"].joinpath(snapshot.file).unlink()

        assert enrich_detection(enrichment.pk).outcome == "failed"


@pytest.mark.django_db
class TestNothingWaits:
    def test_detection_ends_with_its_event_while_the_service_is_down(
        self,
        settings: Any,
        detector: ScriptedDetector,
        waiting_snapshot: MakeSnapshot,
        asked: Asked,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        detector.answer = [found_person()]
        with closed_port() as port:
            settings.ENRICHERS = (EnricherSettings(name="face", url=f"http://127.0.0.1:{port}/"),)
            with django_capture_on_commit_callbacks(execute=True):
                result = detect_snapshot(waiting_snapshot(camera=CameraFactory(), data=picture_bytes()).pk)

        assert result.outcome == "detected"
        assert Event.objects.get().risk_score is not None
        row = Enrichment.objects.get()
        assert asked == [(Step.ENRICH, row.pk), (Step.EVALUATE, result.event_ids[0])]

    def test_types_that_the_service_does_not_want_are_left_out(
        self, service: HttpServer, detector: ScriptedDetector, waiting_snapshot: MakeSnapshot, settings: Any
    ) -> None:
        settings.ENRICHERS = (EnricherSettings(name="plate", url=service.url, types=frozenset({"car"})),)
        detector.answer = [found_person()]
        detect_snapshot(waiting_snapshot(camera=CameraFactory(), data=picture_bytes()).pk)

        assert Enrichment.objects.count() == 0

    def test_external_detections_with_a_picture_are_asked_about_too(self, service: HttpServer) -> None:
        event = seen_event()
        snapshot = event.key_detection.snapshot
        item = ExternalDetection(
            camera=event.camera_id,
            detected_at=NOON,
            object_type="person",
            confidence=0.9,
            x=1,
            y=1,
            width=9,
            height=9,
            frame_width=640,
            frame_height=480,
            snapshot=snapshot.pk,
        )
        record_detections([item, item])

        assert Enrichment.objects.count() == 2


class TestReading:
    def test_values_become_what_a_row_can_hold(self) -> None:
        answer = {"caption": "a\x00b" + "c" * 900, "sure": 0.5, "known": False, "age": None, "box": [1, {"a": 2}]}
        read = read_attributes(json.dumps(answer).encode())

        assert read["caption"].startswith("abc") and len(read["caption"]) == 500
        assert (read["sure"], read["known"], read["age"], read["box"]) == (0.5, False, None, '[1, {"a": 2}]')

    @given(
        st.binary(max_size=200)
        | st.dictionaries(st.text(), st.text() | st.integers()).map(lambda d: json.dumps(d).encode())
    )
    def test_any_bytes_are_read_or_refused(self, body: bytes) -> None:
        with contextlib.suppress(AnswerNotUsableError):
            json.dumps(read_attributes(body), allow_nan=False).encode()
