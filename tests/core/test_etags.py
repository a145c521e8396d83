"""ETags of single rows: what is known is not sent again."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.factories import AlertFactory, CameraFactory, ZoneFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(key_client: Callable[..., APIClient]) -> APIClient:
    return key_client("viewer")


def address_of(kind: str) -> str:
    if kind == "camera":
        return f"/api/cameras/{CameraFactory().pk}"
    if kind == "zone":
        zone = ZoneFactory()
        return f"/api/cameras/{zone.camera_id}/zones/{zone.pk}"
    return f"/api/alerts/{AlertFactory().pk}"


@pytest.mark.parametrize("kind", ["camera", "zone", "alert"])
def test_what_is_known_as_it_is_answers_304_without_a_body(viewer: APIClient, kind: str) -> None:
    address = address_of(kind)
    first = viewer.get(address)

    again = viewer.get(address, HTTP_IF_NONE_MATCH=f'"other", W/{first["ETag"]}')

    assert (again.status_code, again.content) == (304, b"")
    assert (again["ETag"], again["Cache-Control"]) == (first["ETag"], "private, no-cache")


def test_what_changed_is_sent_whole(viewer: APIClient) -> None:
    camera = CameraFactory(status="online")
    first = viewer.get(f"/api/cameras/{camera.pk}")
    camera.status = "offline"
    camera.save()

    again = viewer.get(f"/api/cameras/{camera.pk}", HTTP_IF_NONE_MATCH=first["ETag"])

    assert again.status_code == 200
    assert again.json()["status"] == "offline"
    assert again["ETag"] != first["ETag"]


def test_other_fields_are_another_representation(viewer: APIClient) -> None:
    address = address_of("camera")

    assert viewer.get(f"{address}?fields=id")["ETag"] != viewer.get(address)["ETag"]


def test_the_browsable_page_is_never_taken_for_known(client_as: Callable[[str], APIClient]) -> None:
    client, address = client_as("viewer"), address_of("camera")

    page: Any = client.get(address, HTTP_ACCEPT="text/html", HTTP_IF_NONE_MATCH=client.get(address)["ETag"])

    assert page.status_code == 200
    assert "ETag" not in page


def test_any_etag_is_known_where_any_will_do(viewer: APIClient) -> None:
    assert viewer.get(address_of("camera"), HTTP_IF_NONE_MATCH="*").status_code == 304
