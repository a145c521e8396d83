"""API keys on the admin's pages: shown once, told apart, revoked."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from cameras.services import delete_camera
from siteadmin.core.models import ApiKey
from tests.factories import CameraFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/core/apikey/"


@pytest.fixture
def boss() -> Client:
    client = Client()
    client.force_login(UserFactory(is_superuser=True))
    return client


def make(boss: Client, **fields: Any) -> str:
    """Make a key on the page and give its text, which the page that follows shows."""
    form = {"name": "gate", "role": "viewer", **fields}
    page = boss.post(reverse("admin:core_apikey_add"), form, follow=True).content.decode()
    found = re.search(r"The key is (sa_\S+) -", page)
    assert found is not None, page
    return found[1]


def status_of(key: str) -> int:
    return Client().get("/api/cameras", headers={"authorization": f"Bearer {key}"}).status_code


def test_a_key_is_shown_once_and_stored_as_a_hash(boss: Client) -> None:
    key = make(boss)

    assert status_of(key) == 200
    assert key not in boss.get(LIST).content.decode()
    assert key not in str(ApiKey.objects.values_list())


def test_the_list_tells_keys_apart_and_when_each_was_used(boss: Client) -> None:
    CameraFactory(id="porch")
    key = make(boss, camera_ids=["porch"], expires_at_0="2090-01-01", expires_at_1="00:00:00")
    assert ApiKey.objects.get(name="gate").last_used_at is None
    status_of(key)

    row = boss.get(LIST).content.decode()

    assert key.split("_")[1] in row
    assert "porch" in row
    assert "2090" in row
    assert ApiKey.objects.get(name="gate").last_used_at is not None


def test_a_revoked_key_lets_nobody_in_and_stays_to_be_seen(boss: Client) -> None:
    key = make(boss)

    boss.post(LIST, {"action": "revoke", "_selected_action": [ApiKey.objects.get(name="gate").pk]})

    assert status_of(key) == 401
    assert "gate" in boss.get(LIST).content.decode()


def test_who_is_no_admin_makes_none(client_as: Any) -> None:
    assert client_as("operator").get(reverse("admin:core_apikey_add")).status_code == 403


def test_a_key_of_a_camera_that_is_gone_stays_limited_to_it_when_it_is_saved(boss: Client) -> None:
    camera = CameraFactory(id="porch")
    make(boss, camera_ids=["porch"])
    delete_camera(camera.pk)
    key = ApiKey.objects.get(name="gate")
    address = reverse("admin:core_apikey_change", args=[key.pk])
    form = boss.get(address).context["adminform"].form
    chosen = [option for option in form["camera_ids"].value() if option in dict(form.fields["camera_ids"].choices)]

    boss.post(address, {"name": "gate 2", "role": "viewer", "camera_ids": chosen})

    key.refresh_from_db()
    assert (key.name, key.camera_ids) == ("gate 2", ["porch"])
