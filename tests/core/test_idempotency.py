"""Requests that are sent twice and act once."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from cameras.models import Camera, Snapshot
from siteadmin.core import idempotency
from siteadmin.core.housekeeping import forget_old
from siteadmin.core.models import ApiKey, AuditEntry, RememberedRequest
from tests.cameras.pictures import make_picture
from tests.core.threads import run_together
from tests.factories import CameraFactory, ChannelFactory

pytestmark = pytest.mark.django_db

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.fixture
def operator(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client("operator")


def post(client: APIClient, address: str, body: Any = None, *, key: str = KEY, **extra: Any) -> Any:
    return client.post(address, body, HTTP_IDEMPOTENCY_KEY=key, **extra)


def test_the_same_request_again_is_given_the_first_answer_and_does_nothing(operator: APIClient) -> None:
    first = post(operator, "/api/cameras", {"name": "Gate"})
    again = post(operator, "/api/cameras/", {"name": "Gate"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert (again["Idempotency-Replayed"], "Idempotency-Replayed" in first) == ("true", False)
    assert Camera.objects.count() == 1
    assert AuditEntry.objects.filter(resource_type="camera").count() == 1


def test_without_a_key_each_request_acts(operator: APIClient) -> None:
    operator.post("/api/cameras", {"name": "Gate"})

    assert operator.post("/api/cameras", {"name": "Gate"}).status_code == 409


@pytest.mark.parametrize(
    ("address", "body"), [("/api/cameras", {"name": "Yard"}), ("/api/modes", {"name": "Gate"})], ids=["body", "address"]
)
def test_the_key_of_another_request_is_refused(operator: APIClient, address: str, body: dict[str, str]) -> None:
    post(operator, "/api/cameras", {"name": "Gate"})

    answer = post(operator, address, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert answer.json()["type"].endswith("/problems/idempotency-key-reused/")


def test_another_order_of_members_is_the_same_request(operator: APIClient) -> None:
    post(operator, "/api/cameras", {"name": "Gate", "timezone": "UTC"})

    assert post(operator, "/api/cameras", {"timezone": "UTC", "name": "Gate"}).status_code == 201


def test_a_key_is_its_senders_own(operator: APIClient, client_as: Callable[[str], APIClient]) -> None:
    post(operator, "/api/cameras", {"name": "Gate"})

    assert post(client_as("operator"), "/api/cameras", {"name": "Yard"}).status_code == 201


def test_a_refusal_is_not_kept_and_the_key_may_be_tried_again(operator: APIClient) -> None:
    CameraFactory(name="Gate")

    assert post(operator, "/api/cameras", {"name": "Gate", "id": "x"}).status_code == 409
    assert post(operator, "/api/cameras", {"nonsense": 1}).status_code == 400
    assert post(operator, "/api/cameras", {"name": "Yard"}).status_code == 201


def test_a_failure_leaves_neither_the_row_nor_the_key(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(RememberedRequest.objects, "remember", fail)
        assert post(operator, "/api/cameras", {"name": "Gate"}).status_code == 500

    assert not Camera.objects.exists()
    assert not RememberedRequest.objects.exists()
    assert post(operator, "/api/cameras", {"name": "Gate"}).status_code == 201


@pytest.mark.parametrize("key", [KEY, f'"{KEY}"'])
def test_a_key_may_stand_in_quotes(operator: APIClient, key: str) -> None:
    post(operator, "/api/cameras", {"name": "Gate"})

    assert post(operator, "/api/cameras", {"name": "Gate"}, key=key).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "two words", '"open', "a" * 256, "schlüssel", "a\tb", '"x", "y"'])
def test_a_key_that_is_none_is_refused_by_name(operator: APIClient, key: str) -> None:
    answer = post(operator, "/api/cameras", {"name": "Gate"}, key=key)

    body = answer.json()
    assert (answer.status_code, body["code"], body["errors"][0]["field"]) == (
        400,
        "IDEMPOTENCY_KEY_INVALID",
        "Idempotency-Key",
    )
    assert "1 to 255 visible ASCII" in body["detail"]
    assert not Camera.objects.exists()


def test_the_longest_key_is_taken(operator: APIClient) -> None:
    assert post(operator, "/api/cameras", {"name": "Gate"}, key="k" * 255).status_code == 201


def test_a_secret_that_is_shown_once_comes_again_and_is_sealed_at_rest(operator: APIClient) -> None:
    body = {"name": "Hook", "kind": "webhook", "config": {"url": "https://example.com/"}}
    first = post(operator, "/api/channels", body)
    again = post(operator, "/api/channels", body)

    secret = first.json()["secret"]
    assert secret.startswith("whsec_") and again.json()["secret"] == secret
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM core_rememberedrequest")
        stored = cursor.fetchone()[0]
    assert secret not in stored and stored.startswith("gAAAA")


def test_headers_of_the_answer_are_kept(operator: APIClient) -> None:
    camera = CameraFactory()

    first = post(operator, f"/api/cameras/{camera.pk}/ftp-password")
    again = post(operator, f"/api/cameras/{camera.pk}/ftp-password")

    assert again.json() == first.json()
    assert again["Cache-Control"] == "no-store"


def test_an_answer_that_cannot_be_opened_any_more_says_so(operator: APIClient, settings: Any) -> None:
    post(operator, "/api/cameras", {"name": "Gate"})
    settings.SECRET_KEY = "another one"  # noqa: S105 - a test's

    answer = post(operator, "/api/cameras", {"name": "Gate"})

    assert answer.status_code == 409
    assert "was done already" in answer.json()["detail"]


def test_actions_without_a_body_are_answered_again(operator: APIClient) -> None:
    camera = CameraFactory()
    operator.delete(f"/api/cameras/{camera.pk}")
    first = post(operator, f"/api/cameras/{camera.pk}/restore")
    operator.delete(f"/api/cameras/{camera.pk}")

    assert post(operator, f"/api/cameras/{camera.pk}/restore").content == first.content
    camera.refresh_from_db()
    assert camera.deleted_at is not None


def test_the_same_picture_in_another_multipart_body_is_the_same_request(key_client: Callable[..., APIClient]) -> None:
    camera, uploader = CameraFactory(id="gate"), key_client("uploader")

    def send(seed: int) -> Any:
        picture: Any = make_picture(seed=seed)
        file = SimpleUploadedFile("a.jpg", picture, content_type="image/jpeg")
        return post(uploader, f"/api/cameras/{camera.pk}/snapshots", {"file": file}, format="multipart")

    first, again, other = send(1), send(1), send(2)

    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.json()["id"] == first.json()["id"]
    assert again["Idempotency-Replayed"] == "true"
    assert Snapshot.objects.count() == 1


def test_a_message_is_sent_once(operator: APIClient) -> None:
    channel = ChannelFactory(kind="inbox")

    first = post(operator, f"/api/channels/{channel.pk}/test")
    again = post(operator, f"/api/channels/{channel.pk}/test")

    assert (first.status_code, again["Idempotency-Replayed"], again.content) == (200, "true", first.content)
    assert AuditEntry.objects.filter(action="test").count() == 1


def test_what_only_asks_is_asked_again(operator: APIClient) -> None:
    for _ in range(2):
        answer = post(operator, "/api/alert-rules/preview", {"rule": {"name": "x"}, "days": 1})
        assert "Idempotency-Replayed" not in answer
    assert not RememberedRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_acts_and_the_others_wait_or_get_its_answer(key_client: Callable[..., APIClient]) -> None:
    headers = key_client("operator")._credentials

    def send(number: int) -> tuple[int, str, str]:
        client = APIClient(raise_request_exception=False)
        client.credentials(**headers)
        answer = post(client, "/api/modes", {"name": "holiday"})
        return answer.status_code, answer.json().get("code", ""), answer.headers.get("Retry-After", "")

    answers = run_together(send, workers=12)

    assert {answer[0] for answer in answers} <= {201, 409}
    assert answers.count((201, "", "")) >= 1
    assert {answer[1:] for answer in answers if answer[0] == 409} <= {("IDEMPOTENCY_KEY_IN_USE", "2")}
    assert RememberedRequest.objects.count() == 1
    assert AuditEntry.objects.filter(resource_type="mode").count() == 1


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_under_way_its_repetition_is_told_to_wait(key_client: Callable[..., APIClient]) -> None:
    client = key_client("operator")
    answers: list[Any] = []

    def act_meanwhile(number: int) -> None:
        if number == 0:
            with transaction.atomic():
                RememberedRequest.objects.try_lock(actor=actor, key=KEY)
                barrier.wait()
                barrier.wait()
        else:
            barrier.wait()
            answers.append(post(client, "/api/modes", {"name": "holiday"}))
            barrier.wait()

    actor = f"key:{ApiKey.objects.get().pk}"
    barrier = threading.Barrier(2, timeout=20)
    run_together(act_meanwhile, workers=2)

    assert (answers[0].status_code, answers[0]["Retry-After"]) == (409, "2")
    assert answers[0].json()["code"] == "IDEMPOTENCY_KEY_IN_USE"


def test_a_claim_whose_process_died_ends_by_itself(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = ChannelFactory(kind="inbox")
    address = f"/api/channels/{channel.pk}/test"

    def die(*args: object, **kwargs: object) -> None:
        return None

    with monkeypatch.context() as dying:
        dying.setattr(RememberedRequest.objects, "finish", die)  # killed between the act and its record
        post(operator, address)
    assert post(operator, address).json()["code"] == "IDEMPOTENCY_KEY_IN_USE"

    RememberedRequest.objects.update(running_until=timezone.now() - timedelta(seconds=1))
    assert post(operator, address).status_code == 200


def test_a_claim_whose_action_fails_is_given_back(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = ChannelFactory(kind="inbox")
    address = f"/api/channels/{channel.pk}/test"

    with monkeypatch.context() as broken:
        broken.setattr("alerts.api.channels.send_test_message", lambda channel_id: 1 / 0)
        assert post(operator, address).status_code == 500

    assert not RememberedRequest.objects.exists()
    assert post(operator, address).status_code == 200


def test_after_a_day_the_same_request_acts_again(operator: APIClient) -> None:
    post(operator, "/api/cameras", {"name": "Gate"})
    RememberedRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))

    assert post(operator, "/api/cameras", {"name": "Yard"}).status_code == 201
    assert post(operator, "/api/cameras", {"name": "Yard"})["Idempotency-Replayed"] == "true"


def test_beat_forgets_answers_after_a_day(operator: APIClient) -> None:
    post(operator, "/api/cameras", {"name": "Gate"}, key="old")
    RememberedRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))
    post(operator, "/api/modes", {"name": "holiday"}, key="young")

    assert forget_old().answers == 1
    assert [row.key for row in RememberedRequest.objects.all()] == ["young"]


def test_the_audit_trail_is_kept_as_long_as_the_setting_says(settings: Any, operator: APIClient) -> None:
    operator.post("/api/cameras", {"name": "Gate"})
    AuditEntry.objects.create_many([AuditEntry(action="x", created_at=timezone.now() - timedelta(days=400))])
    count = AuditEntry.objects.count()

    settings.AUDIT_RETENTION_DAYS = 0
    assert forget_old().audit_entries == 0
    settings.AUDIT_RETENTION_DAYS = 365
    assert forget_old().audit_entries == 1
    assert AuditEntry.objects.count() == count - 1


def test_escapes_in_a_quoted_key_are_read() -> None:
    assert idempotency.read_key(json.dumps('a "b" \\')) == 'a "b" \\'
