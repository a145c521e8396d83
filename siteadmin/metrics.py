"""`/metrics`: what all processes counted, and how the site stands now, for Prometheus.

What is asked of the database is bounded: counts of waiting rows stop at COUNT_LIMIT and use their partial indexes, and
events are those that began within the last hour.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.views import APIView

from cameras.models import Camera, Snapshot
from events.models import Event
from siteadmin.core.breaker import Position, state_of
from siteadmin.core.exceptions import NotFoundError
from siteadmin.core.models import BreakerState, DeadLetter
from siteadmin.core.negotiation import AnyAnswerNegotiation
from siteadmin.core.permissions import RolePermission, camera_access
from siteadmin.core.pipeline import Step
from siteadmin.core.roles import Role
from siteadmin.core.sweeper import WAITING

COUNT_LIMIT = 100_000
RECENT = timedelta(hours=1)
REDIS_SECONDS = 0.5
POSITIONS = {Position.CLOSED: 0, Position.HALF_OPEN: 1, Position.OPEN: 2}


class SiteCollector(Collector):
    """How the site stands at this moment; what does not answer is told as down, and the rest all the same."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the gauges."""
        up = GaugeMetricFamily("siteadmin_up", "Whether this part answers.", labels=["part"])
        for part, ask, errors in (("database", _of_database, DatabaseError), ("redis", _of_redis, RedisError)):
            try:
                found = list(ask())
            except (errors, OSError):
                found = []
                up.add_metric([part], 0)
            else:
                up.add_metric([part], 1)
            yield from found
        yield up


def _of_database() -> Iterator[GaugeMetricFamily]:
    waiting = GaugeMetricFamily(
        "siteadmin_waiting_rows", f"Rows that wait for a step or are at it, up to {COUNT_LIMIT}.", labels=["step"]
    )
    oldest = GaugeMetricFamily(
        "siteadmin_oldest_due_seconds", "How long the row that waits longest has been due.", labels=["step"]
    )
    for step, repository in WAITING.items():
        waiting.add_metric([step.value], repository.waiting_count(up_to=COUNT_LIMIT))
        oldest.add_metric([step.value], repository.oldest_due().total_seconds())
    yield from (waiting, oldest)
    yield _by_label("siteadmin_waiting_pictures", "Pictures that wait or are looked at.", "state", _pictures())
    yield _by_label("siteadmin_breaker_state", "0 closed, 1 half open, 2 open.", "breaker", _breakers())
    yield _by_label("siteadmin_cameras", "Cameras by how they are.", "status", Camera.objects.count_by_status())
    yield _by_label("siteadmin_dead_letters", "Work that failed for good and waits for a decision.", "state",
                    [("dead", DeadLetter.objects.open_count())])  # fmt: skip
    events = GaugeMetricFamily(
        "siteadmin_recent_events", "Events that began within the last hour.", labels=["camera", "level"]
    )
    for camera, level, count in Event.objects.count_by_camera(Event.objects.visible(), since=timezone.now() - RECENT):
        events.add_metric([camera, level or "none"], count)
    yield events


def _of_redis() -> Iterator[GaugeMetricFamily]:
    client = Redis.from_url(settings.REDIS_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)
    with client, client.pipeline(transaction=False) as pipeline:
        queues = [*(step.queue for step in Step), settings.CELERY_TASK_DEFAULT_QUEUE]
        for queue in queues:
            pipeline.llen(queue)
        lengths = pipeline.execute()
    yield _by_label(
        "siteadmin_queued_messages", "Messages that wait in the broker.", "queue", zip(queues, lengths, strict=True)
    )


def _pictures() -> Iterable[tuple[str, int]]:
    return Snapshot.objects.waiting_by_state(up_to=COUNT_LIMIT)


def _breakers() -> Iterator[tuple[str, int]]:
    """Name breakers by what they stand before, such as `channel:5`; a target's own address stays out."""
    for row in BreakerState.objects.get_all():
        yield ":".join(row.pk.split(":")[:2]), POSITIONS[state_of(row.pk).position]


def _by_label(name: str, text: str, label: str, found: Iterable[tuple[str, int]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in found:
        family.add_metric([value], number)
    return family


@extend_schema(exclude=True)
class MetricsView(APIView):
    """Metrics in Prometheus' text form, by session or key."""

    permission_classes = [RolePermission]
    required_roles: ClassVar = {"get": Role.VIEWER}
    content_negotiation_class = AnyAnswerNegotiation

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Give all of them; they belong to no camera."""
        if camera_access(request).camera_ids is not None:
            raise NotFoundError(message="This belongs to no camera, and you are limited to some cameras")
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(SiteCollector())
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
