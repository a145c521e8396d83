"""Taking in a file or a whole tree now, an archive for instance."""

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from cameras.ingest.tree import TreeFile, files_of_tree
from cameras.models import Camera
from cameras.results import IntakeOutcome, IntakeResult
from cameras.services import accept_upload, find_or_create_camera, parts_below_root

TOLD = {
    IntakeOutcome.STORED: "taken in",
    IntakeOutcome.DUPLICATE: "known before",
    IntakeOutcome.FAILED: "failed",
    IntakeOutcome.UNDECIDED: "still changing",
    IntakeOutcome.IGNORED: "left alone",
    IntakeOutcome.GONE: "gone",
    IntakeOutcome.UNASSIGNED: "waiting for a camera",
}


class Command(BaseCommand):
    help = "Take in one file or a whole tree now. The source is copied and never changed; twice adds nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("path", type=Path, help="A picture, a camera's folder, or a folder of such folders.")
        parser.add_argument("--camera", metavar="ID", help="The camera of all pictures; default: by their folders.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Take in and print a summary."""
        path: Path = options["path"].absolute()
        if not path.exists():
            raise CommandError(f"{options['path']} does not exist")
        camera = self._camera(options["camera"]) if options["camera"] else None
        counts: Counter[str] = Counter()
        try:
            files = list(files_of_tree(path, is_camera_folder=True if camera else self._is_known(path)))
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be read: {error.strerror}") from error
        with tqdm(files, unit="file", file=self.stderr) as progress:
            for file in progress:
                if not file.is_taken:
                    counts["passed over"] += 1
                    continue
                result = self._take(file, camera)
                counts[TOLD[result.outcome]] += 1
                if result.reason and result.outcome is not IntakeOutcome.DUPLICATE:
                    progress.write(f"{file.path}: {result.reason}", file=self.stderr)
        told = [f"{counts[word]} {word}" for word in ("taken in", "known before", "failed")]
        told += [f"{counts[word]} {word}" for word in sorted(counts) if f"{counts[word]} {word}" not in told]
        self.stdout.write(", ".join(told))

    def _camera(self, camera_id: str) -> Camera:
        camera = Camera.objects.get_active(camera_id)
        if camera is None:
            raise CommandError(f"There is no camera '{camera_id}'")
        return camera

    def _is_known(self, path: Path) -> bool | None:
        return True if path.is_dir() and Camera.objects.get_by_folder_path(path.name) else None

    def _take(self, file: TreeFile, camera: Camera | None) -> IntakeResult:
        if camera is None and len(parts_below_root(file.path)) > 1:
            return accept_upload(file.path, keep_original=True, live=False)
        owner = camera or find_or_create_camera([file.folder])[0]
        return accept_upload(file.path, camera=owner, name=file.name, keep_original=True, live=False)
