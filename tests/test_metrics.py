"""`/metrics`: who may read it, what it says, and that it asks the database for little."""

import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from cameras.models import Snapshot
from siteadmin.core.models import BreakerState
from siteadmin.core.rates import parse_rates
from tests.factories import CameraFactory, DeliveryFactory, EventFactory, SnapshotFactory, UserFactory
from tests.query_counts import assert_query_count

pytestmark = pytest.mark.django_db

Keys = Callable[..., APIClient]


def read(client: Any) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Give all samples by name and labels."""
    response = client.get("/metrics")
    assert response.status_code == 200, response.content
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(response.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def value(found: Any, name: str, **labels: str) -> float:
    return float(found.get(name, {}).get(tuple(sorted(labels.items())), 0.0))


@pytest.mark.parametrize(
    ("role", "cameras", "status"), [("viewer", (), 200), ("uploader", (), 403), ("admin", ("porch",), 404)]
)
def test_a_key_of_a_viewer_who_sees_all_reads_them(
    key_client: Keys, role: str, cameras: tuple[str, ...], status: int
) -> None:
    assert key_client(role, cameras=cameras).get("/metrics").status_code == status


def test_nobody_reads_them_and_a_session_does(client_as: Any) -> None:
    refused = Client().get("/metrics")

    assert refused.status_code == 401
    assert "WWW-Authenticate" in refused
    assert client_as("viewer").get("/metrics")["Content-Type"].startswith("text/plain")


def test_requests_are_counted_by_route_and_status_whatever_strangers_ask_for(key_client: Keys) -> None:
    client = key_client("viewer")
    labels = {"method": "GET", "route": "problems/<slug:code>/"}
    before = read(client)

    for path in ("/problems/not-found/", "/problems/one/", "/problems/two/"):
        client.get(path)
    after = read(client)

    name = "siteadmin_http_requests_total"
    assert value(after, name, status="404", **labels) - value(before, name, status="404", **labels) == 2
    assert value(after, name, status="200", **labels) - value(before, name, status="200", **labels) == 1
    assert value(after, "siteadmin_http_request_seconds_count", **labels) > 0


def test_refused_and_uncounted_requests_are_counted(key_client: Keys, settings: Any) -> None:
    client = key_client("viewer")
    before = read(client)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    settings.THROTTLES = {**settings.THROTTLES, "strangers": parse_rates("1/minute")}
    assert [Client().get("/api/events").status_code for _ in range(2)] == [401, 429]
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    assert Client().get("/api/events").status_code == 401
    after = read(client)

    for name in ("siteadmin_throttled_requests_total", "siteadmin_uncounted_requests_total"):
        assert value(after, name, scope="strangers") - value(before, name, scope="strangers") == 1
    assert (value(after, "siteadmin_up", part="redis"), value(after, "siteadmin_up", part="database")) == (0, 1)


def test_it_tells_what_waits_and_for_how_long(key_client: Keys) -> None:
    due = timezone.now() - timedelta(minutes=5)
    DeliveryFactory(due_at=due)
    SnapshotFactory(state="received", due_at=due)
    EventFactory(camera=CameraFactory(id="porch"), risk_score=90, started_at=timezone.now())
    EventFactory(camera_id="porch", risk_score=90, started_at=timezone.now() - timedelta(hours=2))
    BreakerState(name="channel:5:secret.example", failures=9, open_until=timezone.now() + timedelta(hours=1)).save()

    found = read(key_client("viewer"))

    assert value(found, "siteadmin_waiting_rows", step="alerts.deliver") == 1
    assert 299 < value(found, "siteadmin_oldest_due_seconds", step="alerts.deliver") < 330
    assert value(found, "siteadmin_waiting_pictures", state="received") == 1
    assert value(found, "siteadmin_recent_events", camera="porch", level="critical") == 1
    assert value(found, "siteadmin_breaker_state", breaker="channel:5") == 2
    assert "secret.example" not in str(found)


def test_a_step_that_ends_is_counted_by_its_state(key_client: Keys, django_capture_on_commit_callbacks: Any) -> None:
    client = key_client("viewer")
    snapshot = SnapshotFactory(state="received", due_at=timezone.now() - timedelta(seconds=1))
    token = Snapshot.objects.claim(snapshot.pk, lease=timedelta(minutes=1))
    assert token is not None
    labels = {"kind": "snapshot", "state": "detected"}
    before = value(read(client), "siteadmin_settled_rows_total", **labels)

    with django_capture_on_commit_callbacks(execute=True):
        Snapshot.objects.finish(snapshot.pk, token=token, state="detected")

    assert value(read(client), "siteadmin_settled_rows_total", **labels) == before + 1


def test_reading_them_asks_the_database_a_fixed_number_of_questions(key_client: Keys) -> None:
    client = key_client("viewer")
    client.get("/metrics")
    for _ in range(3):
        EventFactory(started_at=timezone.now())
        UserFactory()

    with assert_query_count("metrics"):
        client.get("/metrics")
