"""Roles add up, and what belongs to a camera one may not see is not there."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission
from rest_framework.test import APIClient

from siteadmin.core.groups import sync_groups
from siteadmin.core.models import DeadLetter
from siteadmin.core.permissions import STAFF_ROLES, role_of
from siteadmin.core.roles import Role
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_api")]

KeyClient = Callable[..., APIClient]


@pytest.fixture
def letter() -> DeadLetter:
    return DeadLetter.objects.create(DeadLetter(queue="front_door", task="t", subject="s"))


@pytest.mark.parametrize(
    ("role", "reads", "notes", "writes"),
    [
        ("uploader", 403, 403, 403),
        ("viewer", 200, 403, 403),
        ("reviewer", 200, 200, 403),
        ("operator", 200, 200, 201),
        ("admin", 200, 200, 201),
    ],
)
def test_each_role_does_what_it_may(
    key_client: KeyClient, letter: DeadLetter, role: str, reads: int, notes: int, writes: int
) -> None:
    client = key_client(role)

    assert client.get("/api/letters").status_code == reads
    assert client.post(f"/api/letters/{letter.pk}/note").status_code == notes
    body = {"queue": "front_door", "task": "t", "subject": "other"}
    assert client.post("/api/letters", body, format="json").status_code == writes


@pytest.mark.parametrize(("role", "status"), [("uploader", 202), ("viewer", 403), ("reviewer", 403), ("operator", 202)])
def test_uploading_needs_a_role_that_includes_it(key_client: KeyClient, role: str, status: int) -> None:
    assert key_client(role).post("/api/uploads", {}, format="json").status_code == status


def test_a_refusal_names_the_role_that_is_needed(key_client: KeyClient, letter: DeadLetter) -> None:
    body = key_client("viewer").post(f"/api/letters/{letter.pk}/note").json()

    assert body["code"] == "ACCESS_DENIED"
    assert "reviewer" in body["detail"]


def test_an_action_that_no_role_is_named_for_is_refused_even_to_admins(
    key_client: KeyClient, letter: DeadLetter
) -> None:
    assert key_client("admin").post(f"/api/letters/{letter.pk}/unmapped").status_code == 403


def test_somebody_with_too_low_a_role_gets_405_for_a_method_that_nobody_has(key_client: KeyClient) -> None:
    assert key_client("viewer").delete("/api/letters").status_code == 405


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_what_belongs_to_another_camera_is_404_on_every_verb(
    key_client: KeyClient, letter: DeadLetter, method: str
) -> None:
    client = key_client("operator", cameras=("garden",))

    response = getattr(client, method)(f"/api/letters/{letter.pk}")

    assert response.status_code == 404
    assert response.json()["code"] == "DEAD_LETTER_NOT_FOUND"
    assert DeadLetter.objects.exists(letter.pk)


def test_lists_show_the_rows_of_ones_own_cameras(key_client: KeyClient, letter: DeadLetter) -> None:
    assert key_client("viewer", cameras=("garden",)).get("/api/letters").json()["results"] == []
    assert len(key_client("viewer", cameras=("front_door", "x")).get("/api/letters").json()["results"]) == 1
    assert len(key_client("viewer").get("/api/letters").json()["results"]) == 1


def test_what_belongs_to_no_camera_is_hidden_from_who_is_limited_to_cameras(
    key_client: KeyClient, letter: DeadLetter
) -> None:
    limited = key_client("operator", cameras=("front_door",))

    assert limited.get("/api/hidden").json()["results"] == []
    assert limited.get(f"/api/hidden/{letter.pk}").status_code == 404
    assert limited.post("/api/hidden", {"queue": "q", "task": "t", "subject": "s"}, format="json").status_code == 403
    assert key_client("operator").get(f"/api/hidden/{letter.pk}").status_code == 200


@pytest.mark.parametrize("text", ["abc", "0", "-1", "1.5", "9223372036854775808", "9" * 40, "%00", "١"])
def test_an_id_that_nothing_can_have_is_the_404_of_its_kind(key_client: KeyClient, text: str) -> None:
    response = key_client("viewer").get(f"/api/letters/{text}")

    assert response.status_code == 404
    assert response.json()["code"] == "DEAD_LETTER_NOT_FOUND"


@pytest.mark.parametrize("path", ["/api/letters", "/api/letters/", "/api", "/api/"])
def test_addresses_answer_with_and_without_a_slash(key_client: KeyClient, path: str) -> None:
    assert key_client("viewer").get(path).status_code == 200


def test_the_root_lists_the_resources(key_client: KeyClient) -> None:
    assert key_client("viewer").get("/api/").json()["letters"] == "http://testserver/api/letters"


def test_one_row_is_created_changed_and_deleted(key_client: KeyClient) -> None:
    client = key_client("operator")
    created = client.post("/api/letters", {"queue": "q", "task": "t", "subject": "s"}, format="json")
    address = f"/api/letters/{created.json()['id']}"

    assert created.status_code == 201
    assert client.patch(address, {"error": "boom"}, format="json").json()["error"] == "boom"
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], Role.VIEWER),
        (["viewer", "operator"], Role.OPERATOR),
        (["reviewer", "friends"], Role.REVIEWER),
        (["admin"], Role.ADMIN),
        (["uploader"], Role.VIEWER),
    ],
)
def test_a_person_has_the_highest_role_of_their_groups(rf: Any, groups: list[str], expected: Role) -> None:
    request = rf.get("/")
    request.user = UserFactory()
    request.user.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in groups))

    assert role_of(request) is expected


def test_superusers_are_admins_and_others_are_nobody(rf: Any) -> None:
    request = rf.get("/")

    for user, expected in (
        (UserFactory(is_superuser=True), Role.ADMIN),
        (UserFactory(is_staff=False, role="admin"), None),
        (UserFactory(is_active=False, role="admin"), None),
        (AnonymousUser(), None),
    ):
        request.user = user
        assert role_of(request) is expected


def test_every_role_of_people_has_a_group() -> None:
    sync_groups()

    assert set(Group.objects.values_list("name", flat=True)) >= {role.value for role in STAFF_ROLES}


def test_groups_get_permissions_that_add_up_and_a_second_run_adds_nothing() -> None:
    first = sync_groups()
    before = set(Permission.group_set.through.objects.values_list("group_id", "permission_id"))

    assert sync_groups() == first
    assert set(Permission.group_set.through.objects.values_list("group_id", "permission_id")) == before
    assert first["viewer"] < first["reviewer"] < first["operator"] < first["admin"] == Permission.objects.count()


def test_viewers_may_change_nothing_in_the_admin_site() -> None:
    sync_groups()

    codenames = Group.objects.get(name="viewer").permissions.values_list("codename", flat=True)
    assert codenames
    assert all(name.startswith("view_") for name in codenames)
