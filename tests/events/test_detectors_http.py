"""Detectors elsewhere, asked by HTTP over a real socket: what they see, and whatever they may answer instead."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from events.detectors.base import FoundObject, Picture
from events.detectors.http import LARGEST_ANSWER, HttpDetector
from events.exceptions import DetectorAnswerError, PictureNotUsableError
from siteadmin.core import http
from siteadmin.core.exceptions import DetectorUnavailableError
from tests.fakes import detector_server as fake
from tests.fakes.detector_server import DetectorServer, form_of
from tests.fakes.http_server import Answer, closed_port

SOON = timedelta(seconds=5)


def picture(*, size: tuple[int, int] = (640, 480), kind: str = "JPEG", orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.new("RGB", size, "grey").save(file, format=kind, exif=exif)
    return file.getvalue()


@pytest.fixture
def server() -> Iterator[DetectorServer]:
    with DetectorServer() as server:
        yield server
    http.close_connections()


def ask(server: DetectorServer, protocol: str = "deepstack", *, data: bytes | None = None) -> list[FoundObject]:
    detector = HttpDetector(server.url, protocol=protocol, timeout=SOON)
    return detector.detect(Picture(picture() if data is None else data))


def box(found: FoundObject) -> tuple[int, int, int, int]:
    return found.x, found.y, found.width, found.height


class TestDeepStack:
    def test_the_picture_goes_as_a_form_field_and_the_objects_come_back(self, server: DetectorServer) -> None:
        data = picture()
        server.script(fake.deepstack_answer(("Dog", 0.6, 1, 2, 11, 22), ("person", 0.87, 100, 90, 150, 240)))

        person, dog = ask(server, data=data)

        (request,) = server.requests
        assert (request.method, request.target) == ("POST", "/v1/vision/detection")
        assert form_of(request) == {"min_confidence": b"0.05", "image": data}
        assert (person.object_type, person.confidence, box(person)) == ("person", 0.87, (100, 90, 50, 150))
        assert (dog.object_type, box(dog), dog.frame_width, dog.frame_height) == ("dog", (1, 2, 10, 20), 640, 480)

    def test_an_address_with_a_path_is_used_as_it_is(self, server: DetectorServer) -> None:
        HttpDetector(f"{server.url}/v1/vision/custom/plates", protocol="deepstack", timeout=SOON).detect(
            Picture(picture())
        )

        assert server.requests[0].target == "/v1/vision/custom/plates"

    def test_a_picture_that_exif_turns_is_sent_upright(self, server: DetectorServer) -> None:
        found = ask(server, data=picture(orientation=6))

        sent = Image.open(io.BytesIO(form_of(server.requests[0])["image"]))
        assert (sent.size, sent.getexif().get(0x0112, 1)) == ((480, 640), 1)
        assert (found[0].frame_width, found[0].frame_height) == (480, 640)

    def test_nothing_seen_is_no_object(self, server: DetectorServer) -> None:
        server.script(fake.deepstack_answer())

        assert ask(server) == []

    def test_a_refusal_says_why(self, server: DetectorServer) -> None:
        server.script(fake.refused("No valid image file found"))

        with pytest.raises(DetectorAnswerError, match="No valid image file found"):
            ask(server)

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            ({"success": False, "error": "no image"}, DetectorAnswerError),
            ({"success": False, "error": "Unable to create a session", "code": 500}, DetectorUnavailableError),
        ],
    )
    def test_a_refusal_with_status_200_is_read_as_one(
        self, server: DetectorServer, answer: Any, error: type[Exception]
    ) -> None:
        server.script(fake.json_answer(answer))

        with pytest.raises(error):
            ask(server)


class TestPlain:
    def test_the_picture_goes_as_a_file_and_the_objects_come_back(self, server: DetectorServer) -> None:
        data = picture(kind="PNG")
        server.script(fake.plain_answer(("person", 0.87, [100, 90, 50, 150])))

        (person,) = ask(server, "json", data=data)

        (request,) = server.requests
        assert (request.method, request.target, form_of(request)) == ("POST", "/detect", {"file": data})
        assert (person.object_type, person.confidence, box(person)) == ("person", 0.87, (100, 90, 50, 150))

    @pytest.mark.parametrize(
        "given_box",
        [
            {"x": 100, "y": 90, "width": 50, "height": 150},
            {"x1": 100, "y1": 90, "x2": 150, "y2": 240},
            {"x_min": 100.2, "y_min": 89.9, "x_max": 150, "y_max": 240},
        ],
    )
    def test_boxes_may_be_objects(self, server: DetectorServer, given_box: dict[str, float]) -> None:
        server.script(fake.plain_answer(("person", 0.87, given_box)))

        assert box(ask(server, "json")[0]) == (100, 90, 50, 150)

    def test_boxes_on_a_smaller_copy_are_scaled(self, server: DetectorServer) -> None:
        server.script(fake.plain_answer(("person", 0.9, [10, 20, 30, 40]), image_width=320, image_height=240))

        assert box(ask(server, "json")[0]) == (20, 40, 60, 80)


class TestNonsense:
    @pytest.mark.parametrize(
        "answer",
        [
            Answer(body=b"<html>hello</html>"),
            Answer(body=b""),
            Answer(body=b"[" * 100_000),
            Answer(status=301, headers={"Location": "/elsewhere"}),
            fake.json_answer([1, 2]),
            fake.json_answer({"success": True}),
            fake.json_answer({"success": True, "predictions": {"a": 1}}),
            fake.json_answer({"success": True, "predictions": ["person"]}),
            fake.deepstack_answer(("", 0.9, 1, 1, 9, 9)),
            fake.deepstack_answer(("person", float("nan"), 1, 1, 9, 9)),
            fake.deepstack_answer(("person", -0.1, 1, 1, 9, 9)),
            fake.deepstack_answer(("person", 87, 1, 1, 9, 9)),
            fake.deepstack_answer(("person", 0.9, float("nan"), 1, 9, 9)),
            fake.deepstack_answer(("person", 0.9, 1, 1, float("inf"), 9)),
            fake.deepstack_answer(("person", 0.9, 1, 1, 10**400, 9)),
            fake.json_answer({"success": True, "predictions": [{"label": "person", "confidence": 0.9}]}),
            Answer(status=401),
            Answer(status=404, body=b"not here"),
            Answer(status=413),
        ],
    )
    def test_it_is_said_and_never_retried(self, server: DetectorServer, answer: Answer) -> None:
        server.script(answer)

        with pytest.raises(DetectorAnswerError, match=r"[Dd]etector|confidence|box"):
            ask(server)

    def test_a_gigabyte_is_not_read(self, server: DetectorServer) -> None:
        server.script(fake.a_gigabyte())

        with pytest.raises(DetectorAnswerError, match=str(LARGEST_ANSWER)):
            ask(server)

    def test_boxes_that_reach_outside_are_cut_and_those_outside_are_dropped(self, server: DetectorServer) -> None:
        server.script(
            fake.deepstack_answer(
                ("person", 0.9, -20, -10, 40, 60),
                ("person", 0.8, 600, 400, 700, 900),
                ("person", 0.7, 700, 500, 800, 600),
                ("person", 0.6, 50, 50, 50, 90),
                ("person", 0.5, 90, 90, 50, 50),
            )
        )

        assert [box(one) for one in ask(server)] == [(0, 0, 40, 60), (600, 400, 40, 80)]

    def test_a_picture_that_does_not_decode_is_not_sent(self, server: DetectorServer) -> None:
        with pytest.raises(PictureNotUsableError):
            ask(server, data=b"no picture")

        assert server.requests == []


class TestDown:
    @pytest.mark.parametrize(
        "answer", [fake.DOWN, fake.OVERLOADED, Answer(status=500), Answer(status=429), Answer(raw=b"HTTP/1.1 2")]
    )
    def test_it_is_worth_another_try(self, server: DetectorServer, answer: Answer) -> None:
        server.script(answer)

        with pytest.raises(DetectorUnavailableError):
            ask(server)

    @pytest.mark.parametrize("answer", [fake.SILENT, Answer(body=b"x" * 100, drip=0.05)])
    def test_one_that_is_slow_is_left_after_the_time_limit(self, server: DetectorServer, answer: Answer) -> None:
        server.script(answer)

        with pytest.raises(DetectorUnavailableError, match="in time"):
            HttpDetector(server.url, protocol="deepstack", timeout=timedelta(seconds=0.3)).detect(Picture(picture()))

    def test_nobody_there_is_down(self) -> None:
        with closed_port() as port, pytest.raises(DetectorUnavailableError, match="refused"):
            HttpDetector(f"http://127.0.0.1:{port}", protocol="json", timeout=SOON).detect(Picture(picture()))

    def test_a_message_names_no_password(self) -> None:
        with closed_port() as port, pytest.raises(DetectorUnavailableError) as raised:
            HttpDetector(f"http://me:secret@127.0.0.1:{port}", protocol="json", timeout=SOON).detect(Picture(picture()))

        assert "secret" not in str(raised.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["success", "predictions", "detections", "label", "class", "confidence", "bbox", "x_min"])
            | st.text(max_size=4),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
OBJECTS = st.lists(
    st.fixed_dictionaries(
        {"label": st.text(max_size=5) | JSON, "confidence": st.floats() | JSON},
        optional={
            name: st.floats() | st.integers() | JSON for name in ("x_min", "y_min", "x_max", "y_max", "bbox", "x", "y")
        },
    ),
    max_size=3,
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(answer=JSON | OBJECTS.map(lambda objects: {"success": True, "predictions": objects, "detections": objects}))
@pytest.mark.parametrize("protocol", ["deepstack", "json"])
def test_any_answer_gives_objects_inside_the_picture_or_one_of_our_errors(
    server: DetectorServer, protocol: str, answer: Any
) -> None:
    server.script(Answer(body=json.dumps(answer).encode()))

    try:
        found = ask(server, protocol)
    except (DetectorAnswerError, DetectorUnavailableError):
        return
    for one in found:
        assert 0 <= one.confidence <= 1
        assert one.x >= 0 and one.y >= 0 and one.width > 0 and one.height > 0
        assert one.x + one.width <= 640 and one.y + one.height <= 480
