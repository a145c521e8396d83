"""The dashboard's page without a browser."""

from typing import Any

import pytest
from django.test import Client

from siteadmin.core import heartbeat
from tests.factories import CameraFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(UserFactory(is_superuser=True))
    return client


def test_every_camera_leads_to_its_page_whatever_its_id(admin_client: Client) -> None:
    CameraFactory(id="gate_22", name="Gate")  # the admin takes _22 for a quoted sign

    page: Any = admin_client.get("/").content.decode()
    address = page.split("Gate</strong>")[0].rsplit('href="', 1)[1].split('"')[0]

    assert admin_client.get(address).status_code == 200


def test_files_that_were_passed_over_are_counted_by_kind(admin_client: Client) -> None:
    heartbeat.note_watcher(left={".idx": 2, ".dav": 13})

    page = " ".join(admin_client.get("/").content.decode().split())

    assert "<b>13</b> .dav, <b>2</b> .idx" in page


def test_somebody_who_is_no_staff_is_sent_to_the_login() -> None:
    client = Client()
    client.force_login(UserFactory(is_staff=False))

    assert client.get("/").status_code == 302
