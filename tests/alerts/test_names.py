"""Names are one line of plain text, in the API, in the admin and where they follow from a folder."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from alerts.models import AlertRule
from cameras.models import Camera
from cameras.services.cameras import find_or_create_camera
from siteadmin.core.names import PATTERN, clean_name, validate_name
from tests.alerts.test_admin_rules import PLAIN
from tests.factories import CameraFactory, UserFactory

pytestmark = pytest.mark.django_db
SIGNS = {"\n": "000A", "\r": "000D", "\x1b": "001B", "\u2028": "2028", "\u2029": "2029", "\u202e": "202E"}
SQUARE = [[0, 0], [1, 0], [1, 1]]


def bodies(name: str) -> dict[str, dict[str, Any]]:
    """Give what makes one of each by its address, with this name."""
    camera = CameraFactory(id="door")
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    return {
        "/api/alert-rules": {"name": name},
        "/api/channels": {"name": name, "kind": "inbox"},
        "/api/cameras": {"name": name},
        "/api/cameras/door/zones": {"name": name, "coordinates": SQUARE},
        "/api/cameras/door/masks": {"name": name, "coordinates": SQUARE},
        "/api/modes": {"name": name},
        "/api/silences": {"comment": name, "camera_ids": [camera.pk], "ends_at": later},
    }


@pytest.mark.parametrize("sign", SIGNS, ids=SIGNS.values())
def test_the_api_refuses_signs_that_cannot_be_seen_and_names_the_sign(client_as: Any, sign: str) -> None:
    client = client_as("admin")

    for address, body in bodies(f"Front{sign}door").items():
        answer = client.post(address, body, format="json")

        [error] = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (400, "comment" if "silences" in address else "name"), address
        assert f"U+{SIGNS[sign]}" in error["detail"], address
    assert not AlertRule.objects.exists()


def test_a_nul_is_refused_before_it_is_anybodys_name(client_as: Any) -> None:
    client = client_as("admin")

    answers = [client.post(address, body, format="json") for address, body in bodies("Front\x00door").items()]

    assert {(answer.status_code, "NUL" in answer.json()["detail"]) for answer in answers} == {(400, True)}


@pytest.mark.parametrize(
    "name", ["Haustür – Straße 5", "门口", "👩‍👧 home", "<script>alert(1)</script>", "@everyone *now*"]
)
def test_every_other_text_is_a_name(client_as: Any, name: str) -> None:
    client = client_as("admin")

    answers = {address: client.post(address, body, format="json") for address, body in bodies(name).items()}

    assert {address: answer.status_code for address, answer in answers.items()} == dict.fromkeys(answers, 201)


def test_the_admin_refuses_the_same() -> None:
    client = Client()
    client.force_login(UserFactory(is_superuser=True))

    answer = client.post("/admin/alerts/alertrule/add/", PLAIN | {"name": "Front\u2028door"})

    assert answer.status_code == 200
    assert "U+2028" in answer.content.decode()
    assert not AlertRule.objects.exists()


def test_a_folder_with_such_signs_makes_a_camera_with_a_plain_name() -> None:
    camera, _ = find_or_create_camera(["Front\n\u202edoor"])

    assert Camera.objects.get(pk=camera.pk).name == "Front door"


@given(st.text(max_size=150))
def test_what_is_cleaned_is_a_name(text: str) -> None:
    cleaned = clean_name(text, limit=100)

    validate_name(cleaned)
    assert len(cleaned) <= 100
    assert clean_name(cleaned, limit=100) == cleaned


@given(st.text())
def test_the_schema_takes_the_names_that_are_taken(text: str) -> None:
    try:
        validate_name(text)
    except ValidationError:
        is_taken = False
    else:
        is_taken = True

    # The schema's `$` is the end of the text; Python's is also the place before a last line break.
    assert bool(re.fullmatch(PATTERN.removesuffix("$"), text)) == is_taken
