"""Query parameters of the lists of cameras and snapshots."""

from cameras.choices import CameraStatus, SnapshotState, Trigger
from cameras.repositories import CameraQuerySet
from siteadmin.core.filters import InstantFilter, MultiValueFilter, StrictFilterSet, TextFilter


class CameraFilter(StrictFilterSet):
    """`status`, exactly; `q`, part of a name or an id."""

    status = MultiValueFilter(choices=CameraStatus.choices)
    q = TextFilter(method="search")

    def search(self, cameras: CameraQuerySet, name: str, value: str) -> CameraQuerySet:
        """Keep the cameras whose name or id contains the text, whatever its case."""
        return cameras.with_text(value)


class DetectionLimitFilter(StrictFilterSet):
    """By camera and object type."""

    camera = MultiValueFilter(field_name="camera_id")
    object_type = MultiValueFilter(field_name="object_type")


class UnassignedUploadFilter(StrictFilterSet):
    """By folder, exactly."""

    folder = MultiValueFilter(field_name="folder")


class SnapshotFilter(StrictFilterSet):
    """By camera, state, trigger and time of capture."""

    camera = MultiValueFilter(field_name="camera_id")
    state = MultiValueFilter(choices=SnapshotState.choices)
    trigger = MultiValueFilter(choices=Trigger.choices)
    captured_after = InstantFilter(field_name="captured_at", lookup_expr="gte")
    captured_before = InstantFilter(field_name="captured_at", lookup_expr="lt")

    ranges = [("captured_after", "captured_before")]
