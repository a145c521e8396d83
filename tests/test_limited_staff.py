"""Members of staff who are limited to some cameras: every admin page, the dashboard, choices, actions, by URL."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from alerts.models import Alert
from cameras.access import CameraAccess, for_user
from cameras.models import Camera, CameraFolder, CameraStatusChange, StaffCameras, Zone
from cameras.services import limit_staff
from events.api.views import DetectViewSet
from events.models import Analysis, CameraSearch, Enrichment, Event
from siteadmin.api import router
from siteadmin.core.admin import BaseAdmin, BaseInline
from siteadmin.core.groups import sync_groups
from tests.factories import CameraFactory, ChannelFactory, DeliveryFactory, UserFactory
from tests.test_api_roles import HIDDEN, OWN, ids_of

pytestmark = pytest.mark.django_db

Clients = Callable[[str], Client]
ADMINS: dict[Any, Any] = admin.site._registry
OF_CAMERAS = [model for model in ADMINS if getattr(model, "camera_path", None)]
OF_NONE = [model for model in ADMINS if not getattr(model, "camera_path", None)]


def label(model: Any) -> str:
    return str(model._meta.label_lower)


def page(model: Any, name: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


@pytest.fixture
def limited() -> Clients:
    """Give a function that makes a client of somebody with this role who may see one camera."""
    sync_groups()

    def make(role: str) -> Client:
        user = UserFactory(role=role)
        limit_staff(user.pk, camera_ids=[OWN])
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def rows() -> dict[str, dict[str, Any]]:
    """Make one row of everything for each of two cameras."""
    made = {}
    for camera_id in (OWN, HIDDEN):
        camera = CameraFactory(id=camera_id, folder_path=camera_id, name=f"The {camera_id}")
        made[camera_id] = ids_of(camera)
        for row in (
            CameraStatusChange(camera=camera, status="offline"),
            CameraFolder(camera=camera, folder_path=f"{camera_id}/further"),
            CameraSearch(camera=camera, name=camera.name),
            Analysis(event_id=made[camera_id]["event.pk"]),
            Enrichment(detection_id=made[camera_id]["detection.pk"], service="face"),
        ):
            row.save()
    return made


def test_every_admin_page_narrows_in_one_place() -> None:
    for page_admin in ADMINS.values():
        bases = [base for base in type(page_admin).__mro__ if issubclass(base, BaseAdmin)]
        assert [base for base in bases if "get_queryset" in vars(base)] == [BaseAdmin], page_admin
        assert all(issubclass(inline, BaseInline) for inline in page_admin.inlines), page_admin


def test_the_api_and_the_admin_follow_the_same_path_to_the_camera() -> None:
    for _, viewset, name in router.registry:
        if viewset is DetectViewSet:  # looks at any file of any camera, and shows no row
            continue
        queryset = viewset.queryset
        model = viewset.serializer_class.Meta.model if queryset is None else queryset.model
        assert viewset.camera_lookup == getattr(model, "camera_path", None), name


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_no_list_shows_a_row_or_a_choice_of_another_camera(limited: Clients, rows: Any, role: str) -> None:
    client = limited(role)

    for model in OF_CAMERAS:
        response = client.get(page(model, "changelist"))
        assert response.status_code in (200, 403), label(model)  # some lists take more than a viewer
        assert HIDDEN not in response.content.decode(), label(model)


def test_a_hidden_row_has_no_page_whatever_its_address(limited: Clients, rows: Any) -> None:
    client = limited("admin")

    for model in OF_CAMERAS:
        hidden = model._default_manager.filter(**{model.camera_path: HIDDEN}).first()
        assert hidden is not None, f"the test makes no {label(model)}"
        for name in ("change", "delete", "history"):
            as_missing = client.get(page(model, name, "987654321")).status_code
            address = page(model, name, quote(hidden.pk))
            assert client.get(address).status_code == as_missing, f"{label(model)} {name}"
            assert client.post(address, {"post": "yes"}).status_code in (302, 403), f"{label(model)} {name}"
        assert model._default_manager.filter(pk=hidden.pk).exists(), label(model)


def test_ones_own_row_has_its_page_and_names_no_other_camera(limited: Clients, rows: Any) -> None:
    client = limited("admin")

    for model in OF_CAMERAS:
        own = model._default_manager.filter(**{model.camera_path: OWN}).first()
        response = client.get(page(model, "change", quote(own.pk)))
        assert response.status_code == 200, label(model)
        assert HIDDEN not in response.content.decode(), label(model)


def test_what_belongs_to_no_camera_is_closed(limited: Clients, rows: Any) -> None:
    client = limited("admin")

    for model in OF_NONE:
        assert client.get(page(model, "changelist")).status_code == 403, label(model)
        assert client.get(page(model, "add")).status_code == 403, label(model)
        some = model._default_manager.first()
        if some is not None:
            for response in (client.get(address := page(model, "change", quote(some.pk))), client.post(address, {})):
                assert response.status_code == 403, label(model)


def test_the_side_bar_and_the_index_lead_nowhere_closed(limited: Clients, rows: Any) -> None:
    client = limited("admin")

    shown = client.get("/admin/").content.decode()

    assert page(Event, "changelist") in shown
    assert [label(model) for model in OF_NONE if page(model, "changelist") in shown] == []


def test_an_action_reaches_no_hidden_row(limited: Clients, rows: dict[str, dict[str, Any]]) -> None:
    events = [rows[camera]["event.pk"] for camera in (OWN, HIDDEN)]

    limited("operator").post(page(Event, "changelist"), {"action": "mark_reviewed", "_selected_action": events})

    assert [Event.objects.get(pk=pk).reviewed for pk in events] == [True, False]


def test_choices_offer_and_take_no_hidden_camera(limited: Clients, rows: dict[str, dict[str, Any]]) -> None:
    client = limited("operator")
    form = {"name": "Drive", "zone_type": "driveway", "coordinates": "[[0,0],[1,0],[1,1]]", "color": "#aabbcc"}

    search = {"app_label": "cameras", "model_name": "zone", "field_name": "camera", "term": "camera"}
    offered = client.get(reverse("admin:autocomplete"), search).json()["results"]
    refused = client.post(page(Zone, "add"), form | {"priority": 1, "camera": HIDDEN})
    taken = client.post(page(Zone, "add"), form | {"priority": 1, "camera": OWN})

    assert [choice["id"] for choice in offered] == [OWN]
    assert (refused.status_code, taken.status_code) == (200, 302)
    assert list(Zone.objects.filter(name="Drive").values_list("camera_id", flat=True)) == [OWN]


def test_a_row_for_all_cameras_is_nothing_that_somebody_limited_may_make(limited: Clients, rows: Any) -> None:
    form = {"object_type": "bird", "ignored": "on", "min_confidence": "0.5"}
    client, address = limited("operator"), reverse("admin:cameras_detectionlimit_add")

    assert client.post(address, form).status_code == 200
    assert client.post(address, form | {"camera": OWN}).status_code == 302


def test_nobody_limited_makes_cameras_or_silences_them(limited: Clients, rows: dict[str, dict[str, Any]]) -> None:
    client = limited("operator")
    silence = {"action": "silence_cameras", "_selected_action": [OWN]}

    assert client.get(page(Camera, "add")).status_code == 403
    assert client.post(page(Camera, "changelist"), silence).status_code == 403


def test_the_dashboard_shows_ones_own_cameras_and_nothing_that_belongs_to_none(
    limited: Clients, rows: dict[str, dict[str, Any]]
) -> None:
    inbox = ChannelFactory(kind="inbox")
    for camera in (OWN, HIDDEN):
        DeliveryFactory(
            alert=Alert.objects.get(pk=rows[camera]["alert.pk"]), channel=inbox, state="delivered", due_at=None
        )
    client = limited("operator")

    whole = client.get("/").content.decode()
    panels = {name: client.get(f"/panels/{name}/") for name in ("numbers", "cameras", "events", "inbox")}

    assert f"The {OWN}" in whole
    assert HIDDEN not in whole
    assert all(HIDDEN not in panel.content.decode() for panel in panels.values())
    assert [client.get(f"/panels/{name}/").status_code for name in ("mode", "pipeline")] == [404, 404]
    assert 'id="panel-mode"' not in whole
    assert 'id="panel-pipeline"' not in whole


def test_pages_act_on_no_hidden_alert_and_on_nothing_of_all_cameras(
    limited: Clients, rows: dict[str, dict[str, Any]]
) -> None:
    client = limited("operator")

    for step in ("acknowledge", "snooze"):
        client.post(f"/inbox/{rows[HIDDEN]['alert.pk']}/{step}/")
    assert Alert.objects.get(pk=rows[HIDDEN]["alert.pk"]).status == "pending"
    client.post(f"/inbox/{rows[OWN]['alert.pk']}/acknowledge/")
    assert Alert.objects.get(pk=rows[OWN]["alert.pk"]).status == "acknowledged"
    assert client.post(f"/modes/{rows[HIDDEN]['mode.pk']}/activate/").status_code == 403
    assert client.post("/demo/remove/").status_code == 403
    assert client.post(f"/admin/alerts/alertrule/{rows[OWN]['alert-rule.pk']}/preview/").status_code == 404
    upload = rows[OWN]["unassigned-upload.pk"]
    assert client.post(f"/admin/cameras/unassignedupload/{upload}/assign/").status_code == 403


def test_an_admin_limits_a_user_on_their_page_and_lifts_it_again(rows: Any) -> None:
    user: User = UserFactory(role="viewer")
    boss = Client()
    boss.force_login(UserFactory(is_superuser=True))
    address = reverse("admin:auth_user_change", args=[user.pk])
    form = {"username": user.username, "is_active": "on", "is_staff": "on", "date_joined_0": "2026-01-01",
            "date_joined_1": "00:00:00"}  # fmt: skip
    form["groups"] = Group.objects.get(name="viewer").pk  # type: ignore[assignment]

    none = boss.post(address, form | {"sees": "some"})
    superuser = boss.post(address, form | {"sees": "some", "cameras": [OWN], "is_superuser": "on"})
    assert (none.status_code, superuser.status_code) == (200, 200)
    assert "Choose at least one camera" in none.content.decode()
    assert "A superuser sees everything" in superuser.content.decode()

    assert boss.post(address, form | {"sees": "some", "cameras": [OWN]}).status_code == 302
    assert StaffCameras.objects.ids_of(user.pk) == {OWN}
    assert OWN in boss.get(reverse("admin:auth_user_changelist")).content.decode()
    assert boss.post(address, form | {"sees": "all"}).status_code == 302
    assert StaffCameras.objects.ids_of(user.pk) is None


def test_a_camera_that_goes_for_good_leaves_its_watchers_limited(rows: Any) -> None:
    user = UserFactory(role="viewer")
    limit_staff(user.pk, camera_ids=[OWN])

    Camera.objects.filter(pk=OWN).delete()

    assert for_user(User.objects.get(pk=user.pk)) == CameraAccess(frozenset({OWN}))


def test_a_superuser_is_never_limited() -> None:
    user = UserFactory(is_superuser=True)
    limit_staff(user.pk, camera_ids=[OWN])

    assert not for_user(User.objects.get(pk=user.pk)).is_limited
