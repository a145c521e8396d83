"""`make bench`: each benchmark in turn, printed as a table and written to var/bench.json."""

import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from tests.bench.delivery import deliveries_to_loopback
from tests.bench.evaluation import one_event_against_200_rules, workers_on_many_keys, workers_on_one_key
from tests.bench.intake import backlog_instant, backlog_opencv, bulk_detections, intake
from tests.bench.latency import built_in_detector, picture_to_webhook_instant, picture_to_webhook_opencv
from tests.bench.reads import reading
from tests.bench.storm import ten_thousand_events_in_a_minute
from tests.bench.stream import idle_listeners
from tests.product import ROOT

Figures = dict[str, float | int | str]
BENCHMARKS: dict[str, Callable[[], Figures]] = {
    "detector alone, 768x576": built_in_detector,
    "evaluation, one event against 200 rules": one_event_against_200_rules,
    "evaluation, 8 workers on one key": workers_on_one_key,
    "evaluation, 8 workers on 1,000 keys": workers_on_many_keys,
    "reads, a long history": reading,
    "stream, idle listeners": idle_listeners,
    "delivery, webhooks to loopback": deliveries_to_loopback,
    "intake, instant detector": intake,
    "backlog at the start, instant detector": backlog_instant,
    "backlog at the start, built-in detector": backlog_opencv,
    "grouping, 100,000 bulk detections": bulk_detections,
    "storm, 10,000 events in a minute": ten_thousand_events_in_a_minute,
    "picture to webhook, instant detector": picture_to_webhook_instant,
    "picture to webhook, built-in detector": picture_to_webhook_opencv,
}


def main(wanted: list[str]) -> None:
    """Run the benchmarks whose name has one of these words, or all."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteadmin.settings.test")  # the detector reads its limits there
    results: dict[str, Figures] = {}
    for name, benchmark in BENCHMARKS.items():
        if wanted and not any(word in name for word in wanted):
            continue
        print(f"{name} ...", flush=True)
        results[name] = benchmark()
        for figure, value in results[name].items():
            print(f"  {figure:<28} {value:>12,.1f}" if isinstance(value, float) else f"  {figure:<28} {value:>12}")
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "results": results,
    }
    target = ROOT / "var" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
