"""The folder that all cameras upload into."""

import tempfile
from pathlib import Path


def camera_root_problem(root: Path) -> str:
    """Say what is wrong with the camera root, or nothing; a missing one is made."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        return "the camera root is a file, not a folder"
    except OSError as error:
        return f"the camera root cannot be made ({error.strerror})"
    try:
        # Rights alone do not tell: root has them all, also where the file system takes nothing.
        with tempfile.TemporaryFile(dir=root, prefix="."):
            pass
    except OSError as error:
        return f"the camera root is not writable ({error.strerror})"
    return ""
