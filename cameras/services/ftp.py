"""Passwords with which cameras log in to the FTP server."""

import secrets

from django.contrib.auth.hashers import make_password
from django.db import transaction

from cameras.models import Camera
from cameras.services.cameras import lock_camera
from siteadmin.core.audit import changing
from siteadmin.core.exceptions import CameraNotFoundError

ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without what looks alike, and signs that firmware spoils."""
LENGTH = 16
"""The most that much firmware takes; 92 bits."""


def make_ftp_password(camera_id: str) -> str:
    """Give a camera a new FTP password, which is known only now; the old one ends. Raises CameraNotFoundError."""
    password = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    _set(camera_id, encoded=make_password(password), action="make_ftp_password")
    return password


def remove_ftp_password(camera_id: str) -> None:
    """Take a camera's FTP password away, so that it cannot log in; raises CameraNotFoundError."""
    _set(camera_id, encoded="", action="remove_ftp_password")


def _set(camera_id: str, *, encoded: str, action: str) -> None:
    with transaction.atomic(), changing(lock_camera(camera_id), action=action):
        if not Camera.objects.set_ftp_password(camera_id, encoded=encoded):
            raise CameraNotFoundError(camera_id)
