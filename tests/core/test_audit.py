"""The audit trail: what an entry says, who it names, and that nobody changes it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from django.db.models.functions import Now
from django.test import Client
from rest_framework.test import APIClient

from alerts.services.channels import create_channel, update_channel
from cameras import services
from cameras.models import Camera
from siteadmin.core import audit
from siteadmin.core.actors import ActorKind, acting_as, current_actor
from siteadmin.core.exceptions import VersionConflictError
from siteadmin.core.models import ApiKey, AuditEntry
from tests.factories import AlertRuleFactory, CameraFactory, ChannelFactory, UserFactory

pytestmark = pytest.mark.django_db


def only() -> AuditEntry:
    return AuditEntry.objects.get()


def test_a_new_row_is_recorded_whole() -> None:
    services.create_camera(fields={"name": "Front Door"})

    entry = only()
    assert (entry.action, entry.resource_type, entry.resource_id) == ("create", "camera", "front_door")
    assert (entry.resource, entry.camera_id, entry.before) == ("Front Door", "front_door", None)
    assert entry.after is not None
    assert (entry.after["folder_path"], entry.after["status"]) == ("front_door", "unknown")


def test_a_change_is_recorded_by_the_fields_that_differ() -> None:
    camera = CameraFactory(name="Gate")

    services.update_camera(camera.pk, fields={"name": "Garden", "timezone": ""})

    entry = only()
    assert (entry.before, entry.after) == ({"name": "Gate", "version": 1}, {"name": "Garden", "version": 2})


def test_what_changes_nothing_leaves_no_entry_and_no_new_version() -> None:
    camera = CameraFactory(name="Gate")

    assert services.update_camera(camera.pk, fields={"name": "Gate"}).version == 1
    assert not AuditEntry.objects.exists()


def test_a_deleted_row_is_recorded_as_it_was() -> None:
    limit = services.create_detection_limit(fields={"object_type": "cat", "min_confidence": 0.7})

    services.delete_detection_limit(limit.pk)

    entry = AuditEntry.objects.get(action="delete")
    assert (entry.resource_id, entry.after) == (str(limit.pk), None)
    assert entry.before is not None
    assert entry.before["min_confidence"] == 0.7


def test_secrets_are_said_to_be_others_and_never_shown() -> None:
    channel = create_channel(name="Hook", kind="webhook", config={"url": "https://example.com/very-secret"})
    update_channel(channel.pk, config={"url": "https://example.com/other-secret"}, secret="whsec_" + "QUJD" * 8)
    services.make_ftp_password(CameraFactory().pk)

    made, changed, password = AuditEntry.objects.order_by("pk")
    assert made.after is not None and changed.after is not None and changed.before is not None
    assert (made.after["config"], made.after["secret"], made.after["old_secret"]) == ("(hidden)", "(hidden)", "")
    assert (changed.before["config"], changed.after["config"]) == ("(hidden)", "(changed)")
    assert (changed.before["secret"], changed.after["secret"]) == ("(hidden)", "(changed)")
    assert password.after == {"ftp_password": "(changed)", "version": 2}
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(row_to_json(e)::text, '') FROM core_auditentry e")
        stored = cursor.fetchone()[0]
    assert "secret-" not in stored and "whsec_" not in stored and "-secret" not in stored


def test_many_to_many_fields_and_further_rows_are_part_of_a_state() -> None:
    channel = ChannelFactory()
    rule = AlertRuleFactory(channels=[channel])

    state = audit.state_of(rule)

    assert (state["channels"], state["escalation"]) == ([channel.pk], [])


def test_nobody_in_sight_is_the_site_itself() -> None:
    assert current_actor().kind == ActorKind.SYSTEM
    services.create_camera(fields={"name": "Gate"})
    assert (only().actor_kind, only().actor, only().address, only().request_id) == ("system", "", None, "")


def test_a_member_of_staff_is_named_with_address_and_request(client_as: Callable[[str], APIClient]) -> None:
    client = client_as("operator")

    client.post("/api/cameras", {"name": "Gate"}, REMOTE_ADDR="192.0.2.7", HTTP_X_REQUEST_ID="req-1")

    entry = only()
    assert (entry.actor_kind, entry.address, entry.request_id) == ("user", "192.0.2.7", "req-1")
    assert entry.actor.startswith("person") and entry.actor_id is not None


def test_a_key_is_named(key_client: Callable[..., APIClient]) -> None:
    client = key_client("operator")

    client.post("/api/cameras", {"name": "Gate"})

    entry = AuditEntry.objects.get(resource_type="camera")
    key = ApiKey.objects.get()
    assert (entry.actor_kind, entry.actor, entry.actor_id) == ("key", key.name, key.pk)


@pytest.mark.parametrize(("proxies", "address"), [(["192.0.2.1/32"], "198.51.100.9"), ([], "192.0.2.1")])
def test_the_address_is_the_clients_behind_trusted_proxies_alone(
    settings: Any, client_as: Callable[[str], APIClient], proxies: list[str], address: str
) -> None:
    from ipaddress import ip_network

    settings.TRUSTED_PROXIES = [ip_network(proxy) for proxy in proxies]

    client_as("operator").post(
        "/api/cameras", {"name": "Gate"}, REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="203.0.113.5, 198.51.100.9"
    )

    assert only().address == address


def test_a_socket_without_an_address_has_none(client_as: Callable[[str], APIClient]) -> None:
    client_as("operator").post("/api/cameras", {"name": "Gate"}, REMOTE_ADDR="")

    assert only().address is None


def test_a_command_writes_for_whoever_runs_it(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_api_key", "phone", "--role", "viewer")

    entry = only()
    assert (entry.action, entry.resource_type, entry.actor_kind) == ("create", "api_key", "command")
    assert entry.actor.startswith("create_api_key by ")
    assert entry.after is not None and entry.after["key_hash"] == "(hidden)"


def test_who_acts_is_forgotten_at_the_end() -> None:
    with acting_as(ActorKind.LINK, "mail"):
        assert current_actor().name == "mail"
    assert current_actor().kind == ActorKind.SYSTEM


def test_a_write_that_cannot_be_recorded_does_not_take_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(entries: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(AuditEntry.objects, "create_many", fail)

    with pytest.raises(RuntimeError), transaction.atomic():
        services.create_camera(fields={"name": "Gate"})

    assert not Camera.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_recorded_outside_the_transaction_of_its_write() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        audit.record("update", CameraFactory(), after={"name": "x"})


def test_a_change_that_came_too_late_leaves_nothing() -> None:
    camera = CameraFactory(name="Gate")
    services.update_camera(camera.pk, fields={"name": "Garden"})

    with pytest.raises(VersionConflictError):
        services.update_camera(camera.pk, fields={"name": "Yard"}, expected_version=1)

    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize("statement", ["UPDATE core_auditentry SET actor = 'x'", "DELETE FROM core_auditentry"])
def test_the_database_lets_nobody_change_or_delete_an_entry(statement: str) -> None:
    services.create_camera(fields={"name": "Gate"})

    with pytest.raises(ProgrammingError, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_lets_nobody_empty_the_trail() -> None:
    with pytest.raises(ProgrammingError, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL siteadmin.audit_retention = 'on'")
        cursor.execute("TRUNCATE core_auditentry")


def test_no_entry_is_changed_or_deleted_by_code() -> None:
    services.create_camera(fields={"name": "Gate"})
    entry = only()

    for act in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(actor="x"),
        lambda: AuditEntry.objects.delete_by_id(entry.pk),
    ):
        with pytest.raises(TypeError):
            act()


def test_retention_removes_what_is_old_and_nothing_else() -> None:
    services.create_camera(fields={"name": "Gate"})
    services.create_camera(fields={"name": "Yard"})
    old, new = AuditEntry.objects.order_by("pk")
    old_time = AuditEntry.objects.annotate(now=Now()).values_list("now", flat=True)[0]

    assert AuditEntry.objects.remove_old(before=old_time - timedelta(days=1), limit=10) == 0
    assert AuditEntry.objects.remove_old(before=old_time + timedelta(days=1), limit=1) == 1
    assert list(AuditEntry.objects.all()) == [new]


def test_everybody_may_change_their_own_password_and_it_is_recorded(db: None) -> None:
    person = UserFactory()
    person.set_password("old password")
    person.save()
    client = Client()
    client.force_login(person)
    data = {"old_password": "old password", "new_password1": "n0t-3asy-at-all", "new_password2": "n0t-3asy-at-all"}

    assert client.post("/admin/password_change/", {**data, "old_password": "wrong"}).status_code == 200
    assert not AuditEntry.objects.exists()
    assert client.post("/admin/password_change/", data).status_code == 302

    entry = only()
    assert (entry.action, entry.resource_type, entry.actor) == ("change_password", "user", person.username)
    assert (entry.before, entry.after) == ({"password": "(hidden)"}, {"password": "(changed)"})
