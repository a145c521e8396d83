"""Which detectors this site has, by its settings; a camera may choose among them."""

from django.conf import settings
from django.core.exceptions import ValidationError

NEEDS = {"opencv": "", "onnx": "ONNX_MODEL", "http": "DETECTOR_URL"}
"""The setting without which a detector has nothing to run."""


def missing_setting(name: str) -> str:
    """Give the setting that a detector of ours still needs; empty where it can run."""
    needed = NEEDS.get(name, "")
    return needed if needed and not getattr(settings, needed) else ""


def configured_detectors() -> list[str]:
    """Give the names of the detectors that can be asked, the site's own first."""
    ours = [name for name in NEEDS if not missing_setting(name)]
    own = [settings.DETECTOR] if settings.DETECTOR in ours or settings.DETECTOR not in NEEDS else []
    return list(dict.fromkeys([*own, *ours]))


def validate_detector(value: str) -> None:
    """Refuse a detector that is not configured."""
    if value and value not in configured_detectors():
        raise ValidationError(
            f"Configured detectors are {', '.join(configured_detectors())}.", code="detector_not_configured"
        )
