"""`GET /api/stream`: what listeners hear, through the real server."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from cameras.models import Camera
from events.models import Event
from siteadmin.core import stream
from siteadmin.core.change_repositories import Position
from siteadmin.core.keys import create_api_key
from siteadmin.core.models import ApiKey, Change
from siteadmin.core.roles import Role
from tests.core.threads import run_together
from tests.factories import AlertFactory, CameraFactory, EventFactory
from tests.serving import StreamClient, serving, wait_until_told

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def key() -> str:
    return create_api_key(name="listener", role=Role.VIEWER)[1]


def test_an_event_that_opens_grows_and_is_reviewed_is_told_as_the_api_gives_it(port: int, key: str) -> None:
    camera = CameraFactory(id="door")
    with StreamClient(port, key) as listener:
        listener.begin()
        event = EventFactory(camera=camera, risk_score=40)
        opened = listener.read()
        Event.objects.filter(pk=event.pk).update(risk_score=90)
        changed = listener.read()
        Event.objects.mark_reviewed(event.pk)
        reviewed = listener.read()

    assert [opened[1], changed[1], reviewed[1]] == ["event.opened", "event.changed", "event.reviewed"]
    assert opened[2]["id"] == event.pk
    assert [each[2]["event"]["risk_score"] for each in (opened, changed)] == [40, 90]
    assert reviewed[2]["event"]["reviewed"] is True


def test_alerts_and_the_state_of_cameras_are_told(port: int, key: str) -> None:
    camera = CameraFactory(id="door", status="online")
    with StreamClient(port, key) as listener:
        listener.begin()
        alert = AlertFactory(camera=camera, event=None)
        created = listener.read()
        Camera.objects.filter(pk="door").update(status="offline")
        silent = listener.read()

    assert (created[1], created[2]["alert"]["id"]) == ("alert.created", alert.pk)
    assert (silent[1], silent[2]["id"], silent[2]["camera"]["status"]) == ("camera.status", "door", "offline")


def test_what_nobody_sees_of_a_row_is_not_told(port: int, key: str) -> None:
    event = EventFactory(camera=CameraFactory(id="door"))
    with StreamClient(port, key) as listener:
        listener.begin()
        Event.objects.wait_again(event.pk)  # due_at and the like are the pipeline's own
        Camera.objects.filter(pk="door").update(last_seen_at=timezone.now())
        later = EventFactory(camera=event.camera)

        assert listener.read()[2]["id"] == later.pk


def test_a_removed_event_is_told_without_its_content(port: int, key: str) -> None:
    event = EventFactory(camera=CameraFactory(id="door"))
    with StreamClient(port, key) as listener:
        listener.begin()
        Event.objects.mark_deleted([event.pk])

        assert listener.read()[1:] == ("event.removed", {"id": event.pk, "event": None})


def test_a_listener_that_comes_back_hears_all_that_it_missed_once(
    port: int, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BATCH", 10)
    camera = CameraFactory(id="door")
    with StreamClient(port, key) as listener:
        listener.begin()
        first = EventFactory(camera=camera)
        listener.read()
    missed = [EventFactory(camera=camera).pk for _ in range(25)]

    with StreamClient(port, key, last_event_id=listener.last_event_id) as again:
        heard = [again.read()[2]["id"] for _ in missed]
        live = EventFactory(camera=camera).pk
        heard.append(again.read()[2]["id"])

    assert heard == [*missed, live]
    assert first.pk not in heard


def test_one_that_lost_the_line_before_the_first_change_misses_nothing_either(port: int, key: str) -> None:
    camera = CameraFactory(id="door")
    with StreamClient(port, key) as listener:
        resume_from = listener.begin()
    event = EventFactory(camera=camera)

    with StreamClient(port, key, last_event_id=resume_from) as again:
        assert again.read()[2]["id"] == event.pk


def test_a_change_that_is_committed_after_a_later_one_is_not_passed_over() -> None:
    camera = CameraFactory(id="door")
    wait_until_told()
    start = Change.objects.end()
    with transaction.atomic():
        early = EventFactory(camera=camera)
        run_together(lambda _: EventFactory(camera=camera), workers=1)

        while_it_writes = Change.objects.after(start, limit=10)

    assert while_it_writes == []
    wait_until_told()
    assert [change.subject for change in Change.objects.after(start, limit=10)][0] == str(early.pk)
    assert len(Change.objects.after(start, limit=10)) == 2


def test_what_is_rolled_back_is_never_told() -> None:
    camera = CameraFactory(id="door")
    wait_until_told()
    start = Change.objects.end()
    with pytest.raises(RuntimeError), transaction.atomic():
        EventFactory(camera=camera)
        raise RuntimeError

    assert Change.objects.after(start, limit=10) == []


def test_whoever_may_see_one_camera_hears_of_no_other(port: int) -> None:
    door, yard = CameraFactory(id="door"), CameraFactory(id="yard")
    _, key = create_api_key(name="door only", role=Role.VIEWER, camera_ids=("door",))
    with StreamClient(port, key) as listener:
        listener.begin()
        EventFactory(camera=yard)
        seen = EventFactory(camera=door)

        assert listener.read()[2]["id"] == seen.pk


def test_topics_and_cameras_can_be_picked(port: int, key: str) -> None:
    door, yard = CameraFactory(id="door"), CameraFactory(id="yard")
    with StreamClient(port, key, query="?topic=alert.created&camera=door") as listener:
        listener.begin()
        EventFactory(camera=door)
        AlertFactory(camera=yard, event=None)
        wanted = AlertFactory(camera=door, event=None)

        assert listener.read()[1:2] == ("alert.created",)
        assert listener.seen[-1][2]["id"] == wanted.pk


def test_a_revoked_key_hears_nothing_more(port: int, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "ASK_AGAIN_SECONDS", 0)
    camera = CameraFactory(id="door")
    with StreamClient(port, key) as listener:
        listener.begin()
        ApiKey.objects.filter(name="listener").update(revoked_at=timezone.now())
        EventFactory(camera=camera)
        listener.read()

        with pytest.raises(EOFError):
            listener.read()


def test_silence_is_broken_by_a_sign_of_life(port: int, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 0.1)
    with StreamClient(port, key) as listener:
        listener.begin()

        assert listener.answer.readline() == b": still here\n"


@pytest.mark.parametrize("last_event_id", ["1-1", f"{2**62}-1"], ids=["too old", "of another database"])
def test_who_resumes_from_what_is_not_known_any_more_is_told_to_read_anew(
    port: int, key: str, last_event_id: str
) -> None:
    camera = CameraFactory(id="door")
    EventFactory.create_batch(3, camera=camera)
    Change.objects.all().update(at=timezone.now() - timedelta(days=2))
    assert stream.forget_old() == 3

    with StreamClient(port, key, last_event_id=last_event_id) as listener:
        assert listener.read()[1:] == ("reset", {})
        event = EventFactory(camera=camera)
        assert listener.read()[2]["id"] == event.pk


def test_changes_are_forgotten_after_a_day_but_for_the_newest() -> None:
    EventFactory.create_batch(3, camera=CameraFactory(id="door"))
    assert stream.forget_old() == 0
    Change.objects.all().update(at=timezone.now() - timedelta(days=2))

    assert stream.forget_old() == 3
    assert Change.objects.count() == 1
    assert stream.forget_old() == 0


def test_one_that_reads_too_slowly_is_let_go_and_loses_nothing(
    port: int, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BACKLOG", 2)
    camera = CameraFactory(id="door")
    with StreamClient(port, key) as listener:
        listener.begin()
        with transaction.atomic():
            events = [EventFactory(camera=camera).pk for _ in range(20)]
        with pytest.raises(EOFError):
            for _ in events:
                listener.read()
    heard = [message[2]["id"] for message in listener.seen[1:]]
    assert len(heard) < 20
    monkeypatch.undo()

    with StreamClient(port, key, last_event_id=listener.last_event_id) as again:
        heard += [again.read()[2]["id"] for _ in range(20 - len(heard))]

    assert heard == events


def test_bad_parameters_are_named(api: APIClient, key: str) -> None:
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")

    for query, field in (("?topic=event.eaten", "topic"), ("?colour=red", "colour")):
        answer = api.get(f"/api/stream{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert api.get("/api/stream", HTTP_LAST_EVENT_ID="yesterday").status_code == 400


def test_nobody_is_told_nothing(port: int) -> None:
    with StreamClient(port, "no-key") as listener:
        assert (listener.status, listener.answer.headers["Content-Type"]) == (401, "application/problem+json")


def test_a_history_can_be_built_without_telling_of_it() -> None:
    camera = CameraFactory(id="door")
    wait_until_told()
    start = Change.objects.end()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL siteadmin.untold = 'on'")
        EventFactory(camera=camera)

    assert Change.objects.after(start, limit=10) == []


@pytest.mark.parametrize("text", ["", "x", "1", "-1", "1-", "1-x", "١-1", "9" * 50])
def test_only_positions_are_read(text: str) -> None:
    with pytest.raises(ValueError, match="position"):
        Position.parse(text)


def test_a_position_is_read_back() -> None:
    assert Position.parse(str(Position(12, 7))) == Position(12, 7)
