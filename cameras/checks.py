"""What must hold before the product starts."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from cameras.ingest.root import camera_root_problem


@register("cameras")
def check_camera_root(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Find out whether pictures can arrive at all."""
    problem = camera_root_problem(settings.CAMERA_ROOT)
    if not problem:
        return []
    return [
        Error(
            f"CAMERA_ROOT is {settings.CAMERA_ROOT}: {problem}.",
            hint="Set CAMERA_ROOT to a folder that the product may write to.",
            id="cameras.E001",
        )
    ]
