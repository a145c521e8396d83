"""Clips: what is taken, what is refused, and that a bad one harms nobody."""

import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import pytest

from cameras.choices import MediaType, SnapshotState
from cameras.ingest import clips
from cameras.ingest.clips import ClipTooSlowError, probe_clip, read_frames, suffix_of_clip
from cameras.ingest.decode import UndecodableError
from cameras.models import Snapshot, UnassignedUpload
from cameras.results import IntakeOutcome
from cameras.services import accept_picture, accept_upload, admit_upload, assign_folder
from siteadmin.core import media
from tests.cameras.clips import make_clip
from tests.cameras.pictures import drop
from tests.factories import CameraFactory

WITHIN = timedelta(seconds=30)


@pytest.fixture
def root(settings: Any) -> Path:
    return Path(settings.CAMERA_ROOT)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    """Give a function that writes bytes to a file and opens it."""
    files: list[IO[bytes]] = []

    def write(data: bytes) -> IO[bytes]:
        path = tmp_path / f"clip{len(files)}"
        path.write_bytes(data)
        files.append(path.open("rb"))
        return files[-1]

    yield write
    for file in files:
        file.close()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_every_kind_tells_size_duration_and_codec(opened: Any, suffix: str) -> None:
    data = make_clip(seconds=5, suffix=suffix)

    facts = probe_clip(opened(data))

    assert suffix_of_clip(data[:12], name=f"a{suffix}") == suffix
    assert (facts.width, facts.height) == (320, 240)
    assert facts.duration == pytest.approx(5, abs=0.2)
    assert facts.codec


def test_frames_come_every_two_seconds_in_order(opened: Any) -> None:
    frames = list(read_frames(opened(make_clip(seconds=9)), within=WITHIN))

    assert [frame.offset for frame in frames] == pytest.approx([0, 2, 4, 6, 8], abs=0.15)
    brightness = [float(cv2.imdecode(np.frombuffer(one.data, np.uint8), cv2.IMREAD_GRAYSCALE).mean()) for one in frames]
    assert brightness == pytest.approx([20, 40, 60, 80, 100], abs=6)


def test_at_most_thirty_frames_are_read(opened: Any) -> None:
    data = make_clip(seconds=70, size=(64, 48), rate=5)
    assert len(list(read_frames(opened(data), within=WITHIN))) == 30


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_cut_clip_is_refused_or_gives_what_is_there(opened: Any, suffix: str, share: float) -> None:
    data = make_clip(seconds=6, suffix=suffix)
    file = opened(data[: int(len(data) * share)])
    try:
        probe_clip(file)
        assert len(list(read_frames(file, within=WITHIN))) <= 3
    except UndecodableError as error:
        assert str(error).startswith("The clip")


def test_clip_over_the_pixel_limit_is_refused(opened: Any, settings: Any) -> None:
    settings.MAX_IMAGE_PIXELS = 10_000
    with pytest.raises(UndecodableError, match="too large: 320 x 240"):
        probe_clip(opened(make_clip(seconds=1)))


