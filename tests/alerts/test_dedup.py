"""One alert a key and cooldown."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase
from kombu.utils.json import dumps, loads

from alerts.choices import Severity
from alerts.models import Alert, Cooldown
from alerts.results import DedupResult
from alerts.services.dedup import KeyClaim, check_duplicate, claim_key, claim_keys
from tests.alerts.connections import run_apart
from tests.factories import AlertFactory, CameraFactory

FIVE_MINUTES = timedelta(minutes=5)
WORKERS = 32


def age_key(key: str, *, by: timedelta) -> None:
    """Pretend that all that happened under the key is older."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE alerts_cooldown SET fired_at = ARRAY(SELECT t - %s FROM unnest(fired_at) t) WHERE dedup_key = %s",
            [by, key],
        )
        cursor.execute("UPDATE alerts_alert SET created_at = created_at - %s WHERE dedup_key = %s", [by, key])


def fire(
    key: str,
    *,
    camera_id: str,
    cooldown: timedelta = FIVE_MINUTES,
    severity: Severity = Severity.MEDIUM,
    decided: threading.Event | None = None,
) -> bool:
    """Do what an evaluation does: take the key and make the alert in one transaction."""
    with transaction.atomic():
        outcome = claim_key(key, cooldown=cooldown, severity=severity)
        if decided is not None:
            decided.set()
        if outcome.fired_at is not None:
            Alert.objects.create(
                dedup_key=key, camera_id=camera_id, severity=severity, rule_name="r", created_at=outcome.fired_at
            )
        elif outcome.existing_alert_id is not None:
            Alert.objects.count_duplicates({outcome.existing_alert_id: 1})
    return outcome.is_claimed


@pytest.mark.django_db
class TestOneAfterTheOther:
    def test_the_second_within_the_cooldown_is_a_duplicate_of_the_first(self) -> None:
        camera = CameraFactory()
        fire("k", camera_id=camera.pk)

        outcome = claim_key("k", cooldown=FIVE_MINUTES, severity=Severity.MEDIUM)

        assert not outcome.is_claimed
        assert outcome.existing_alert_id == Alert.objects.get(dedup_key="k").pk

    def test_when_the_cooldown_is_over_the_next_may_fire(self) -> None:
        camera = CameraFactory()
        fire("k", camera_id=camera.pk)
        age_key("k", by=FIVE_MINUTES)

        assert fire("k", camera_id=camera.pk)

    def test_other_keys_do_not_matter(self) -> None:
        camera = CameraFactory()
        fire("k", camera_id=camera.pk)

        assert fire("l", camera_id=camera.pk)

    def test_without_cooldown_everything_fires(self) -> None:
        camera = CameraFactory()

        assert [fire("k", camera_id=camera.pk, cooldown=timedelta(0)) for _ in range(3)] == [True] * 3

    def test_a_higher_severity_breaks_through_and_a_lower_one_does_not(self) -> None:
        camera = CameraFactory()
        severities = [Severity.MEDIUM, Severity.HIGH, Severity.LOW, Severity.HIGH, Severity.CRITICAL]

        fired = [fire("k", camera_id=camera.pk, severity=severity) for severity in severities]

        assert fired == [True, True, False, False, True]

    def test_a_weaker_alert_in_between_does_not_end_the_cooldown_of_a_stronger_one(self) -> None:
        camera = CameraFactory()
        fire("k", camera_id=camera.pk, severity=Severity.CRITICAL)
        fire("k", camera_id=camera.pk, severity=Severity.LOW, cooldown=timedelta(0))

        assert not fire("k", camera_id=camera.pk, severity=Severity.CRITICAL)

    def test_a_rollback_gives_the_key_back(self) -> None:
        camera = CameraFactory()
        with transaction.atomic():
            claim_key("k", cooldown=FIVE_MINUTES, severity=Severity.LOW)
            transaction.set_rollback(True)

        assert fire("k", camera_id=camera.pk)

    def test_the_alert_of_a_key_may_be_gone(self) -> None:
        camera = CameraFactory()
        fire("k", camera_id=camera.pk)
        Alert.objects.all().delete()

        outcome = claim_key("k", cooldown=FIVE_MINUTES, severity=Severity.MEDIUM)

        assert (outcome.is_claimed, outcome.existing_alert_id) == (False, None)

    def test_claims_that_share_a_key_go_to_the_highest_severity(self) -> None:
        wanted = [
            KeyClaim("k", FIVE_MINUTES, Severity.LOW),
            KeyClaim("k", FIVE_MINUTES, Severity.HIGH),
            KeyClaim("k", timedelta(0), Severity.LOW),
            KeyClaim("l", FIVE_MINUTES, Severity.LOW),
        ]

        low, high, uncooled, other = claim_keys(wanted)

        assert [outcome.is_claimed for outcome in (low, high, uncooled, other)] == [False, True, True, True]
        assert low.twin == 1

    def test_a_shorter_cooldown_of_a_claim_that_shares_the_key_counts_for_itself(self) -> None:
        camera = CameraFactory()
        fire("k", camera_id=camera.pk, severity=Severity.HIGH)
        age_key("k", by=timedelta(minutes=2))

        long, short = claim_keys(
            [
                KeyClaim("k", FIVE_MINUTES, Severity.HIGH),
                KeyClaim("k", timedelta(minutes=1), Severity.LOW),
            ]
        )

        assert (long.is_claimed, short.is_claimed) == (False, True)


