"""Who may log in: every camera with a password, as often as it likes, and nobody who keeps guessing."""

import hmac
import secrets
import time
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import check_password
from pyftpdlib.exceptions import AuthenticationFailed

from cameras.models import Camera

PERMISSIONS = "elawfmd"
"""Change folder, list, append, store, rename, make folders, delete; nothing is read back."""
FAILURES_OF_A_USER = 10
FAILURES_OF_AN_ADDRESS = 50
"""Many cameras may share an address behind a router, and one of them may have an old password."""
FAILURE_WINDOW = 600.0
"""Seconds that a failure counts."""
KEPT = 10_000


class Throttle:
    """Counts failed logins by key and tells who has had too many; `now` is a monotonic clock's."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()

    def note(self, key: tuple[str, ...], *, now: float) -> None:
        """Note a failure."""
        times = self._failures.setdefault(key, deque(maxlen=FAILURES_OF_AN_ADDRESS))
        times.append(now)
        self._failures.move_to_end(key)
        if len(self._failures) > KEPT:
            self._failures.popitem(last=False)

    def count(self, key: tuple[str, ...], *, now: float) -> int:
        """Give how many failures count now."""
        times = self._failures.get(key, deque())
        while times and times[0] < now - FAILURE_WINDOW:
            times.popleft()
        return len(times)

    def forget(self, key: tuple[str, ...]) -> None:
        """Forget them, after a success."""
        self._failures.pop(key, None)


class Accounts:
    """The cameras as pyftpdlib's authorizer; a camera's id is the name, its folder the home."""

    def __init__(self) -> None:
        self.throttle = Throttle()
        self._homes: dict[str, str] = {}
        # A hash is slow on purpose, and cameras log in for every picture: what it said is kept under a key of this
        # process.
        self._key = secrets.token_bytes(32)
        self._known: dict[str, tuple[str, bytes]] = {}

    def is_barred(self, address: str) -> bool:
        """Tell whether nobody may try from this address for now."""
        return self.throttle.count((address,), now=time.monotonic()) >= FAILURES_OF_AN_ADDRESS

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        """Let a camera in; raises AuthenticationFailed, and a database's errors."""
        address, now = str(handler.remote_ip), time.monotonic()
        pair = (address, username)
        if self.throttle.count(pair, now=now) >= FAILURES_OF_A_USER or self.is_barred(address):
            raise AuthenticationFailed("Too many failed logins. Try again later.")
        camera = Camera.objects.get_active(username) if "\x00" not in username else None
        home = None if camera is None or not self._is_right(camera, password) else home_of(camera)
        if home is None:
            self.throttle.note(pair, now=now)
            self.throttle.note((address,), now=now)
            raise AuthenticationFailed("Authentication failed.")
        self.throttle.forget(pair)
        self._homes[username] = home

    def is_still_welcome(self, username: str) -> bool:
        """Tell whether a camera that logged in before may go on: not deleted, the same password."""
        camera = Camera.objects.get_active(username)
        known = self._known.get(username)
        return camera is not None and known is not None and known[0] == camera.ftp_password

    def _is_right(self, camera: Camera, password: str) -> bool:
        if not camera.ftp_password:
            return False
        digest = hmac.digest(self._key, password.encode("utf-8", "surrogatepass"), "sha256")
        encoded, right = self._known.get(camera.pk, ("", b""))
        if encoded == camera.ftp_password and hmac.compare_digest(right, digest):
            return True
        if not check_password(password, camera.ftp_password):
            return False
        self._known[camera.pk] = (camera.ftp_password, digest)
        return True

    # What pyftpdlib asks for

    def get_home_dir(self, username: str) -> str:
        """Give the camera's folder."""
        return self._homes[username]

    def has_user(self, username: str) -> bool:
        """Tell whether the camera logged in before."""
        return username in self._homes

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        """Tell whether cameras may do this."""
        return perm in PERMISSIONS

    def get_perms(self, username: str) -> str:
        """Give what cameras may do."""
        return PERMISSIONS

    def get_msg_login(self, username: str) -> str:
        """Greet."""
        return "Welcome."

    def get_msg_quit(self, username: str) -> str:
        """Say goodbye."""
        return "Goodbye."

    def impersonate_user(self, username: str, password: str) -> None:
        """All files belong to the product."""

    def terminate_impersonation(self, username: str) -> None:
        """All files belong to the product."""


def home_of(camera: Camera) -> str | None:
    """Give a camera's folder, made if need be; None for one that a link leads out of the camera root."""
    root: Path = settings.CAMERA_ROOT.resolve()
    home = (root / camera.folder_path).resolve()
    if not home.is_relative_to(root) or home == root:
        return None
    home.mkdir(parents=True, exist_ok=True)
    return str(home)
