"""Dead letters over REST: requeued or discarded, one by one or many; never in two places or in none."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from alerts.models import Delivery
from siteadmin.core import retry
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import bury
from tests.factories import DeliveryFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(key_client: Any) -> APIClient:
    client: APIClient = key_client("operator")
    return client


def dead_delivery(error: str = "503") -> tuple[Delivery, int]:
    delivery = DeliveryFactory(state="failed", due_at=None, attempts=10)
    return delivery, bury(Step.DELIVER, delivery.pk, error=error, attempts=10, payload={"channel": "x"})


def test_letters_are_listed_by_queue_error_and_state(operator: APIClient) -> None:
    _, first = dead_delivery("HTTP 503 from there")
    second = bury(Step.EVALUATE, 7, error="HTTP 404", attempts=1)
    retry.discard(second)

    def listed(query: str) -> list[int]:
        return [one["id"] for one in operator.get(f"/api/dead-letters?{query}").json()["results"]]

    assert sorted(listed("")) == sorted([first, second])
    assert (listed("queue=deliver"), listed("error=http 503"), listed("state=dead")) == ([first], [first], [first])
    assert operator.get("/api/dead-letters?state=undead").status_code == 400


def test_a_requeued_delivery_waits_again_under_its_own_key(operator: APIClient) -> None:
    delivery, letter = dead_delivery()
    key = delivery.idempotency_key

    answer = operator.post(f"/api/dead-letters/{letter}/requeue")

    delivery.refresh_from_db()
    assert (answer.status_code, answer.json()["state"]) == (200, "requeued")
    assert answer.json()["settled_by"].startswith("key:")
    assert (delivery.state, delivery.idempotency_key, delivery.attempts) == ("pending", key, 0)
    assert delivery.due_at is not None


def test_what_is_settled_is_settled_once(operator: APIClient) -> None:
    _, letter = dead_delivery()

    first = operator.post(f"/api/dead-letters/{letter}/discard", {"reason": "old"}, format="json")
    second = operator.post(f"/api/dead-letters/{letter}/requeue")

    assert (first.json()["state"], first.json()["reason"]) == ("discarded", "old")
    assert (second.status_code, second.json()["code"]) == (409, "INVALID_STATE_TRANSITION")


def test_discarding_takes_a_reason(operator: APIClient) -> None:
    _, letter = dead_delivery()

    assert operator.post(f"/api/dead-letters/{letter}/discard", {}, format="json").status_code == 400
    assert DeadLetter.objects.get(pk=letter).state == "dead"


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_letter_that_cannot_be_requeued_stays(operator: APIClient, is_gone: bool) -> None:  # noqa: FBT001
    if is_gone:
        letter = bury(Step.DELIVER, 404_404, error="x", attempts=1)
    else:
        letter = DeadLetter.objects.bury(queue="q", task="other.work", subject="1", payload={}, error="x", attempts=1)

    answer = operator.post(f"/api/dead-letters/{letter}/requeue")

    assert answer.status_code == 409
    assert DeadLetter.objects.get(pk=letter).state == "dead"


def test_a_crash_in_between_leaves_all_as_it_was(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery, letter = dead_delivery()
    revive = retry.REVIVERS[Step.DELIVER]

    def revive_and_die(row_id: int) -> bool:
        revive(row_id)
        raise MemoryError

    monkeypatch.setitem(retry.REVIVERS, Step.DELIVER, revive_and_die)

    answer = operator.post(f"/api/dead-letters/{letter}/requeue")

    delivery.refresh_from_db()
    assert answer.status_code == 500
    assert (DeadLetter.objects.get(pk=letter).state, delivery.state) == ("dead", "failed")


def test_many_are_settled_by_id_each_answered_on_its_own(operator: APIClient) -> None:
    (_, first), (_, second) = dead_delivery(), dead_delivery()
    retry.discard(second)

    answer = operator.post("/api/dead-letters/requeue", {"ids": [first, second, 404_404]}, format="json")

    assert answer.status_code == 207
    assert [one["status"] for one in answer.json()["results"]] == [200, 409, 404]


def test_many_are_settled_by_filter(operator: APIClient) -> None:
    (_, first), (_, second) = dead_delivery("timeout"), dead_delivery("refused")

    answer = operator.post("/api/dead-letters/discard", {"error": "TIMEOUT", "reason": "known"}, format="json")

    assert answer.json()["results"] == [{"id": first, "status": 200}]
    assert DeadLetter.objects.get(pk=second).state == "dead"


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": [1], "queue": ["x"]}, {"everything": True}])
def test_nothing_is_settled_by_mistake(operator: APIClient, body: Any) -> None:
    assert operator.post("/api/dead-letters/requeue", body, format="json").status_code == 400


def test_reviewers_see_none(key_client: Any) -> None:
    assert key_client("reviewer").get("/api/dead-letters").status_code == 403
