"""What must hold before the product starts."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from events.detectors import registry


@register("events")
def check_detector_models(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Find out whether the configured model can be used at all."""
    problem = registry.problem_of("onnx")
    if not problem:
        return []
    return [Error(f"{problem}.", hint="Set ONNX_MODEL to a detection model, or leave it out.", id="events.E001")]
