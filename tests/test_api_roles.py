"""Every path and verb of the API asked by everybody, compared with the committed table."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from alerts.models import Mode, QuietHours, Silence
from cameras.models import Camera, DetectionLimit, Mask, UnassignedUpload
from cameras.services import limit_staff
from events.models import EventFeedback, Export, PromptVersion
from events.services.prompts import ensure_prompts
from siteadmin import system_api
from siteadmin.core.exceptions import InvalidInputError
from siteadmin.core.models import AuditEntry, DeadLetter
from tests.api_roles import REFUSALS, Route, is_update, read_table, routes, write_column
from tests.events.seen import picture_bytes, seen_event, stored_snapshot
from tests.factories import (
    AlertFactory,
    AlertRuleFactory,
    CameraFactory,
    ChannelFactory,
    DeliveryFactory,
    UserFactory,
    ZoneFactory,
)

pytestmark = pytest.mark.django_db

OWN, HIDDEN = "own_camera", "hidden_camera"
ROLES = ["uploader", "viewer", "reviewer", "operator", "admin"]
COLUMNS = [
    "nobody",
    "stranger",
    *(f"key:{role}" for role in ROLES),
    *(f"session:{role}" for role in ROLES[1:]),
    *(f"own:{role}" for role in ROLES),
    *(f"hidden:{role}" for role in ROLES),
    *(f"own-session:{role}" for role in ROLES[1:]),
    *(f"hidden-session:{role}" for role in ROLES[1:]),
]
"""Of keys and users that are limited to one camera, `own` asks for what is that camera's, `hidden` for another's."""
POLYGON = [[0, 0], [1, 0], [1, 1]]
SCHEDULE = {"days": ["monday"], "start": "22:00", "end": "23:00", "timezone": "UTC"}


def ids_of(camera: Camera) -> dict[str, Any]:
    """Make one row of everything, as far as it can with this camera, and give the ids that addresses take."""
    now = timezone.now()
    event = seen_event(camera=camera)
    alert = AlertFactory(event=event)
    channel = ChannelFactory()
    snapshot = event.key_detection.snapshot if event.key_detection else None
    sent = UnassignedUpload(
        folder=camera.pk,
        slug="x",
        name="x.png",
        sha256="0" * 64,
        file=stored_snapshot(picture_bytes(size=(64, 48)), camera=camera).file,
        size=1,
        width=1,
        height=1,
        due_at=None,
    )
    limit = DetectionLimit(camera=camera, object_type="cat", min_confidence=0.5)
    mask, zone = Mask(camera=camera, name="m", coordinates=POLYGON), ZoneFactory(camera=camera)
    mode = Mode(name=f"mode of {camera.pk}", is_active=camera.pk == OWN)
    silence = Silence(starts_at=now, ends_at=now + timedelta(hours=1), created_by="x")
    quiet = QuietHours(channel=channel, schedule=SCHEDULE)
    feedback = EventFeedback(event=event, verdict="accurate")
    export = Export(form="csv", requested_by="somebody", rows_expected=0, expires_at=now + timedelta(hours=1))
    for row in (sent, limit, mask, mode, silence, quiet, feedback, export):
        row.save()
    letter = DeadLetter.objects.bury(queue="q", task="t", subject=camera.pk, payload={}, error="e", attempts=1)
    ensure_prompts()
    prompt = PromptVersion.objects.get_all()[0]
    entry = AuditEntry(action="update", resource_type="camera", resource_id=camera.pk, camera_id=camera.pk)
    entry.save()
    rows: dict[str, Any] = {
        "audit": entry,
        "camera": camera,
        "zone": zone,
        "mask": mask,
        "detection-limit": limit,
        "snapshot": snapshot,
        "unassigned-upload": sent,
        "event": event,
        "detection": event.key_detection,
        "alert-rule": AlertRuleFactory(),
        "alert": alert,
        "channel": channel,
        "delivery": DeliveryFactory(alert=alert),
        "mode": mode,
        "silence": silence,
        "quiet-hours": quiet,
        "export": export,
    }
    ids = {f"{basename}.pk": row.pk for basename, row in rows.items()}
    ids |= {f"{basename}.camera_id": camera.pk for basename in ("zone", "mask", "camera-snapshot")}
    return ids | {
        "dead-letter.pk": letter,
        "prompt.name": prompt.name,
        "prompt-version.name": prompt.name,
        "prompt-version.version": prompt.version,
    }


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    def refuse() -> None:
        raise InvalidInputError("The status itself is not asked for: it waits for workers")

    monkeypatch.setattr(system_api, "read_status", refuse)
    return {camera: ids_of(CameraFactory(id=camera, folder_path=camera)) for camera in (OWN, HIDDEN)}


@pytest.fixture
def client_of(client_as: Callable[..., APIClient], key_client: Callable[..., APIClient]) -> Callable[[str], APIClient]:
    def make(column: str) -> APIClient:
        kind, _, role = column.partition(":")
        if kind == "key":
            return key_client(role)
        if kind == "session":
            return client_as(role)
        if kind in ("own", "hidden"):
            return key_client(role, cameras=(OWN,))
        client = APIClient()
        if kind in ("own-session", "hidden-session"):
            user = UserFactory(role=role)
            limit_staff(user.pk, camera_ids=[OWN])
            client.force_login(user)
        if kind == "stranger":
            client.force_login(UserFactory(is_staff=False))
        return client

    return make


def ask(client: APIClient, route: Route, ids: dict[str, Any]) -> Any:
    """Ask with an empty body and take back whatever it did."""
    with transaction.atomic():
        response = client.generic(route.method.upper(), route.address(ids), "{}", content_type="application/json")
        # A stream closes its file at its end; one without an end is heard by tests/test_stream.py.
        response.body = b"" if getattr(response, "is_async", False) else response.getvalue()
        transaction.set_rollback(True)  # noqa: FBT003 - Django's own form
    return response


@pytest.mark.parametrize("column", COLUMNS)
def test_every_path_and_verb_answers_as_the_table_says(
    column: str, ids: dict[str, dict[str, Any]], client_of: Callable[[str], APIClient]
) -> None:
    client = client_of(column)
    found = {}
    # Reads come first: deleted files do not come back.
    for route in sorted(routes(), key=lambda route: route.method != "get"):
        response = ask(client, route, ids[HIDDEN if column.startswith("hidden") else OWN])
        assert response.status_code < 500, f"{route.name}: {response.status_code}"
        found[route.name] = str(response.status_code) if response.status_code in REFUSALS else "yes"
        if response.status_code == 200 and column.startswith(("own", "hidden")):
            assert HIDDEN.encode() not in response.body, f"{route.name} shows the hidden camera"

    if is_update():
        write_column(column, found, order=COLUMNS)
        return
    committed = {name: cells.get(column) for name, cells in read_table().items()}
    assert found == committed, "UPDATE_API_ROLES=1 writes the present answers into api_roles.txt"


def test_the_table_lets_nobody_in_and_grants_no_less_to_a_higher_role() -> None:
    for name, cells in read_table().items():
        assert {cells["nobody"], cells["stranger"]} == {"401"}, name
        for kind in ("key", "session", "own"):
            grants = [cells[f"{kind}:{role}"] == "yes" for role in ROLES[1:] if f"{kind}:{role}" in cells]
            assert grants == sorted(grants), f"{name}: a lower role of {kind} may more"


def test_the_table_gives_a_key_and_a_session_of_one_role_the_same_rights() -> None:
    for name, cells in read_table().items():
        assert [cells[f"key:{role}"] for role in ROLES[1:]] == [cells[f"session:{role}"] for role in ROLES[1:]], name


def test_the_table_gives_a_limited_key_and_a_limited_user_of_one_role_the_same_rights() -> None:
    for name, cells in read_table().items():
        for kind in ("own", "hidden"):
            of_keys = [cells[f"{kind}:{role}"] for role in ROLES[1:]]
            assert of_keys == [cells[f"{kind}-session:{role}"] for role in ROLES[1:]], name


def test_the_table_never_lets_anybody_reach_a_hidden_camera() -> None:
    for name, cells in read_table().items():
        reaches = "{" in name and any(cell == "yes" for column, cell in cells.items() if column.startswith("hidden"))
        assert not reaches, name
