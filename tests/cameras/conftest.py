"""Fixtures for the FTP server: a camera with a password, and a client that is logged in as it."""

import ftplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest.ftp import session
from cameras.services import make_ftp_password
from tests.cameras.ftp import log_in, serving
from tests.factories import CameraFactory


@pytest.fixture
def ftp_password(settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the password of the camera `gate`; wrong ones are answered at once, and any space on the disk is enough."""
    monkeypatch.setattr(session.Session, "auth_failed_timeout", 0.01)
    settings.FTP_MIN_FREE_BYTES = 0
    CameraFactory(id="gate", folder_path="site/gate")
    return make_ftp_password("gate")


@pytest.fixture
def home(settings: Any) -> Path:
    """Give the folder of the camera `gate`."""
    return Path(settings.CAMERA_ROOT, "site/gate")


@pytest.fixture
def ftp_server(ftp_password: str) -> Iterator[Any]:
    """Give a running server."""
    with serving() as running:
        yield running


@pytest.fixture
def ftp(ftp_server: Any, ftp_password: str) -> Iterator[ftplib.FTP]:
    """Give a client that is logged in as the camera `gate`."""
    made = log_in(ftp_server, "gate", ftp_password)
    yield made
    made.close()
