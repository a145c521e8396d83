"""The committed schema is that of the API, and a client made of it works."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from siteadmin.core.keys import create_api_key
from siteadmin.core.problem_catalog import DOCUMENTED
from siteadmin.core.roles import Role
from siteadmin.openapi_examples import EXAMPLES, PATCHES
from tests.factories import CameraFactory, EventFactory
from tests.product import ROOT
from tests.serving import serving

COMMITTED = ROOT / "docs" / "openapi.yaml"
CLIENT = "siteadmin_client"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


def test_the_committed_schema_is_that_of_the_api(schema: dict[str, Any]) -> None:
    written: bytes = OpenApiYamlRenderer().render(schema, renderer_context={})
    if os.environ.get("UPDATE_OPENAPI") == "1":
        COMMITTED.write_bytes(written)

    assert written.decode() == COMMITTED.read_text(), "UPDATE_OPENAPI=1 writes the present schema"


def test_the_schema_is_openapi_3_1(schema: dict[str, Any]) -> None:
    validate_schema(schema)

    assert schema["openapi"] == "3.1.1"


def test_every_operation_has_a_name_of_its_own_a_tag_and_words(schema: dict[str, Any]) -> None:
    operations = [one for path in schema["paths"].values() for one in path.values()]

    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    assert [one["operationId"] for one in operations if not one.get("tags") or not one.get("description")] == []


def test_every_body_and_every_problem_has_an_example_that_fits_it(schema: dict[str, Any]) -> None:
    components = schema["components"]
    wanted, wrong = set(), {}
    for operation in (one for path in schema["paths"].values() for one in path.values()):
        bodies = operation.get("requestBody", {}).get("content", {})
        wanted |= {body["schema"]["$ref"] for kind, body in bodies.items() if kind == "application/json"}
        for status, answer in operation["responses"].items():
            for kind, content in answer.get("content", {}).items():
                assert "problem" not in kind or content["examples"], (operation["operationId"], status)
    shown = {f"#/components/schemas/{name}" for name, one in components["schemas"].items() if "examples" in one}
    for name, one in components["schemas"].items():
        for example in one.get("examples", ()):
            found = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})
            wrong |= {f"{name}: {error.message}": error for error in found.iter_errors(example)}
    problem = Draft202012Validator(components["schemas"]["Problem"])
    wrong |= {
        str(error): error for one in components["examples"].values() for error in problem.iter_errors(one["value"])
    }

    assert wanted - shown == set()
    assert {*EXAMPLES, *PATCHES} - set(components["schemas"]) == set()
    assert list(wrong) == []


def test_every_problem_that_is_shown_is_one_that_is_explained(schema: dict[str, Any]) -> None:
    codes = {problem.error_code for problem in DOCUMENTED}

    assert {one["value"]["code"] for one in schema["components"]["examples"].values()} <= codes


def test_answers_name_their_headers(schema: dict[str, Any]) -> None:
    answers = schema["paths"]["/api/events/{id}"]["get"]["responses"]

    assert "ETag" in answers["200"]["headers"]
    assert "WWW-Authenticate" in answers["401"]["headers"]
    assert "Retry-After" in answers["429"]["headers"]
    assert all("RateLimit" in answer["headers"] for answer in answers.values())


def test_every_parameter_has_one_type(schema: dict[str, Any]) -> None:
    parameters = [
        (one["operationId"], each["name"], each["schema"])
        for path in schema["paths"].values()
        for one in path.values()
        for each in one.get("parameters", ())
    ]

    assert [one for one in parameters if not isinstance(one[2].get("type"), str)] == []
    assert [one for one in parameters if one[2]["type"] == "array" and "items" in one[2]["items"]] == []


@pytest.fixture(scope="module")
def client_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Give the package that openapi-python-client makes of the committed schema."""
    folder: Path = tmp_path_factory.mktemp("client")
    config = folder / "config.yml"
    config.write_text(f"package_name_override: {CLIENT}\npost_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(COMMITTED), "--meta", "none"]
    options = ["--config", str(config), "--output-path", str(folder / CLIENT)]
    made = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module(CLIENT)
    sys.path.remove(str(folder))


@pytest.mark.django_db(transaction=True)
def test_a_typed_client_made_of_the_schema_lists_and_reviews_events(client_package: ModuleType) -> None:
    event = EventFactory(camera=CameraFactory(id="door"), risk_score=90)
    _, key = create_api_key(name="client", role=Role.REVIEWER)
    listing = importlib.import_module(f"{CLIENT}.api.events.events_list")
    change = importlib.import_module(f"{CLIENT}.api.events.events_partial_update")
    body = importlib.import_module(f"{CLIENT}.models.patched_event_request").PatchedEventRequest

    with serving() as port, client_package.AuthenticatedClient(f"http://127.0.0.1:{port}", token=key) as client:
        page = listing.sync(client=client, min_risk=80)
        changed = change.sync(event.pk, client=client, body=body(reviewed=True, notes="seen"))

    assert [(one.id, one.camera, one.risk_score) for one in page.results] == [(event.pk, "door", 90)]
    assert (changed.reviewed, changed.notes, changed.reviewed_by) == (True, "seen", "key:client")