class Model:
    """What the contract says of one key, in short: alerts as (time, rank)."""

    def __init__(self) -> None:
        self.alerts: list[tuple[int, int]] = []

    def fire(self, *, now: int, rank: int, cooldown: int) -> bool:
        """A duplicate is what comes while an alert of this rank or a higher one is no older than the cooldown."""
        if cooldown and any(other >= rank and at >= now - cooldown for at, other in self.alerts):
            return False
        self.alerts.append((now, rank))
        return True


class TestAgainstTheModel(HypothesisTestCase):
    """Any history of one key is decided as the contract says."""

    @given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 60, 300]), st.integers(0, 400)), max_size=8))
    @settings(max_examples=60, deadline=None)
    def test_every_step_is_decided_as_by_the_model(self, steps: list[tuple[int, int, int]]) -> None:
        camera, model, now = CameraFactory(), Model(), 0
        for rank, cooldown, pause in steps:
            # Half a second off every edge, as real time goes on meanwhile.
            now += 2 * pause + 1
            age_key("k", by=timedelta(seconds=pause + 0.5))
            severity = list(Severity)[rank]
            expected = model.fire(now=now, rank=rank, cooldown=2 * cooldown)

            assert fire("k", camera_id=camera.pk, cooldown=timedelta(seconds=cooldown), severity=severity) == expected


