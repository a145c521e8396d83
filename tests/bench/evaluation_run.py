"""The measuring itself; runs with Django set up, in a test database."""

import json
import statistics
import time

from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.models import Alert
from alerts.services.evaluation import evaluate_event
from tests.alerts.connections import run_apart
from tests.alerts.judging import waiting_event
from tests.factories import AlertRuleFactory, CameraFactory

RULES = 200
HOLDING = 10
ROUNDS = 50
WORKERS = 8
EVENTS = 1_000
Figures = dict[str, float | int | str]


def main(which: str) -> None:
    """Measure and print the figures as JSON."""
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        figures = one_event() if which == "one" else storm(is_one_key=which == "one key")
    finally:
        connection.close()
        connection.close_pool()
        connection.creation.destroy_test_db(str(connection.settings_dict["NAME"]), verbosity=0)
    print(json.dumps(figures))


def one_event() -> Figures:
    """Judge events one after the other: ten rules fire, and again with nothing new; and events for which none holds."""
    for number in range(RULES):
        wanted = ["person"] if number < HOLDING else ["car"]
        AlertRuleFactory(object_types=wanted, min_confidence=0.1, cooldown_seconds=0)
    firing, again, quiet, queries = [], [], [], []
    for measure in [_milliseconds] * (ROUNDS + 1) + [_count_queries]:
        event, nothing = waiting_event("person"), waiting_event("cat")
        seen = [measure(event.pk)]
        type(event).objects.wait_again(event.pk)
        seen += [measure(event.pk), measure(nothing.pk)]
        for figures, figure in zip((firing, again, quiet), seen, strict=True):
            (queries if measure is _count_queries else figures).append(figure)
    assert Alert.objects.count() == HOLDING * (ROUNDS + 2)
    # The first round reads and parses the rules; whoever changes one pays that for this one.
    return {
        "rules": RULES,
        "p50 ms, ten fire": statistics.median(firing[1:]),
        "p50 ms, none holds": statistics.median(quiet[1:]),
        "p50 ms, nothing new": statistics.median(again[1:]),
        "max ms": max(firing[1:] + quiet[1:] + again[1:]),
        "first ms, rules not yet read": firing[0],
        # All of them: the claim, one that reads all, what is written, the release; BEGIN and COMMIT are none.
        "queries, ten fire": queries[0],
        "queries, none holds": queries[2],
        "queries, nothing new": queries[1],
    }


def storm(*, is_one_key: bool) -> Figures:
    """Let workers with connections of their own judge many events at once."""
    AlertRuleFactory(dedup_key_template="all" if is_one_key else "{camera_id}", cooldown_seconds=3600)
    camera = CameraFactory() if is_one_key else None
    waiting = [waiting_event(camera=camera or CameraFactory()).pk for _ in range(EVENTS)]
    connection.close()

    def work(number: int) -> float:
        for event_id in waiting[number::WORKERS]:
            evaluate_event(event_id)
        return time.perf_counter()

    began = time.perf_counter()
    seconds = max(run_apart(work, workers=WORKERS)) - began
    alerts = Alert.objects.count()
    assert alerts == (1 if is_one_key else EVENTS)
    return {"workers": WORKERS, "evaluations": EVENTS, "alerts": alerts, "evaluations/s": EVENTS / seconds}


def _milliseconds(event_id: int) -> float:
    began = time.perf_counter()
    evaluate_event(event_id)
    return (time.perf_counter() - began) * 1000


def _count_queries(event_id: int) -> int:
    with CaptureQueriesContext(connection) as captured:
        evaluate_event(event_id)
    return sum(query["sql"] not in ("BEGIN", "COMMIT") for query in captured.captured_queries)
