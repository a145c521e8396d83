"""Every writing route of the API leaves its entry: who, what, before and after."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from siteadmin.core.models import ApiKey, AuditEntry
from tests.api_roles import Route, routes
from tests.audit.writing_routes import NOT_RECORDED, writes
from tests.factories import CameraFactory
from tests.test_api_roles import OWN, ids_of

pytestmark = pytest.mark.django_db

WRITING = [route for route in routes() if route.method in ("post", "put", "patch", "delete")]


@pytest.fixture
def ids() -> dict[str, Any]:
    return ids_of(CameraFactory(id=OWN, folder_path=OWN))


def send(client: APIClient, route: Route, ids: dict[str, Any], body: Any) -> Any:
    return client.generic(
        route.method.upper(),
        route.address(ids),
        client._encode_data(body, "json")[0] if body is not None else b"",
        content_type="application/json",
        HTTP_X_REQUEST_ID="walk-1",
        REMOTE_ADDR="192.0.2.44",
    )


def test_every_writing_route_is_recorded_or_says_why_not(ids: dict[str, Any]) -> None:
    assert {route.name for route in WRITING} == set(writes(ids)) | set(NOT_RECORDED)


def test_every_writing_route_leaves_an_entry_of_its_sender(
    ids: dict[str, Any], key_client: Callable[..., APIClient]
) -> None:
    client = key_client("admin")
    key = ApiKey.objects.get()
    cases = writes(ids)
    for route in WRITING:
        if route.name in NOT_RECORDED:
            continue
        case = cases[route.name]
        with transaction.atomic():
            case.prepare(ids)
            last = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0

            answer = send(client, route, ids, case.body)

            assert answer.status_code < 300, (route.name, answer.content)
            entries = AuditEntry.objects.filter(pk__gt=last, resource_type=case.resource_type, action=case.action)
            assert entries.count() == 1, (route.name, list(AuditEntry.objects.filter(pk__gt=last).values()))
            entry = entries.get()
            assert (entry.actor_kind, entry.actor, entry.actor_id) == ("key", key.name, key.pk), route.name
            assert (entry.address, entry.request_id) == ("192.0.2.44", "walk-1"), route.name
            state = entry.before if entry.after is None else entry.after
            assert state is not None and set(case.fields) <= set(state), (route.name, state)
            is_new = case.action in ("create", "test")
            assert (entry.before is None) == (is_new and case.resource_type != "prompt_version"), route.name
            transaction.set_rollback(True)  # noqa: FBT003 - Django's own form


@pytest.mark.parametrize("name", sorted(NOT_RECORDED))
def test_what_is_no_persons_change_leaves_nothing(
    name: str, ids: dict[str, Any], key_client: Callable[..., APIClient]
) -> None:
    client = key_client("admin")
    count = AuditEntry.objects.count()
    route = next(route for route in WRITING if route.name == name)

    send(client, route, ids, {})

    assert AuditEntry.objects.count() == count
