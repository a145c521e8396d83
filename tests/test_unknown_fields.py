"""Every writing route refuses what it does not know by its name, those that take no body included."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from tests.api_roles import routes
from tests.factories import CameraFactory
from tests.test_api_roles import OWN, ids_of

pytestmark = pytest.mark.django_db

WITH_BODY = [
    route
    for route in routes()
    if route.method in ("post", "patch", "put") and route.path != "/api/cameras/{camera_id}/snapshots"
]


def test_a_field_that_nothing_would_act_on_is_refused_by_its_name(key_client: Callable[..., APIClient]) -> None:
    client, ids = key_client("admin"), ids_of(CameraFactory(id=OWN, folder_path=OWN))

    answers = {}
    for route in WITH_BODY:
        answer = client.generic(
            route.method.upper(), route.address(ids), '{"colour": "red"}', content_type="application/json"
        )
        named = [error["field"] for error in answer.json().get("errors", []) if error["code"] == "unknown_field"]
        answers[route.name] = (answer.status_code, named)

    assert answers == dict.fromkeys(answers, (400, ["colour"]))
