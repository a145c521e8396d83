"""Every page of the admin site that writes leaves its entry: who, what, before and after."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client, RequestFactory
from django.urls import reverse

from cameras import services
from cameras.models import Camera, Zone
from events.services import review
from siteadmin.core.models import AuditEntry
from tests.audit.admin_cases import ELSEWHERE, PAGES, TRIANGLE, _camera, _folder, _hidden_event, _webhook
from tests.audit.forms import filled_in
from tests.factories import AlertRuleFactory, CameraFactory, ChannelFactory, UserFactory, ZoneFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(db: None) -> Any:
    return UserFactory(username="boss", is_superuser=True)


@pytest.fixture
def client(person: Any) -> Client:
    client = Client(REMOTE_ADDR="192.0.2.9", HTTP_X_REQUEST_ID="walk-2")
    client.force_login(person)
    return client


def address(label: str, name: str, *args: Any) -> str:
    return reverse(f"admin:{label.replace('.', '_').lower()}_{name}", args=args)


def latest() -> int:
    return AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def check_entry(after: int, *, action: str, person: Any, resource_type: str | None = None) -> AuditEntry:
    entries = AuditEntry.objects.filter(pk__gt=after, action=action)
    if resource_type is not None:
        entries = entries.filter(resource_type=resource_type)
    assert entries.count() == 1, list(AuditEntry.objects.filter(pk__gt=after).values())
    entry = entries.get()
    assert (entry.actor_kind, entry.actor, entry.actor_id) == ("user", "boss", person.pk)
    assert (entry.address, entry.request_id) == ("192.0.2.9", "walk-2")
    return entry


def type_of(label: str) -> str:
    from siteadmin.core.audit import resource_type_of

    return resource_type_of(apps.get_model(label))


def test_every_page_that_writes_has_its_case(person: Any) -> None:
    request = RequestFactory().get("/admin/")
    request.user = person
    for model, page in admin.site._registry.items():
        label = model._meta.label
        actions = {*page.get_actions(request), *getattr(page, "actions_submit_line", ())}
        may = {
            "add": page.has_add_permission(request),
            "change": page.has_change_permission(request),
            "delete": page.has_delete_permission(request),
        }
        case = PAGES.get(label)
        if case is None:
            assert not actions and not any(may.values()), f"{label} writes and has no case"
            continue
        covered = {*case.actions, *case.buttons} | {name for owner, name in ELSEWHERE if owner == label}
        assert actions == covered, label
        has_change = case.change is not None or bool(case.buttons)
        assert may == {"add": case.add is not None, "change": has_change, "delete": case.deletes}, label


@pytest.mark.parametrize("label", [label for label, page in PAGES.items() if page.add is not None])
def test_adding_is_recorded(label: str, client: Client, person: Any) -> None:
    if label in ("cameras.Zone", "cameras.Mask", "alerts.Silence"):
        _camera()
    said = dict(PAGES[label].add or {})
    if label == "alerts.QuietHours":
        said["channel"] = ChannelFactory().pk
    last = latest()

    answer = client.post(address(label, "add"), filled_in(client, address(label, "add"), **said))

    assert answer.status_code == 302, answer.context and answer.context["adminform"].form.errors
    entry = check_entry(last, action="create", person=person, resource_type=type_of(label))
    assert entry.after is not None
    if label != "events.PromptVersion":
        assert entry.before is None


@pytest.mark.parametrize("label", [label for label, page in PAGES.items() if page.change is not None])
def test_changing_is_recorded_with_before_and_after(label: str, client: Client, person: Any) -> None:
    case = PAGES[label]
    page = address(label, "change", case.make().pk)
    last = latest()

    answer = client.post(page, filled_in(client, page, **(case.change or {})))

    assert answer.status_code == 302, answer.context and answer.context["adminform"].form.errors
    entry = check_entry(last, action="update", person=person, resource_type=type_of(label))
    assert entry.before is not None and entry.after is not None
    assert case.changed in entry.after
    assert entry.before[case.changed] != entry.after[case.changed]


@pytest.mark.parametrize("label", [label for label, page in PAGES.items() if page.change is not None])
def test_saving_without_a_change_leaves_no_entry(label: str, client: Client) -> None:
    page = address(label, "change", PAGES[label].make().pk)
    last = latest()

    assert client.post(page, filled_in(client, page)).status_code == 302

    assert not AuditEntry.objects.filter(pk__gt=last).exists()


@pytest.mark.parametrize("label", [label for label, page in PAGES.items() if page.deletes])
def test_deleting_is_recorded_with_what_it_was(label: str, client: Client, person: Any) -> None:
    row = PAGES[label].make()
    last = latest()

    answer = client.post(address(label, "delete", row.pk), {"post": "yes"})

    assert answer.status_code == 302
    entry = check_entry(last, action="delete", person=person, resource_type=type_of(label))
    assert entry.resource_id == str(row.pk)
    assert entry.before


@pytest.mark.parametrize(
    ("label", "name", "action"), [(label, *pair) for label, page in PAGES.items() for pair in page.actions.items()]
)
def test_actions_are_recorded(label: str, name: str, action: str, client: Client, person: Any) -> None:
    row = PAGES[label].make()
    chosen = {"action": name, "_selected_action": [row.pk], "post": "yes", **PAGES[label].along}
    if name == "assign_to_camera":
        chosen["camera"] = CameraFactory().pk
    last = latest()

    answer = client.post(address(label, "changelist"), chosen)

    assert answer.status_code in (200, 302)
    check_entry(last, action=action, person=person)


@pytest.mark.parametrize(
    ("label", "name", "action"), [(label, *pair) for label, page in PAGES.items() for pair in page.buttons.items()]
)
def test_buttons_are_recorded(label: str, name: str, action: str, client: Client, person: Any) -> None:
    page = address(label, "change", PAGES[label].make().pk)
    last = latest()
    button = f"{label.replace('.', '_').lower()}_{name}"

    answer = client.post(page, filled_in(client, page, **PAGES[label].along, **{button: "1"}))

    assert answer.status_code == 302
    check_entry(last, action=action, person=person)


def test_restoring_a_camera_is_recorded(client: Client, person: Any) -> None:
    camera = CameraFactory()
    services.delete_camera(camera.pk)

    client.post(address("cameras.Camera", "changelist"), {"action": "restore_cameras", "_selected_action": [camera.pk]})

    check_entry(0, action="restore", person=person)


def test_restoring_an_event_is_recorded(client: Client, person: Any) -> None:
    event = _hidden_event()

    page = f"{address('events.Event', 'changelist')}?deleted=yes"
    client.post(page, {"action": "restore_events", "_selected_action": [event.pk]})

    check_entry(0, action="restore", person=person)


def test_switching_a_rule_on_is_recorded(client: Client, person: Any) -> None:
    rule = AlertRuleFactory(enabled=False)

    client.post(address("alerts.AlertRule", "changelist"), {"action": "switch_on", "_selected_action": [rule.pk]})

    entry = check_entry(0, action="update", person=person)
    assert entry.after == {"enabled": True, "version": 2}


def test_a_new_secret_is_recorded_and_not_shown(client: Client, person: Any) -> None:
    channel = _webhook()

    client.post(address("alerts.Channel", "changelist"), {"action": "rotate_secrets", "_selected_action": [channel.pk]})

    entry = check_entry(0, action="rotate_secret", person=person)
    assert entry.after is not None and set(entry.after.values()) <= {"(changed)", "(hidden)", 2}


@pytest.mark.django_db(transaction=True)
def test_saving_and_testing_a_channel_is_recorded_by_the_same_person(client: Client, person: Any) -> None:
    page = address("alerts.Channel", "change", ChannelFactory().pk)

    client.post(page, filled_in(client, page, alerts_channel_save_and_test="1"))

    entry = check_entry(0, action="test", person=person)
    assert entry.resource_type == "channel"


def test_lines_of_a_cameras_page_are_recorded_each_by_itself(client: Client, person: Any) -> None:
    camera = _folder().camera
    kept, gone = ZoneFactory(camera=camera, name="kept"), ZoneFactory(camera=camera, name="gone")
    page = address("cameras.Camera", "change", camera.pk)
    sent = filled_in(client, page)
    by_name = {sent[name]: name.removesuffix("-name") for name in sent if name.endswith("-name") and sent[name]}
    sent |= {f"{by_name['kept']}-color": "#000000", f"{by_name['gone']}-DELETE": "on", "folders-0-DELETE": "on"}
    sent |= {"zones-TOTAL_FORMS": "3", "zones-2-name": "new", "zones-2-coordinates": TRIANGLE}
    sent |= {"zones-2-zone_type": "other", "zones-2-color": "#ffffff", "zones-2-priority": "0"}

    answer = client.post(page, sent)

    assert answer.status_code == 302
    assert set(Zone.objects.values_list("name", "color")) == {("kept", "#000000"), ("new", "#ffffff")}
    told = set(AuditEntry.objects.values_list("action", "resource_type", "resource", "camera_id", "actor"))
    assert told == {
        ("update", "zone", "kept", camera.pk, "boss"),
        ("delete", "zone", "gone", camera.pk, "boss"),
        ("create", "zone", "new", camera.pk, "boss"),
        ("delete", "camera_folder", "second", camera.pk, "boss"),
    }
    assert AuditEntry.objects.get(resource_id=str(kept.pk)).after == {"color": "#000000", "version": 2}
    assert not Zone.objects.filter(pk=gone.pk).exists()


def test_groups_of_a_person_are_part_of_what_is_recorded(client: Client, person: Any) -> None:
    colleague, group = UserFactory(), Group.objects.create(name="night")
    page = address("auth.User", "change", colleague.pk)

    client.post(page, filled_in(client, page, groups=[group.pk]))

    entry = check_entry(0, action="update", person=person)
    assert (entry.before, entry.after) == ({"groups": []}, {"groups": [group.pk]})


def test_anothers_password_is_recorded_as_changed(client: Client, person: Any) -> None:
    colleague = UserFactory()

    answer = client.post(
        f"/admin/auth/user/{colleague.pk}/password/",
        {"password1": "n0t-3asy-at-all", "password2": "n0t-3asy-at-all", "usable_password": "true"},
    )

    assert answer.status_code == 302
    entry = check_entry(0, action="change_password", person=person)
    assert (entry.resource_id, entry.after) == (str(colleague.pk), {"password": "(changed)"})


@pytest.mark.parametrize(
    "label",
    ["cameras.Camera", "cameras.Zone", "events.Event", "alerts.Channel", "alerts.AlertRule", "alerts.Mode",
     "alerts.Silence", "alerts.QuietHours"],
)  # fmt: skip
def test_a_page_that_is_out_of_date_overwrites_nothing(label: str, client: Client) -> None:
    case = PAGES[label]
    row = case.make()
    page = address(label, "change", row.pk)
    stale = filled_in(client, page, **(case.change or {}))
    type(row).objects.filter(pk=row.pk).update(version=7)

    answer = client.post(page, stale, follow=True)

    assert "Nothing was saved: Somebody changed this in the meantime." in answer.content.decode()
    assert not AuditEntry.objects.exists()


def test_the_trail_is_shown_to_admins_and_edited_by_nobody(client: Client) -> None:
    services.create_camera(fields={"name": "Gate"})
    services.update_camera("gate", fields={"name": "<b>Garden</b>"})
    entry = AuditEntry.objects.get(action="update")

    listed = client.get(address("core.AuditEntry", "changelist")).content.decode()
    page = client.get(address("core.AuditEntry", "change", entry.pk)).content.decode()

    assert "camera gate: &lt;b&gt;Garden&lt;/b&gt;" in listed
    assert "<td>Gate</td><td>&lt;b&gt;Garden&lt;/b&gt;</td>" in page
    assert "_save" not in page
    for name in ("add", "delete"):
        args = [] if name == "add" else [entry.pk]
        assert client.post(address("core.AuditEntry", name, *args), {"post": "yes"}).status_code == 403


def test_the_trail_is_not_for_operators(db: None) -> None:
    from siteadmin.core.groups import sync_groups

    sync_groups()
    client = Client()
    client.force_login(UserFactory(role="operator"))

    assert client.get(address("core.AuditEntry", "changelist")).status_code == 403


def test_an_events_page_and_the_service_agree(client: Client, person: Any) -> None:
    event = PAGES["events.Event"].make()

    review.update_event(event.pk, changes={"notes": "x"}, actor=person)

    assert AuditEntry.objects.get().camera_id == event.camera_id
    assert Camera.objects.count() == 1
