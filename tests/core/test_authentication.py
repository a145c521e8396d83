"""Who is asking: keys, sessions, and Basic for cameras."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from siteadmin.core.keys import create_api_key, hash_key
from siteadmin.core.models import ApiKey
from siteadmin.core.roles import Role
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_api")]


@pytest.fixture
def key() -> str:
    return create_api_key(name="test", role=Role.OPERATOR)[1]


def basic(password: str, *, user: str = "camera") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_nobody_gets_401_with_a_challenge_and_no_redirect() -> None:
    response = APIClient().get("/api/letters")

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="siteadmin"'
    assert response.json()["code"] == "AUTHENTICATION_REQUIRED"
    assert response.json()["detail"] == "Missing or invalid API key"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_enters_as_bearer(key: str, scheme: str) -> None:
    assert APIClient().get("/api/letters", headers={"authorization": f"{scheme} {key}"}).status_code == 200


def test_a_key_enters_by_its_own_header(key: str) -> None:
    assert APIClient().get("/api/letters", headers={"x-api-key": key}).status_code == 200


@pytest.mark.parametrize("headers", [{"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}, {"x-api-key": ""}])
def test_a_wrong_key_is_401_even_beside_a_session(headers: dict[str, str]) -> None:
    client = APIClient()
    client.force_login(UserFactory(role="admin"))

    assert client.get("/api/letters", headers=headers).status_code == 401


@pytest.mark.parametrize("text", ["Bearer", "Bearer ", "Bearer é", "Bearer a b", "Bearer " + "x" * 10_000])
def test_a_malformed_header_is_401(text: str) -> None:
    assert APIClient().get("/api/letters", headers={"authorization": text}).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"key_hash": "0" * 64},
    ],
)
def test_a_revoked_expired_or_changed_key_is_401(key: str, change: dict[str, Any]) -> None:
    ApiKey.objects.filter(name="test").update(**change)

    assert APIClient().get("/api/letters", headers={"x-api-key": key}).status_code == 401


def test_a_key_counts_until_it_expires(key: str) -> None:
    ApiKey.objects.filter(name="test").update(expires_at=timezone.now() + timedelta(minutes=1))

    assert APIClient().get("/api/letters", headers={"x-api-key": key}).status_code == 200


def test_only_the_hash_is_stored(key: str) -> None:
    entity = ApiKey.objects.get(name="test")

    assert entity.key_hash == hash_key(key)
    assert key.startswith(f"sa_{entity.prefix}_")
    assert key not in {str(value) for value in ApiKey.objects.values().get(pk=entity.pk).values()}


def test_use_is_noted_once_a_minute(key: str, django_assert_num_queries: Any) -> None:
    client = APIClient()
    client.get("/api/letters", headers={"x-api-key": key})
    first = ApiKey.objects.get(name="test").last_used_at

    with django_assert_num_queries(2):  # the key and the rows
        client.get("/api/letters", headers={"x-api-key": key})
    assert first is not None
    assert ApiKey.objects.get(name="test").last_used_at == first

    ApiKey.objects.filter(name="test").update(last_used_at=first - timedelta(minutes=2))
    client.get("/api/letters", headers={"x-api-key": key})
    assert ApiKey.objects.get(name="test").last_used_at >= first


def test_noting_use_is_one_conditional_statement(key: str) -> None:
    entity = ApiKey.objects.get(name="test")

    assert ApiKey.objects.note_use(entity.pk, at_most_every=timedelta(minutes=1)) is True
    assert ApiKey.objects.note_use(entity.pk, at_most_every=timedelta(minutes=1)) is False


def test_staff_enter_by_session() -> None:
    client = APIClient()
    client.force_login(UserFactory())

    assert client.get("/api/letters").status_code == 200


@pytest.mark.parametrize("traits", [{"is_staff": False}, {"is_staff": False, "is_superuser": True}])
def test_a_session_of_somebody_else_counts_as_nobody(traits: dict[str, bool]) -> None:
    client = APIClient()
    client.force_login(UserFactory(**traits))

    assert client.get("/api/letters").status_code == 401


def test_a_session_needs_the_csrf_token() -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(UserFactory(role="operator"))

    response = client.post("/api/letters", {}, format="json")

    assert response.status_code == 403
    assert response.json()["code"] == "CSRF_FAILED"


def test_a_key_needs_no_csrf_token(key: str) -> None:
    client = APIClient(enforce_csrf_checks=True)
    body = {"queue": "q", "task": "t", "subject": "s"}

    assert client.post("/api/letters", body, format="json", headers={"x-api-key": key}).status_code == 201


def test_basic_with_the_key_as_password_enters_where_pictures_are_taken(key: str) -> None:
    response = APIClient().post("/api/uploads", {}, format="json", headers={"authorization": basic(key)})

    assert response.status_code == 202
    assert response.json() == {"by": "key:test"}


@pytest.mark.parametrize("header", [basic("wrong"), "Basic !!!", "Basic", basic("", user="")])
def test_basic_with_a_wrong_password_is_401_that_offers_basic(header: str) -> None:
    response = APIClient().post("/api/uploads", {}, format="json", headers={"authorization": header})

    assert response.status_code == 401
    assert 'Basic realm="siteadmin"' in response["WWW-Authenticate"]


def test_basic_counts_nowhere_else(key: str) -> None:
    assert APIClient().get("/api/letters", headers={"authorization": basic(key)}).status_code == 401


def test_a_key_that_may_do_too_little_is_403_not_401(key_client: Callable[..., APIClient]) -> None:
    assert key_client("uploader").get("/api/letters").status_code == 403
