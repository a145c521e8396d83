"""The folder that all cameras upload into."""

import os
from pathlib import Path


def camera_root_problem(root: Path) -> str:
    """Say what is wrong with the camera root, or nothing; a missing one is made."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        return "the camera root is a file, not a folder"
    except OSError as error:
        return f"the camera root cannot be made ({error.strerror})"
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK) or _is_read_only(root):
        return "the camera root is not writable"
    return ""


def _is_read_only(root: Path) -> bool:
    # Root may write by its rights alone where the file system may not.
    return bool(os.statvfs(root).f_flag & os.ST_RDONLY)
