"""Dead letters on the admin pages: requeued, or discarded with a reason; one, several or all that a filter leaves."""

from typing import Any

import pytest
from django.test import Client

from alerts.models import Delivery
from siteadmin.core.groups import sync_groups
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step
from siteadmin.core.retry import bury
from tests.factories import DeliveryFactory, UserFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/core/deadletter/"


@pytest.fixture
def operator() -> Client:
    """Give a browser of an operator."""
    sync_groups()
    client = Client()
    client.force_login(UserFactory(username="ada", role="operator"))
    return client


def dead_delivery(error: str = "HTTP 503") -> tuple[Delivery, DeadLetter]:
    delivery = DeliveryFactory(state="failed", due_at=None, attempts=10)
    letter = bury(Step.DELIVER, delivery.pk, error=error, attempts=10, payload={"channel": "Hook <b>"})
    return delivery, DeadLetter.objects.get(pk=letter)


def run(client: Client, action: str, letters: list[DeadLetter], *, query: str = "", **said: Any) -> str:
    """Run an action of the list and give the page that follows."""
    body = {"action": action, "_selected_action": [letter.pk for letter in letters], **said}
    return client.post(f"{LIST}?{query}", body, follow=True).content.decode()


def press(client: Client, button: str, letter: DeadLetter, **said: Any) -> str:
    """Press a button on a letter's page and give the page that follows."""
    return client.post(
        f"{LIST}{letter.pk}/change/", {f"core_deadletter_{button}": "1", **said}, follow=True
    ).content.decode()


def test_several_are_requeued_and_what_cannot_be_is_named_with_the_reason(operator: Client) -> None:
    delivery, letter = dead_delivery()
    gone = DeadLetter.objects.get(pk=bury(Step.DELIVER, 404_404, error="x", attempts=1))

    page = run(operator, "requeue_letters", [letter, gone])

    delivery.refresh_from_db()
    letter.refresh_from_db()
    assert (letter.state, letter.settled_by, delivery.state) == ("requeued", "ada", "pending")
    assert "1 requeued." in page and "What it was about is gone" in page
    assert DeadLetter.objects.get(pk=gone.pk).state == "dead"


def test_several_are_discarded_for_a_reason(operator: Client) -> None:
    letters = [dead_delivery()[1] for _ in range(2)]

    page = run(operator, "discard_letters", letters, reason="The receiver is gone")

    for letter in letters:
        letter.refresh_from_db()
        assert (letter.state, letter.reason, letter.settled_by) == ("discarded", "The receiver is gone", "ada")
    assert "2 discarded." in page


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_none_is_discarded(operator: Client, reason: str) -> None:
    _, letter = dead_delivery()

    page = run(operator, "discard_letters", [letter], reason=reason)

    letter.refresh_from_db()
    assert letter.state == "dead"
    assert "Say why the work is let go." in page


def test_all_that_a_filter_leaves_are_discarded_at_once(operator: Client) -> None:
    letters = [dead_delivery("timeout")[1] for _ in range(3)]
    _, other = dead_delivery("refused")

    run(operator, "discard_letters", letters[:1], query="q=timeout", select_across="1", reason="known")

    assert {letter.state for letter in DeadLetter.objects.filter(error="timeout")} == {"discarded"}
    other.refresh_from_db()
    assert other.state == "dead"


def test_a_letters_page_shows_what_the_work_was_given(operator: Client) -> None:
    _, letter = dead_delivery()

    page = operator.get(f"{LIST}{letter.pk}/change/").content.decode()

    assert "&quot;channel&quot;: &quot;Hook &lt;b&gt;&quot;" in page
    assert "Requeue" in page and "Discard" in page


def test_a_letter_is_requeued_on_its_page(operator: Client) -> None:
    delivery, letter = dead_delivery()

    press(operator, "requeue", letter)

    delivery.refresh_from_db()
    letter.refresh_from_db()
    assert (letter.state, delivery.state, delivery.attempts) == ("requeued", "pending", 0)


def test_a_letter_is_discarded_on_its_page_for_a_reason_alone(operator: Client) -> None:
    _, letter = dead_delivery()

    refused = press(operator, "discard", letter, reason="")
    assert "Say why the work is let go" in refused
    press(operator, "discard", letter, reason="Sent by hand")

    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("discarded", "Sent by hand")


def test_a_settled_letters_page_offers_nothing(operator: Client) -> None:
    _, letter = dead_delivery()
    press(operator, "discard", letter, reason="Sent by hand")

    page = operator.get(f"{LIST}{letter.pk}/change/").content.decode()
    press(operator, "requeue", letter)

    letter.refresh_from_db()
    assert letter.state == "discarded"
    assert "Sent by hand" in page and 'name="core_deadletter_requeue"' not in page


def test_viewers_see_none() -> None:
    sync_groups()
    client = Client()
    client.force_login(UserFactory(role="viewer"))

    assert client.get(LIST).status_code == 403
