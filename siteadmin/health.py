"""Probes for whoever watches the process: alive, and ready to serve."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from cameras.ingest.root import camera_root_problem


@login_not_required
@csrf_exempt  # nothing is written: another method is a 405, not a forged form
@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process can answer at all."""
    return JsonResponse({"status": "alive"})


@login_not_required
@csrf_exempt
@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when everything a request needs is there, else 503 and what is missing."""
    missing = {
        name: reason
        for name, reason in (
            ("database", database_problem()),
            ("cache", cache_problem()),
            ("storage", storage_problem()),
        )
        if reason
    }
    status = "not ready" if missing else "ready"
    return JsonResponse({"status": status, "missing": missing}, status=503 if missing else 200)


def database_problem() -> str:
    """Say what is wrong with the database, or nothing."""
    try:
        executor = MigrationExecutor(connection)
        return "migrations are missing" if executor.migration_plan(executor.loader.graph.leaf_nodes()) else ""
    except DatabaseError:
        return "PostgreSQL does not answer"


def cache_problem() -> str:
    """Say what is wrong with Redis, or nothing."""
    try:
        cache.get("ready")
    except (RedisError, OSError):
        return "Redis does not answer"
    return ""


def storage_problem() -> str:
    """Say what is wrong with the folder of the uploads, or nothing."""
    return camera_root_problem(settings.CAMERA_ROOT)
