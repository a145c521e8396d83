"""`manage.py create_api_key`."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from siteadmin.core.keys import hash_key
from siteadmin.core.models import ApiKey
from tests.factories import CameraFactory

pytestmark = pytest.mark.django_db


def run(*args: str) -> list[str]:
    out = StringIO()
    call_command("create_api_key", *args, stdout=out)
    return out.getvalue().splitlines()


def test_the_key_stands_alone_on_the_last_line() -> None:
    key = run("phone", "--role", "viewer")[-1]

    entity = ApiKey.objects.get(name="phone")
    assert entity.key_hash == hash_key(key)
    assert (entity.role, entity.camera_ids, entity.expires_at) == ("viewer", [], None)


def test_a_key_may_be_limited_to_cameras_and_days() -> None:
    CameraFactory(id="front_door")
    CameraFactory(id="garden")

    run("cam", "--role", "uploader", "--camera", "garden", "--camera", "front_door", "--expires-days", "7")

    entity = ApiKey.objects.get(name="cam")
    assert entity.camera_ids == ["front_door", "garden"]
    assert entity.expires_at is not None
    assert abs(entity.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)


@pytest.mark.parametrize("deleted_at", [None, timezone.now()])
def test_an_unknown_or_deleted_camera_is_named_and_no_key_is_made(deleted_at: Any) -> None:
    CameraFactory(id="front_door")
    if deleted_at:
        CameraFactory(id="attic", deleted_at=deleted_at)

    with pytest.raises(CommandError, match="attic"):
        run("cam", "--role", "uploader", "--camera", "front_door", "--camera", "attic")
    assert not ApiKey.objects.exists()


def test_a_taken_name_is_refused() -> None:
    run("phone", "--role", "viewer")

    with pytest.raises(CommandError, match="phone"):
        run("phone", "--role", "admin")


@pytest.mark.parametrize(
    "args",
    [
        ("", "--role", "viewer"),
        ("x" * 101, "--role", "viewer"),
        ("a\nb", "--role", "viewer"),
        ("ok", "--role", "king"),
        ("ok",),
        ("ok", "--role", "viewer", "--expires-days", "0"),
        ("ok", "--role", "viewer", "--expires-days", "99999999999"),
        ("ok", "--role", "viewer", "--expires-days", "soon"),
    ],
)
def test_bad_arguments_are_refused(args: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*args)
    assert not ApiKey.objects.exists()
