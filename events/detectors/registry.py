"""Which detector looks at the pictures: the setting `DETECTOR` names one of ours, or a class by dotted path."""

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from events.detectors.base import Detector

DETECTORS = {"opencv": "events.detectors.opencv.OpenCvDetector"}


def get_detector() -> Detector:
    """Give the configured detector, made once a process."""
    return _make(settings.DETECTOR)


def check_setting() -> None:
    """Raise ImproperlyConfigured where `DETECTOR` names no detector; ours are believed without importing them."""
    if settings.DETECTOR not in DETECTORS:
        _load(settings.DETECTOR)


@cache
def _make(name: str) -> Detector:
    detector: Detector = _load(name)()
    return detector


def _load(name: str) -> type[Detector]:
    try:
        made = import_string(DETECTORS.get(name, name))
    except ImportError as error:
        known = ", ".join(sorted(DETECTORS))
        raise ImproperlyConfigured(f"DETECTOR takes {known} or the dotted path of a class, not {name!r}") from error
    if not callable(getattr(made, "detect", None)):
        raise ImproperlyConfigured(f"DETECTOR names {name!r}, which has no method detect")
    loaded: type[Detector] = made
    return loaded