def test_child_that_hangs_is_ended_in_time(opened: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = tmp_path / "hanging.py"
    child.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(clips.clip_child, "__file__", str(child))
    began = time.monotonic()
    with pytest.raises(ClipTooSlowError):
        list(read_frames(opened(make_clip(seconds=1)), within=timedelta(seconds=0.5)))
    assert time.monotonic() - began < 5


def test_child_that_crashes_makes_a_damaged_clip(opened: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = tmp_path / "crashing.py"
    child.write_text(f"import os\nos.kill(os.getpid(), {signal.SIGSEGV.value})\n")
    monkeypatch.setattr(clips.clip_child, "__file__", str(child))
    with pytest.raises(UndecodableError, match="damaged"):
        probe_clip(opened(make_clip(seconds=1)))


def test_playlists_are_not_opened_whatever_their_name() -> None:
    assert suffix_of_clip(b"#EXTM3U\n#EXT", name="a.mp4") is None
    assert suffix_of_clip(b"ffconcat ver", name="a.mkv") is None


@pytest.mark.django_db
def test_clip_becomes_one_snapshot_with_its_facts(root: Path) -> None:
    path = drop(root, "door/MDalarm_20260314_215800.mkv", make_clip(seconds=5, suffix=".mkv"))

    result = accept_upload(path)

    snapshot = Snapshot.objects.get_by_id(result.snapshot_id)
    assert result.outcome is IntakeOutcome.STORED
    assert snapshot is not None
    assert (snapshot.media_type, snapshot.state) == (MediaType.VIDEO, SnapshotState.RECEIVED)
    assert (snapshot.width, snapshot.height) == (320, 240)
    assert snapshot.duration_seconds == pytest.approx(5, abs=0.2)
    assert snapshot.file.endswith(".mkv")
    assert not path.exists()


@pytest.mark.django_db
def test_same_clip_again_adds_nothing(root: Path) -> None:
    data = make_clip(seconds=1)
    accept_upload(drop(root, "door/a.mp4", data))
    assert accept_upload(drop(root, "door/a.mp4", data)).outcome is IntakeOutcome.DUPLICATE
    assert Snapshot.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty"), (b"not a clip at all", "not a clip"), (make_clip(seconds=2)[:300], "damaged or cut off")],
)
def test_clip_that_does_not_open_waits_and_then_fails_with_the_reason(root: Path, data: bytes, reason: str) -> None:
    path = drop(root, "door/a.mp4", data)
    assert accept_upload(path, final=False).outcome is IntakeOutcome.UNDECIDED
    assert path.exists()

    result = accept_upload(path)

    snapshot = Snapshot.objects.get_all()[0]
    assert (result.outcome, snapshot.state) == (IntakeOutcome.FAILED, SnapshotState.FAILED)
    assert reason in snapshot.error
    assert media.exists(snapshot.file)


@pytest.mark.django_db
def test_clip_over_the_size_limit_is_kept_aside(root: Path, settings: Any) -> None:
    settings.MAX_CLIP_BYTES = 1000
    accept_upload(drop(root, "door/a.mp4", make_clip(seconds=2)))
    snapshot = Snapshot.objects.get_all()[0]
    assert "too large" in snapshot.error
    assert media.exists(snapshot.file)


@pytest.mark.django_db
def test_clip_sent_by_http_is_taken_like_one_in_a_folder() -> None:
    result = accept_picture(make_clip(seconds=1), camera=CameraFactory(), name="a.mp4")
    snapshot = Snapshot.objects.get_by_id(result.snapshot_id)
    assert snapshot is not None
    assert snapshot.media_type == MediaType.VIDEO


@pytest.mark.django_db
def test_clip_is_played_by_range(root: Path, key_client: Any) -> None:
    data = make_clip(seconds=1)
    result = accept_upload(drop(root, "door/a.mp4", data))

    answer = key_client("viewer").get(f"/api/snapshots/{result.snapshot_id}/image", HTTP_RANGE="bytes=10-19")

    assert (answer.status_code, answer["Content-Type"]) == (206, "video/mp4")
    assert answer["Content-Range"] == f"bytes 10-19/{len(data)}"
    assert b"".join(answer.streaming_content) == data[10:20]


@pytest.mark.django_db
def test_admin_page_of_a_clip_has_a_player(root: Path, client: Any, admin_user: Any) -> None:
    result = accept_upload(drop(root, "door/a.mp4", make_clip(seconds=1)))
    client.force_login(admin_user)
    page = client.get(f"/admin/cameras/snapshot/{result.snapshot_id}/change/").content.decode()
    assert f'<video controls preload="metadata" src="/api/snapshots/{result.snapshot_id}/image"' in page


def test_child_cannot_write_files(opened: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written = tmp_path / "written"
    child = tmp_path / "writing.py"
    folder = str(Path(clips.clip_child.__file__).parent)
    child.write_text(
        f"import pathlib, sys\nsys.path.insert(0, {folder!r})\nimport clip_child\nclip_child.limit_self()\n"
        f"pathlib.Path({str(written)!r}).write_bytes(b'x')\n"
    )
    monkeypatch.setattr(clips.clip_child, "__file__", str(child))
    with pytest.raises(UndecodableError, match="damaged"):
        probe_clip(opened(make_clip(seconds=1)))
    assert written.read_bytes() == b""


@pytest.mark.django_db
def test_clip_of_no_camera_goes_to_the_camera_that_is_made(root: Path, settings: Any) -> None:
    settings.AUTO_CREATE_CAMERAS = False
    path = drop(root, "new/a.mp4", make_clip(seconds=1))
    assert accept_upload(path).outcome is IntakeOutcome.UNASSIGNED

    camera = assign_folder(UnassignedUpload.objects.get(), create={})
    admit_upload(UnassignedUpload.objects.get().pk)

    assert (Snapshot.objects.get().camera, Snapshot.objects.get().media_type) == (camera, MediaType.VIDEO)


@pytest.mark.django_db
def test_large_clip_of_no_camera_stays_in_its_folder(root: Path, settings: Any) -> None:
    settings.AUTO_CREATE_CAMERAS, settings.MAX_UPLOAD_BYTES = False, 1000
    path = drop(root, "new/a.mp4", make_clip(seconds=1))
    assert accept_upload(path).outcome is IntakeOutcome.IGNORED
    assert path.exists()
    CameraFactory(id="new", folder_path="new")
    assert accept_upload(path).outcome is IntakeOutcome.STORED
