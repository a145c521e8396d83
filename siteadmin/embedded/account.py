"""Under which account the embedded servers run, and how it reaches their programs.

PostgreSQL refuses to run as root, so root hands the servers to an unprivileged account. That account
may be barred from the checkout (a clone under /root). Its working directory is set before the rights
are dropped and the servers name their data by `/proc/self/cwd`, so the data needs no open path; programs
that cannot be reached are copied once to /var/cache/siteadmin, which root alone may write.
"""

import ctypes
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siteadmin.embedded.errors import EmbeddedError

CACHE = Path("/var/cache/siteadmin")
CANDIDATES = ("postgres", "nobody")
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group ids a server runs with."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether running as this account means giving up root."""
        return self.uid != os.geteuid()

    def popen_options(self) -> dict[str, Any]:
        """Give the `subprocess` arguments that switch to this account."""
        if not self.is_other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def become(self) -> None:
        """Drop this process's rights to the account's, for good."""
        if self.is_other:
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)

    def own(self, path: Path) -> None:
        """Give a file, or a whole tree that belongs to somebody else, to this account."""
        if not self.is_other or path.stat().st_uid == self.uid:
            return
        for folder, _, files in os.walk(path):
            for name in files:
                os.chown(Path(folder) / name, self.uid, self.gid, follow_symlinks=False)
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)
        os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_for(data: Path) -> Account:
    """Give the account for a data directory: ourselves, or for root the directory's owner or a known account."""
    if os.geteuid() != 0:
        if data.exists() and data.stat().st_uid != os.geteuid():
            raise EmbeddedError(f"{data} belongs to another user; run as that user or set SITEADMIN_VAR")
        return Account(os.geteuid(), os.getegid())
    entries = {entry.pw_uid: entry for entry in pwd.getpwall()}
    if data.exists() and (owner := entries.get(data.stat().st_uid)) is not None and owner.pw_uid != 0:
        return Account(owner.pw_uid, owner.pw_gid)
    by_name = {entry.pw_name: entry for entry in entries.values()}
    for name in CANDIDATES:
        if name in by_name:
            return Account(by_name[name].pw_uid, by_name[name].pw_gid)
    raise EmbeddedError("PostgreSQL does not run as root, and there is no account postgres or nobody to run it as")


def reachable_program(root: Path, program: str, *, parts: Sequence[str], account: Account) -> Path:
    """Give the path of a program below `root` that the account can run, copying `parts` of the tree if needed.

    The first part is a file whose content names the copy.
    """
    original = root / program
    if not account.is_other or _runs(original, account):
        return original
    digest = hashlib.sha256(repr(sorted(parts)).encode())
    digest.update((root / parts[0]).read_bytes())
    target = CACHE / f"{Path(parts[0]).name}-{digest.hexdigest()[:16]}"
    if not target.exists():
        _copy(root, target, parts=parts)
    if not _runs(target / program, account):
        raise EmbeddedError(f"no account but root can run {original} or its copy {target / program}")
    return target / program


def _runs(program: Path, account: Account) -> bool:
    try:
        subprocess.run(
            [program, "--version"], capture_output=True, check=True, cwd="/", timeout=60, **account.popen_options()
        )
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


def _copy(root: Path, target: Path, *, parts: Sequence[str]) -> None:
    CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    if CACHE.stat().st_uid != 0:
        raise EmbeddedError(f"{CACHE} does not belong to root; remove it")
    scratch = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        for part in parts:
            (scratch / part).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (root / part).is_dir() else shutil.copy2
            copy(root / part, scratch / part)
        for path in [scratch, *scratch.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        try:
            scratch.rename(target)
        except OSError:  # another process was first; its copy is the same
            if not target.exists():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def die_with_parent(signum: signal.Signals) -> None:
    """Ask the kernel for this signal when the parent dies (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