@pytest.mark.django_db(transaction=True)
class TestAllAtOnce:
    def test_of_many_workers_on_one_key_exactly_one_fires(self) -> None:
        camera = CameraFactory()

        fired = run_apart(lambda number: fire("k", camera_id=camera.pk), workers=WORKERS)

        assert sum(fired) == 1
        alert = Alert.objects.get(dedup_key="k")
        assert alert.suppressed_count == WORKERS - 1

    def test_of_many_workers_on_many_keys_one_fires_for_each(self) -> None:
        camera = CameraFactory()
        keys = [f"k{number}" for number in range(200)]

        def work(number: int) -> list[str]:
            # Every worker begins elsewhere, so that all keys are fought for at all times.
            order = keys[number * 6 :] + keys[: number * 6]
            return [key for key in order if fire(key, camera_id=camera.pk)]

        won = Counter(key for fired in run_apart(work, workers=WORKERS) for key in fired)

        assert won == Counter(keys)
        assert Alert.objects.count() == 200

    def test_many_keys_in_one_statement_never_block_each_other_for_good(self) -> None:
        keys = [f"k{number}" for number in range(20)]

        def work(number: int) -> int:
            wanted = keys if number % 2 else list(reversed(keys))
            with transaction.atomic():
                outcomes = claim_keys([KeyClaim(key, FIVE_MINUTES, Severity.LOW) for key in wanted])
            return sum(outcome.is_claimed for outcome in outcomes)

        assert sum(run_apart(work, workers=WORKERS)) == len(keys)

    def test_a_locked_earlier_alert_still_counts(self) -> None:
        camera = CameraFactory()
        fire("k", camera_id=camera.pk)
        is_locked, is_decided = threading.Event(), threading.Event()

        def work(number: int) -> bool:
            if number == 0:
                with transaction.atomic():
                    Alert.objects.select_for_update().get(dedup_key="k")
                    is_locked.set()
                    assert is_decided.wait(10)  # decided while the row is locked; counting it waits for the lock
                return False
            assert is_locked.wait(10)
            return fire("k", camera_id=camera.pk, decided=is_decided)

        assert not any(run_apart(work, workers=WORKERS))
        assert Alert.objects.get(dedup_key="k").suppressed_count == WORKERS - 1

    def test_a_locked_alert_whose_cooldown_is_over_lets_exactly_one_through(self) -> None:
        camera = CameraFactory()
        fire("k", camera_id=camera.pk)
        age_key("k", by=timedelta(minutes=10))

        def work(number: int) -> bool:
            if number == 0:
                with transaction.atomic():
                    Alert.objects.select_for_update().order_by("pk").first()
                return False
            return fire("k", camera_id=camera.pk)

        assert sum(run_apart(work, workers=WORKERS)) == 1
        assert Alert.objects.count() == 2

    def test_whoever_waited_for_a_rollback_fires(self) -> None:
        camera = CameraFactory()

        def work(number: int) -> bool:
            if number == 0:
                with transaction.atomic():
                    claim_key("k", cooldown=FIVE_MINUTES, severity=Severity.LOW)
                    transaction.set_rollback(True)
                return False
            return fire("k", camera_id=camera.pk)

        assert sum(run_apart(work, workers=8)) == 1


@pytest.mark.django_db
class TestCheckDuplicate:
    def test_an_alert_within_the_cooldown_is_given_with_the_time_left(self) -> None:
        alert = AlertFactory(dedup_key="k")
        age_key("k", by=timedelta(seconds=100))

        result = check_duplicate("k")

        assert result.is_duplicate
        assert result.existing_alert == alert
        assert result.existing_alert_id == alert.pk
        assert result.seconds_until_cooldown_expires in (199, 200)

    def test_the_newest_of_several_is_given(self) -> None:
        AlertFactory(dedup_key="k", created_at=datetime.now(UTC) - timedelta(seconds=60))
        newest = AlertFactory(dedup_key="k")

        assert check_duplicate("k", 300).existing_alert == newest

    @pytest.mark.parametrize("cooldown_seconds", [0, -5, 50])
    def test_outside_the_cooldown_nothing_is_a_duplicate(self, cooldown_seconds: int) -> None:
        AlertFactory(dedup_key="k", created_at=datetime.now(UTC) - timedelta(seconds=60))

        assert check_duplicate("k", cooldown_seconds) == DedupResult(is_duplicate=False)

    def test_what_was_suppressed_starts_no_cooldown(self) -> None:
        AlertFactory(dedup_key="k", status="suppressed")

        assert not check_duplicate("k").is_duplicate

    def test_it_writes_nothing(self) -> None:
        check_duplicate("k")

        assert Cooldown.objects.count() == 0

    def test_through_the_broker_the_alert_travels_as_its_id(self) -> None:
        alert = AlertFactory(dedup_key="k")

        result: Any = loads(dumps(check_duplicate("k")))

        assert isinstance(result, DedupResult)
        assert (result.is_duplicate, result.existing_alert, result.existing_alert_id) == (True, None, alert.pk)
