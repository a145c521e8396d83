"""Which processes serve a data directory; a pid in a file is never believed on its own."""

import os
import subprocess
import sys
from pathlib import Path

from siteadmin.embedded.state import identity


def serving(data: Path, *, programs: frozenset[str], hint: int | None) -> dict[int, int]:
    """Give pid and parent's pid of every such program whose working directory is `data`.

    Where there is no /proc, the hinted pid counts if it runs one of the programs.
    """
    if sys.platform != "linux":
        return _by_hint(hint, programs=programs)
    try:
        wanted = identity(data)
    except FileNotFoundError:
        return {}
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            program = (entry / "exe").readlink().name.removesuffix(" (deleted)")
            if program in programs and identity(entry / "cwd") == wanted:
                found[int(entry.name)] = _parent(entry)
        except OSError:  # it ended meanwhile, or it is not ours to look at
            continue
    return found


def is_alive(pid: int) -> bool:
    """Whether a process has this pid and is more than the remains of one that ended."""
    try:
        if sys.platform != "linux":
            os.kill(pid, 0)
            return True
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def _parent(entry: Path) -> int:
    return int((entry / "stat").read_text().rpartition(")")[2].split()[1])


def _by_hint(hint: int | None, *, programs: frozenset[str]) -> dict[int, int]:
    if hint is None:
        return {}
    shown = subprocess.run(
        ["ps", "-o", "ppid=,comm=", "-p", str(hint)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    if len(shown) == 2 and Path(shown[1].strip()).name in programs:
        return {hint: int(shown[0])}
    return {}
