"""Results survive Celery's JSON: the caller of `AsyncResult.get()` gets the same class back."""

import dataclasses

import pytest
from celery import Celery
from celery.result import AsyncResult
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads

from siteadmin.core.models import DeadLetter
from siteadmin.core.results import RetryResult, SweepResult, register_result

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda key: key != "__type__"), inner),
    max_leaves=10,
)


@register_result
@dataclasses.dataclass(slots=True, frozen=True)
class Parted:
    """A result that holds other results."""

    parts: tuple[RetryResult, ...] = ()
    first: RetryResult | None = None
    letter: DeadLetter | None = None
    letter_id: int | None = None


@given(
    st.builds(
        RetryResult,
        success=st.booleans(),
        result=PLAIN,
        error=st.none() | st.text(),
        attempts=st.integers(0, 100),
        moved_to_dlq=st.booleans(),
    )
)
def test_a_result_comes_back_equal(result):
    assert loads(dumps(result)) == result


def test_results_inside_results_come_back():
    one = RetryResult(success=True, result=[1])

    assert loads(dumps(Parted(parts=(one, one), first=one))) == Parted(parts=(one, one), first=one)


def test_a_model_travels_as_its_id():
    back = loads(dumps(Parted(letter=DeadLetter(pk=7), letter_id=7)))

    assert back == Parted(letter=None, letter_id=7)


def test_a_field_that_an_older_worker_does_not_know_is_left_out():
    text = dumps(SweepResult(dispatched={"a": 1})).replace('"error"', '"later_field"')

    assert loads(text) == SweepResult(dispatched={"a": 1})


def test_results_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RetryResult(success=True).success = False


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # Celery's own call
def test_the_same_class_comes_back_through_redis():
    app = Celery("results", broker="memory://", backend=settings.REDIS_URL, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        result_expires=60,
        worker_send_task_events=False,
    )
    wanted = RetryResult(success=False, result={"a": [1]}, error="no", attempts=3, moved_to_dlq=True)
    app.backend.store_result("results-test", wanted, "SUCCESS")

    got = AsyncResult("results-test", app=app).get(timeout=5)

    assert got == wanted
    assert type(got) is RetryResult
    app.backend.client.close()
    app.close()


def test_a_model_among_others_travels_as_its_id():
    result = RetryResult(success=True, result=[DeadLetter(pk=7), {"b": DeadLetter(pk=8)}])

    assert loads(dumps(result)).result == [7, {"b": 8}]
