"""What the schema says of the API's base."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

pytestmark = pytest.mark.usefixtures("small_api")


@pytest.fixture
def schema(small_api: None) -> dict[str, Any]:
    schema: dict[str, Any] = SchemaGenerator(urlconf="tests.core.rest").get_schema(request=None, public=True)
    return schema


def test_each_path_stands_there_once_without_a_slash(schema: dict[str, Any]) -> None:
    assert {"/api/letters", "/api/letters/{id}", "/api/letters/{id}/note"} <= set(schema["paths"])
    assert not any(path.endswith("/") for path in schema["paths"])


def test_every_operation_has_its_problem_responses(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert {"400", "401", "403", "500", "503"} <= set(responses)
            assert ("404" in responses) is ("{" in path)
            assert ("409" in responses) is (method != "get")
            content = responses["401"]["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_a_list_describes_its_parameters(schema: dict[str, Any]) -> None:
    parameters = {each["name"]: each for each in schema["paths"]["/api/letters"]["get"]["parameters"]}

    assert {"limit", "cursor", "page", "per_page", "ordering", "fields", "state", "failed_after"} == set(parameters) - {
        "id",
        "queue",
        "task",
        "failed_before",
        "min_attempts",
        "silent",
    }
    assert parameters["state"]["schema"]["items"]["enum"] == ["dead", "discarded", "requeued"]
    assert parameters["limit"]["schema"]["maximum"] == 1000
    assert parameters["failed_after"]["schema"] == {"type": "string", "format": "date-time"}


def test_the_further_parameters_of_an_action_are_described(schema: dict[str, Any]) -> None:
    names = {each["name"] for each in schema["paths"]["/api/letters/{id}/note"]["post"]["parameters"]}

    assert names == {"id", "loud", "Idempotency-Key"}


def test_headers_by_which_writes_may_be_repeated_and_guarded_are_described(schema: dict[str, Any]) -> None:
    one, many = schema["paths"]["/api/letters/{id}"], schema["paths"]["/api/letters"]

    def headers(operation: dict[str, Any]) -> set[str]:
        return {each["name"] for each in operation.get("parameters", []) if each["in"] == "header"}

    assert (headers(one["get"]), "304" in one["get"]["responses"]) == ({"If-None-Match"}, True)
    assert (headers(one["patch"]), "412" in one["patch"]["responses"]) == ({"If-Match"}, True)
    assert headers(one["delete"]) == {"If-Match"}
    assert (headers(many["post"]), "422" in many["post"]["responses"]) == ({"Idempotency-Key"}, True)
    assert headers(many["get"]) == set()


def test_the_ways_in_are_described(schema: dict[str, Any]) -> None:
    assert set(schema["components"]["securitySchemes"]) == {"bearerKey", "headerKey", "basicKey", "session"}
    assert {"basicKey": []} in schema["paths"]["/api/uploads"]["post"]["security"]
    assert {"basicKey": []} not in schema["paths"]["/api/letters"]["get"]["security"]
