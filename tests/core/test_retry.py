"""Backoff, the retry handler, and dead letters with their way back."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from hypothesis import given
from hypothesis import strategies as st

from siteadmin.core import retry
from siteadmin.core.exceptions import InvalidStateTransitionError
from siteadmin.core.models import DeadLetter
from siteadmin.core.pipeline import Step
from siteadmin.core.results import RetryResult
from siteadmin.core.retry import RetryHandler, backoff, bury, discard, requeue
from tests.core.threads import run_together

State = DeadLetter.State
HOUR = timedelta(hours=1)


class TestBackoff:
    @given(st.integers(1, 10_000), st.floats(0.001, 3600), st.randoms(use_true_random=False))
    def test_lies_between_nothing_and_the_doubled_base_and_the_cap(self, attempt, base, rng):
        wait = backoff(attempt, base=timedelta(seconds=base), random=rng)

        assert timedelta(0) <= wait <= HOUR
        assert wait.total_seconds() <= base * 2 ** min(attempt - 1, 40) + 1e-6

    def test_doubles_with_each_attempt_until_the_cap(self):
        class Highest:
            def random(self) -> float:
                return 1.0

        waits = [backoff(n, base=timedelta(seconds=2), random=Highest()).total_seconds() for n in range(1, 14)]

        assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]

    def test_jitter_is_full(self):
        rng = random.Random(1)
        waits = [backoff(1, base=timedelta(seconds=10), random=rng).total_seconds() for _ in range(1000)]

        assert min(waits) < 0.5
        assert max(waits) > 9.5

    def test_no_base_is_no_wait(self):
        assert backoff(5, base=timedelta(0)) == timedelta(0)


def handler(**kwargs) -> RetryHandler:
    return RetryHandler(None, **{"base": timedelta(0), **kwargs})


def always_fails(job_data):
    raise ConnectionError(f"no detector for {job_data['id']}")


@pytest.mark.django_db
class TestWithRetry:
    def test_gives_the_result_of_the_first_success(self):
        tries = []

        def operation(job_data):
            tries.append(job_data)
            if len(tries) < 3:
                raise TimeoutError("slow")
            return {"found": 2}

        result = handler().with_retry(operation=operation, job_data={"id": 7}, queue_name="detection_queue")

        assert result == RetryResult(success=True, result={"found": 2}, attempts=3)
        assert tries == [{"id": 7}] * 3
        assert DeadLetter.objects.count() == 0

    def test_gives_up_into_a_dead_letter(self):
        result = handler().with_retry(always_fails, {"id": 7, "path": Path("/a")}, "detection_queue")

        assert result == RetryResult(
            success=False, error="ConnectionError: no detector for 7", attempts=3, moved_to_dlq=True
        )
        letter = DeadLetter.objects.get()
        assert (letter.queue, letter.subject, letter.attempts, letter.state) == ("detection_queue", "7", 3, "dead")
        assert letter.task.endswith("always_fails")
        assert letter.payload == {"id": 7, "path": "/a"}
        assert letter.error == result.error

    def test_giving_up_again_adds_to_the_open_letter(self):
        handler().with_retry(always_fails, {"id": 7}, "q")
        first = DeadLetter.objects.get()
        handler(max_attempts=2).with_retry(always_fails, {"id": 7}, "q")

        letter = DeadLetter.objects.get()
        assert letter.attempts == 5
        assert letter.first_failed_at == first.first_failed_at
        assert letter.last_failed_at > first.last_failed_at

    def test_jobs_without_an_id_are_told_apart_by_their_data(self):
        def fails(job_data):
            raise ValueError

        for data in ({"a": 1}, {"a": 2}, {"a": 1}):
            handler().with_retry(fails, data, "q")

        assert DeadLetter.objects.count() == 2

    def test_waits_between_attempts_and_not_after_the_last(self):
        waits = []
        handler(base=timedelta(seconds=1), sleep=waits.append).with_retry(always_fails, {"id": 1}, "q")

        assert len(waits) == 2
        assert all(0 <= wait <= 2 for wait in waits)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, SoftTimeLimitExceeded])
    def test_what_ends_the_process_or_the_task_passes_through(self, error):
        def operation(job_data):
            raise error

        with pytest.raises(error):
            handler().with_retry(operation, {}, "q")
        assert DeadLetter.objects.count() == 0

    def test_exceptions_outside_retry_on_pass_through(self):
        def operation(job_data):
            raise TypeError("a bug")

        with pytest.raises(TypeError):
            handler(retry_on=(ConnectionError,)).with_retry(operation, {}, "q")

    def test_job_data_that_postgresql_refuses_is_kept_cleaned(self):
        def operation(job_data):
            raise ValueError("bad\x00text " + "x" * 5000)

        handler().with_retry(operation, {"id": "a\x00b", "n": float("nan"), "t": ["\x00"]}, "q")

        letter = DeadLetter.objects.get()
        assert letter.payload == {"id": "ab", "n": "NaN", "t": [""]}
        assert letter.subject == "ab"
        assert len(letter.error) == 2000


@pytest.fixture
def revived(monkeypatch):
    """Ids that the reviver of DETECT was called with; ids over 1000 are gone."""
    ids: list[int] = []

    def revive(subject: int) -> bool:
        ids.append(subject)
        return subject <= 1000

    monkeypatch.setitem(retry.REVIVERS, Step.DETECT, revive)
    return ids


@pytest.fixture
def dispatched(monkeypatch):
    calls: list[tuple[Step, int]] = []
    monkeypatch.setattr(retry, "dispatch", lambda step, subject: calls.append((step, subject)))
    return calls


@pytest.mark.django_db
class TestDeadLetters:
    def test_bury_keeps_the_steps_row_once(self):
        first = bury(Step.DETECT, 5, error="one", attempts=2)
        second = bury(Step.DETECT, 5, error="two", attempts=3)

        letter = DeadLetter.objects.get()
        assert first == second == letter.pk
        assert (letter.queue, letter.task, letter.error, letter.attempts) == ("detect", "events.detect", "two", 5)

    def test_requeue_revives_the_row_and_asks_for_the_step(self, revived, dispatched):
        letter = bury(Step.DETECT, 5, error="x", attempts=1)

        assert requeue(letter)

        assert DeadLetter.objects.get_by_id(letter).state == State.REQUEUED
        assert revived == [5]
        assert dispatched == [(Step.DETECT, 5)]

    def test_requeueing_twice_does_nothing_the_second_time(self, revived, dispatched):
        letter = bury(Step.DETECT, 5, error="x", attempts=1)
        requeue(letter)

        assert not requeue(letter)
        assert revived == [5]

    def test_a_letter_whose_row_is_gone_stays_open(self, revived, dispatched):
        letter = bury(Step.DETECT, 5000, error="x", attempts=1)

        assert not requeue(letter)

        assert DeadLetter.objects.get_by_id(letter).state == State.DEAD
        assert dispatched == []

    def test_work_outside_the_pipeline_can_only_be_discarded(self, revived, dispatched):
        handler().with_retry(always_fails, {"id": 7}, "q")
        letter = DeadLetter.objects.get()

        with pytest.raises(InvalidStateTransitionError, match="only be discarded"):
            requeue(letter.pk)
        assert DeadLetter.objects.get().state == State.DEAD
        assert discard(letter.pk)
        assert DeadLetter.objects.get().state == State.DISCARDED

    def test_an_unknown_letter_is_neither_requeued_nor_discarded(self, revived):
        assert not requeue(404)
        assert not discard(404)

    def test_failing_after_a_requeue_opens_a_new_letter(self, revived, dispatched):
        first = bury(Step.DETECT, 5, error="x", attempts=1)
        requeue(first)

        assert bury(Step.DETECT, 5, error="y", attempts=1) != first


@pytest.mark.django_db(transaction=True)
def test_burying_at_once_from_sixteen_workers_makes_one_letter():
    run_together(lambda n: bury(Step.DELIVER, 9, error=str(n), attempts=1))

    assert DeadLetter.objects.get().attempts == 16


@pytest.mark.django_db(transaction=True)
def test_requeue_and_discard_at_once_have_one_winner(revived, dispatched):
    letter = bury(Step.DETECT, 5, error="x", attempts=1)

    wins = run_together(lambda n: requeue(letter) if n % 2 else discard(letter))

    assert sum(wins) == 1
