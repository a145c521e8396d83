"""The dashboard's page without a browser."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from siteadmin.core import heartbeat
from tests.factories import (
    AlertFactory,
    CameraFactory,
    DeliveryFactory,
    EventFactory,
    SnapshotFactory,
    UserFactory,
)

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


def test_pictures_in_no_cameras_folder_are_told_of(admin_client: Client) -> None:
    heartbeat.note_watcher(left={"loose": 3, ".idx": 2})

    page = " ".join(admin_client.get("/").content.decode().split())

    assert "Pictures in no camera's folder" in page
    assert '<span class="sa-badge sa-high">3</span>' in page
    assert "<b>2</b> .idx</span>" in page


@pytest.mark.parametrize(
    ("label", "make"),
    [
        ("alerts to acknowledge", lambda waits: AlertFactory(status="delivered" if waits else "dismissed")),
        ("Pictures waiting for detection", lambda waits: SnapshotFactory(due_at=timezone.now() if waits else None)),
        ("Events waiting for the rules", lambda waits: EventFactory(due_at=timezone.now() if waits else None)),
        ("Deliveries waiting", lambda waits: DeliveryFactory(due_at=timezone.now() if waits else None)),
    ],
)
def test_a_count_leads_to_the_rows_that_it_counts(admin_client: Client, label: str, make: Any) -> None:
    row, _ = make(True), make(False)
    page = " ".join(admin_client.get("/").content.decode().split())

    address = page.split(label)[0].rsplit('href="', 1)[1].split('"')[0]
    listed = admin_client.get(address).context["cl"].queryset

    assert [one.pk for one in listed] == [row.pk]


def test_demo_that_is_over_is_said_to_be_over(admin_client: Client) -> None:
    CameraFactory(demo=True)
    assert "Two demo cameras send drawn pictures" in admin_client.get("/").content.decode()

    SnapshotFactory()

    page = admin_client.get("/").content.decode()
    assert "The demo is over" in page
    assert "Remove the demo" in page


def test_address_that_leads_nowhere_gives_a_page_with_a_way_back(client: Client) -> None:
    answer = client.get("/nowhere")

    assert answer.status_code == 404
    assert '<a href="/">' in answer.content.decode()


def test_somebody_who_is_no_staff_is_sent_to_the_login() -> None:
    client = Client()
    client.force_login(UserFactory(is_staff=False))

    assert client.get("/").status_code == 302
