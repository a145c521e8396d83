"""Which detector looks at the pictures: the setting `DETECTOR` names one of ours, or a class by dotted path.

A camera may name another one that is configured; ours are `opencv`, `onnx` (with `ONNX_MODEL`) and `http` (with
`DETECTOR_URL`).
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from cameras.detector_choice import configured_detectors, missing_setting
from events.detectors.base import Detector
from events.exceptions import ModelNotUsableError
from siteadmin.core.exceptions import DetectorUnavailableError

DETECTORS = {
    "opencv": "events.detectors.opencv.OpenCvDetector",
    "onnx": "events.detectors.onnx.OnnxDetector",
    "http": "events.detectors.http.HttpDetector",
}


def get_detector(name: str = "") -> Detector:
    """Give this detector, or the site's, made once a process; DetectorUnavailableError where it is not configured."""
    name = name or settings.DETECTOR
    if name not in configured_detectors():
        raise DetectorUnavailableError(f"The detector '{name}' is not configured")
    return _make(name)


def check_setting() -> None:
    """Raise ImproperlyConfigured where `DETECTOR` names no detector; ours are believed without importing them."""
    if settings.DETECTOR not in DETECTORS:
        _load(settings.DETECTOR)
        return
    missing = missing_setting(settings.DETECTOR)
    if missing:
        raise ImproperlyConfigured(f"DETECTOR is {settings.DETECTOR}, which needs {missing}")


def problem_of(name: str) -> str:
    """Say why a detector that is configured cannot run, empty where nothing speaks against it."""
    if name != "onnx" or name not in configured_detectors():
        return ""
    files = [path for path in (settings.ONNX_MODEL, settings.ONNX_LABELS) if path is not None]
    return _problem_of_model(tuple((path, *_stamp(path)) for path in files), settings.ONNX_DEVICE)


def breaker_of(name: str) -> str:
    """Give the name of the breaker before a detector."""
    return f"detector:{name if name in DETECTORS else getattr(_load(name), 'name', name)}"


@lru_cache(maxsize=8)
def _problem_of_model(files: tuple[Any, ...], device: str) -> str:
    """Open the configured model once as long as its files stay as they are, which is what the arguments say."""
    # Whoever has no model does not wait for the runtime to be loaded.
    open_model = import_string("events.detectors.onnx.open_configured")
    try:
        open_model()
    except ModelNotUsableError as error:
        return error.message
    return ""


def _stamp(path: Path) -> tuple[int, int]:
    try:
        state = Path(path).stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


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
