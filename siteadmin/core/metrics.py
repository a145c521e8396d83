"""What is counted as it happens, in every process; `/metrics` adds up what all of them counted.

prometheus_client keeps each process's values in a file of its own below METRICS_ROOT, so counting costs microseconds
and neither Redis nor the database. The counters begin anew with each start of the site, which Prometheus expects.
Every metric has labels: one without would make a file in whatever process only loads this module.
"""

import os
from pathlib import Path

from django.conf import settings

os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(settings.METRICS_ROOT))
Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)

from prometheus_client import Counter, Histogram  # noqa: E402 - it looks at the variable as it is loaded

REQUEST_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
TASK_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

REQUESTS = Counter("siteadmin_http_requests", "Requests answered.", ["method", "route", "status"])
REQUEST_LATENCY = Histogram(
    "siteadmin_http_request_seconds", "From the first middleware to the answer.", ["method", "route"],
    buckets=REQUEST_SECONDS,
)  # fmt: skip
THROTTLED = Counter("siteadmin_throttled_requests", "Requests refused as one too many.", ["scope"])
UNCOUNTED = Counter(
    "siteadmin_uncounted_requests", "Requests let through since Redis did not answer the throttle.", ["scope"]
)
TASK_WAIT = Histogram(
    "siteadmin_task_wait_seconds", "From the message to the worker that took it.", ["task"], buckets=TASK_SECONDS
)
TASK_LATENCY = Histogram(
    "siteadmin_task_seconds", "From the start of a task to its end.", ["task", "state"], buckets=TASK_SECONDS
)
SETTLED = Counter("siteadmin_settled_rows", "Rows that ended a step, by the state they ended it in.", ["kind", "state"])
PICTURES = Counter("siteadmin_pictures_received", "Pictures and clips stored, by their first state.", ["state"])
DELIVERIES = Counter(
    "siteadmin_delivery_attempts", "Attempts of deliveries by what came of them.", ["channel", "kind", "outcome"]
)
