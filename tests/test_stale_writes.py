"""Nobody overwrites what they have not seen: `version` and `If-Match` on everything that people edit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from alerts.models import AlertRule, Channel
from cameras.models import Camera
from tests.api_roles import Route, routes
from tests.audit.writing_routes import writes
from tests.core.threads import run_together
from tests.factories import AlertRuleFactory, CameraFactory, ChannelFactory
from tests.test_api_roles import OWN, ids_of

pytestmark = pytest.mark.django_db

EDITED = [route for route in routes() if route.method == "patch" and not route.path.endswith("/bulk")]
DELETED = [route for route in routes() if route.method == "delete" and not route.path.endswith("/bulk")]
ACTED = [route for route in routes() if route.name.startswith("POST /api/alerts/{pk}/")]
STALE = '"v1-0123456789abcdef"'


@pytest.fixture
def ids() -> dict[str, Any]:
    return ids_of(CameraFactory(id=OWN, folder_path=OWN))


@pytest.fixture
def client(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client("admin")


def send(client: APIClient, route: Route, ids: dict[str, Any], body: Any = None, **headers: Any) -> Any:
    return client.generic(
        route.method.upper(),
        route.address(ids),
        client._encode_data(body or {}, "json")[0],
        content_type="application/json",
        **headers,
    )


def shown(client: APIClient, route: Route, ids: dict[str, Any]) -> Any:
    return client.get(route.address(ids).removesuffix("/acknowledge").removesuffix("/dismiss").removesuffix("/snooze"))


@contextmanager
def undone() -> Iterator[None]:
    """Take back whatever the block did."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)  # noqa: FBT003 - Django's own form


def test_a_change_is_made_on_what_was_looked_at(client: APIClient, ids: dict[str, Any]) -> None:
    for route in EDITED:
        body = writes(ids)[route.name].body
        with undone():
            before = shown(client, route, ids)

            changed = send(client, route, ids, {**body, "version": 1}, HTTP_IF_MATCH=before["ETag"])

            assert changed.status_code == 200, (route.name, changed.content)
            assert (before.json()["version"], changed.json()["version"]) == (1, 2), route.name
            assert changed["ETag"].startswith('"v2-') and changed["ETag"] == shown(client, route, ids)["ETag"]
            unnamed = set(before.json()) - set(body) - {"version", "updated_at", "given_by"}
            kept = {name: changed.json()[name] for name in unnamed}
            assert kept == {name: before.json()[name] for name in unnamed}, route.name


def test_a_stale_version_in_the_body_is_a_conflict(client: APIClient, ids: dict[str, Any]) -> None:
    for route in [*EDITED, *ACTED]:
        answer = send(client, route, ids, {**writes(ids)[route.name].body, "version": 9})

        assert (answer.status_code, answer.json()["code"]) == (409, "VERSION_CONFLICT"), route.name
        assert answer.json()["details"]["version"] == 1, route.name
        assert shown(client, route, ids).json()["version"] == 1, route.name


@pytest.mark.parametrize("tag", ['"v9-0123456789abcdef"', 'W/"v1-0123456789abcdef"', '"something"', "nonsense"])
def test_a_stale_if_match_fails_the_precondition(tag: str, client: APIClient, ids: dict[str, Any]) -> None:
    for route in [*EDITED, *DELETED, *ACTED]:
        answer = send(client, route, ids, writes(ids)[route.name].body, HTTP_IF_MATCH=tag)

        assert (answer.status_code, answer.json()["code"]) == (412, "PRECONDITION_FAILED"), route.name
        assert shown(client, route, ids).json()["version"] == 1, route.name


@pytest.mark.parametrize("tag", [f'"other", {STALE}', "*"])
def test_a_fresh_if_match_lets_it_through(tag: str, client: APIClient, ids: dict[str, Any]) -> None:
    for route in [*DELETED, *ACTED]:
        case = writes(ids)[route.name]
        with undone():
            case.prepare(ids)

            assert send(client, route, ids, case.body, HTTP_IF_MATCH=tag).status_code < 300, route.name


def test_a_version_is_a_positive_number(client: APIClient, ids: dict[str, Any]) -> None:
    for route in EDITED:
        answer = send(client, route, ids, {"version": 0})

        assert answer.status_code == 400, route.name
        assert answer.json()["errors"][0]["field"] == "version", route.name


def test_what_was_read_can_be_sent_back_as_it_is(client: APIClient, ids: dict[str, Any]) -> None:
    for route in EDITED:
        whole = shown(client, route, ids).json()
        if route.path.startswith("/api/channels"):
            whole.pop("config")
        if route.path.startswith("/api/silences"):
            whole["camera_ids"] = [OWN]

        answer = send(client, route, ids, whole)

        assert answer.status_code == 200, (route.name, answer.content)


def test_what_the_pipeline_writes_does_not_make_a_page_stale(client: APIClient) -> None:
    camera = CameraFactory()
    before = client.get(f"/api/cameras/{camera.pk}")
    Camera.objects.update_last_seen(camera.pk)

    answer = client.patch(f"/api/cameras/{camera.pk}", {"name": "Gate"}, HTTP_IF_MATCH=before["ETag"])

    assert answer.status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["camera", "rule", "channel"])
def test_of_many_who_change_one_version_at_once_exactly_one_wins(
    kind: str, key_client: Callable[..., APIClient]
) -> None:
    makers: dict[str, Any] = {"camera": CameraFactory, "rule": AlertRuleFactory, "channel": ChannelFactory}
    models: dict[str, Any] = {"camera": Camera, "rule": AlertRule, "channel": Channel}
    paths = {"camera": "cameras", "rule": "alert-rules", "channel": "channels"}
    row = makers[kind]()
    headers = key_client("operator")._credentials
    address = f"/api/{paths[kind]}/{row.pk}"

    def change(number: int) -> int:
        client = APIClient()
        client.credentials(**headers)
        extra = {"HTTP_IF_MATCH": STALE} if number % 2 else {}
        body: dict[str, Any] = {"name": f"name {number}"} | ({} if number % 2 else {"version": 1})
        return int(client.patch(address, body, **extra).status_code)

    answers = run_together(change, workers=10)

    assert sorted(answers).count(200) == 1
    assert set(answers) <= {200, 409, 412}
    assert models[kind].objects.get(pk=row.pk).version == 2
