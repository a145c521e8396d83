"""Passwords with which cameras log in to the FTP server."""

import secrets

from django.contrib.auth.hashers import make_password

from cameras.models import Camera
from siteadmin.core.exceptions import CameraNotFoundError

ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without what looks alike, and signs that firmware spoils."""
LENGTH = 16
"""The most that much firmware takes; 92 bits."""


def make_ftp_password(camera_id: str) -> str:
    """Give a camera a new FTP password, which is known only now; the old one ends. Raises CameraNotFoundError."""
    password = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    if not Camera.objects.set_ftp_password(camera_id, encoded=make_password(password)):
        raise CameraNotFoundError(camera_id)
    return password


def remove_ftp_password(camera_id: str) -> None:
    """Take a camera's FTP password away, so that it cannot log in; raises CameraNotFoundError."""
    if not Camera.objects.set_ftp_password(camera_id, encoded=""):
        raise CameraNotFoundError(camera_id)
