"""Keys are looked up once in a while only, and end at once all the same."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from siteadmin.core import known_keys
from siteadmin.core.keys import create_api_key, delete_api_key, update_api_key
from siteadmin.core.models import ApiKey
from siteadmin.core.roles import Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small_api")]


@pytest.fixture(autouse=True)
def believed(settings: Any, tmp_path: Any) -> None:
    """Believe keys for longer than any test takes."""
    settings.KNOWN_KEYS = timedelta(hours=1)
    settings.KEYS_CHANGED = tmp_path / "keys-changed"


@pytest.fixture
def key() -> str:
    return create_api_key(name="test", role=Role.OPERATOR)[1]


def ask(key: str) -> int:
    return int(APIClient().get("/api/letters", headers={"x-api-key": key}).status_code)


def statements_of(key: str) -> int:
    """Give how many a list without rows takes, its own included."""
    with CaptureQueriesContext(connection) as captured:
        ask(key)
    return len(captured)


def test_a_key_is_looked_up_once(key: str) -> None:
    ask(key)  # notes the use, which is a write of its own
    ask(key)

    assert statements_of(key) == 1


def test_a_key_that_is_known_for_too_long_is_looked_up_again(key: str, settings: Any) -> None:
    settings.KNOWN_KEYS = timedelta(microseconds=1)
    ask(key)
    ask(key)

    assert statements_of(key) == 2


CHANGES: dict[str, Callable[[ApiKey], Any]] = {
    "service": lambda entity: update_api_key(entity.pk, fields={"revoked_at": timezone.now()}),
    "deleting service": lambda entity: delete_api_key(entity.pk),
    "rows": lambda entity: ApiKey.objects.filter(pk=entity.pk).update(revoked_at=timezone.now()),
    "deleted rows": lambda entity: ApiKey.objects.filter(pk=entity.pk).delete(),
    "repository": lambda entity: ApiKey.objects.delete_by_id(entity.pk),
}


@pytest.mark.parametrize("way", CHANGES)
def test_a_key_that_is_revoked_or_deleted_in_whatever_way_ends_at_once(key: str, way: str) -> None:
    assert [ask(key) for _ in range(3)] == [200, 200, 200]

    CHANGES[way](ApiKey.objects.get(name="test"))

    assert ask(key) == 401


def test_a_key_whose_role_changes_has_it_at_once(key: str) -> None:
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=key)
    before = [client.post("/api/letters", {}, format="json").status_code for _ in range(3)]

    update_api_key(ApiKey.objects.get(name="test").pk, fields={"role": Role.VIEWER})

    assert before == [400, 400, 400]
    assert client.post("/api/letters", {}, format="json").status_code == 403


def test_a_known_key_ends_when_it_expires(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ApiKey.objects.filter(name="test").update(expires_at=timezone.now() + timedelta(hours=1))
    assert [ask(key) for _ in range(3)] == [200, 200, 200]

    later = timezone.now() + timedelta(hours=2)
    monkeypatch.setattr(known_keys.timezone, "now", lambda: later)
    assert known_keys.recall(ApiKey.objects.get(name="test").key_hash) is None


def test_what_was_looked_up_before_the_writing_transaction_ended_is_not_believed_after(key: str) -> None:
    with transaction.atomic():
        ApiKey.objects.filter(name="test").update(camera_ids=["gate"])
        # As another process sees it, which looks the old row up in the midst.
        stale = ApiKey(name="test", role="admin", key_hash=ApiKey.objects.get(name="test").key_hash)
        known_keys.remember(stale, change=known_keys.latest_change())

    assert known_keys.recall(stale.key_hash) is None
