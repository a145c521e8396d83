"""The circuit breaker: opens, probes once among all workers, closes; no write where nothing changed."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from siteadmin.core.breaker import CircuitBreaker, Position, state_of
from siteadmin.core.exceptions import CircuitBreakerOpenError
from siteadmin.core.models import BreakerState
from tests.core.threads import run_together

pytestmark = pytest.mark.django_db


class TargetDownError(Exception):
    pass


def breaker(**kwargs) -> CircuitBreaker:
    return CircuitBreaker("target", counts=(TargetDownError,), **kwargs)


def fail() -> None:
    raise TargetDownError("no answer")


def fail_times(count: int) -> None:
    for _ in range(count):
        with pytest.raises(TargetDownError):
            breaker().call(fail)


def end_cool_off() -> None:
    BreakerState.objects.filter(name="target").update(open_until=Now())


def cool_off_left() -> float:
    return state_of("target").retry_after


def test_gives_the_operations_result():
    assert breaker().call(lambda: 42) == 42


def test_stays_closed_below_the_threshold():
    fail_times(4)

    assert state_of("target").position is Position.CLOSED
    assert state_of("target").failures == 4


def test_opens_after_five_failures_in_a_row():
    fail_times(5)

    with pytest.raises(CircuitBreakerOpenError) as caught:
        breaker().call(lambda: pytest.fail("the call passed an open breaker"))
    assert 0 < caught.value.retry_after <= 30
    assert state_of("target").last_error == "no answer"


def test_a_success_ends_the_row_of_failures():
    fail_times(4)
    breaker().call(lambda: None)
    fail_times(4)

    assert state_of("target").position is Position.CLOSED


def test_a_success_without_failures_writes_nothing(django_assert_num_queries):
    breaker().call(lambda: None)

    assert not BreakerState.objects.exists("target")


def test_a_success_after_a_success_leaves_the_row_untouched():
    fail_times(1)
    breaker().call(lambda: None)
    before = BreakerState.objects.get_by_id("target")

    breaker().call(lambda: None)

    assert BreakerState.objects.get_by_id("target").changed_at == before.changed_at


def test_other_exceptions_pass_through_and_prove_nothing():
    fail_times(4)

    with pytest.raises(ZeroDivisionError):
        breaker().call(lambda: 1 / 0)

    assert state_of("target").failures == 4


def test_a_call_may_be_counted_as_failed_without_raising():
    for _ in range(5):
        with breaker().guard() as call:
            call.failed("HTTP 503")

    assert state_of("target").position is Position.OPEN
    assert state_of("target").last_error == "HTTP 503"


def test_a_successful_probe_closes_it():
    fail_times(5)
    end_cool_off()
    assert state_of("target").position is Position.HALF_OPEN

    breaker().call(lambda: None)

    assert state_of("target").position is Position.CLOSED
    assert state_of("target").failures == 0


def test_each_failed_probe_doubles_the_cool_off_up_to_the_longest():
    fail_times(5)
    lengths = []
    for _ in range(5):
        end_cool_off()
        fail_times(1)
        lengths.append(round(cool_off_left()))

    assert lengths == [60, 120, 240, 300, 300]


def test_while_a_probe_is_under_way_others_are_held_back():
    fail_times(5)
    end_cool_off()

    with breaker().guard(), pytest.raises(CircuitBreakerOpenError):
        breaker().call(lambda: pytest.fail("a second probe passed"))


def test_a_probe_that_proves_nothing_lets_the_next_call_probe():
    fail_times(5)
    end_cool_off()
    with pytest.raises(KeyboardInterrupt), breaker().guard():
        raise KeyboardInterrupt

    breaker().call(lambda: None)

    assert state_of("target").position is Position.CLOSED


def test_a_probe_that_lost_its_lease_changes_nothing():
    fail_times(5)
    end_cool_off()
    with breaker().guard():
        BreakerState.objects.filter(name="target").update(probe_until=Now() + timedelta(minutes=1))

    assert state_of("target").position is Position.OPEN


def test_a_straggler_that_fails_while_it_is_open_does_not_lengthen_it():
    with pytest.raises(TargetDownError), breaker().guard():
        fail_times(5)
        fail()

    assert state_of("target").failures == 5


def test_breakers_do_not_know_each_other():
    fail_times(5)

    assert CircuitBreaker("other", counts=(TargetDownError,)).call(lambda: "passed") == "passed"


def test_text_that_postgresql_refuses_does_not_break_it():
    with pytest.raises(TargetDownError):
        breaker().call(lambda: (_ for _ in ()).throw(TargetDownError("a\x00b")))

    assert state_of("target").last_error == "ab"


def test_a_closed_breaker_costs_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        breaker().call(lambda: None)


@pytest.mark.django_db(transaction=True)
def test_one_probe_passes_among_sixteen_workers():
    fail_times(5)
    end_cool_off()
    passed = []

    def call(number: int) -> None:
        try:
            with breaker().guard():
                passed.append(number)
                barrier_free.wait(1)
        except CircuitBreakerOpenError:
            return

    import threading

    barrier_free = threading.Event()
    run_together(call)

    assert len(passed) == 1


@pytest.mark.django_db(transaction=True)
def test_failures_of_many_workers_are_all_counted():
    def call(_: int) -> None:
        with pytest.raises(TargetDownError):
            breaker(threshold=100).call(fail)

    run_together(call)

    assert state_of("target").failures == 16
