"""Prompts as versioned data: in the database, over REST, and in the admin pages."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from rest_framework.test import APIClient

from events.analyzers.prompts import DEFAULT_PROMPT
from events.models import Analysis, Event, PromptVersion
from events.services.prompts import activate_version, add_version, get_prompt
from siteadmin.core.exceptions import PromptNotFoundError, PromptVersionConflictError
from siteadmin.core.groups import sync_groups
from siteadmin.core.http import close_connections
from tests.events.seen import seen_event
from tests.factories import UserFactory
from tests.fakes import llm_server as fake
from tests.fakes.llm_server import LlmServer

URL = "/api/prompts"
VERSIONS = f"{URL}/analyze/versions"

KeyClient = Callable[..., APIClient]


@pytest.fixture
def llm(settings: Any) -> Iterator[LlmServer]:
    with LlmServer() as server:
        settings.ANALYZER, settings.LLM_URL, settings.LLM_MODEL = "llm", server.base_url, "tiny"
        yield server
    close_connections()


@pytest.mark.django_db
class TestVersions:
    def test_the_first_version_comes_with_the_site(self) -> None:
        prompt = get_prompt("analyze")

        assert (prompt.version, prompt.text, prompt.created_by) == (1, DEFAULT_PROMPT, "")

    def test_asking_twice_stores_it_once(self) -> None:
        assert get_prompt("analyze").pk == get_prompt("analyze").pk

    def test_another_name_is_no_prompt(self) -> None:
        with pytest.raises(PromptNotFoundError):
            get_prompt("poem")

    def test_a_new_version_is_in_force(self) -> None:
        add_version("analyze", text="A {event}", expected_version=1)

        assert (get_prompt("analyze").version, get_prompt("analyze").text) == (2, "A {event}")

    def test_a_stale_expected_version_changes_nothing(self) -> None:
        add_version("analyze", text="A {event}", expected_version=1)

        with pytest.raises(PromptVersionConflictError) as conflict:
            add_version("analyze", text="B {event}", expected_version=1)

        assert conflict.value.details == {"prompt": "analyze", "version": 2, "expected_version": 1}
        assert get_prompt("analyze").text == "A {event}"

    def test_an_old_version_comes_back_as_a_new_one(self) -> None:
        add_version("analyze", text="A {event}", expected_version=1)
        again = activate_version("analyze", 1, created_by="eve")

        assert (again.version, again.text, again.created_by) == (3, DEFAULT_PROMPT, "eve")
        assert again.note == "Version 1 again"

    def test_the_database_lets_one_version_be_active(self) -> None:
        get_prompt("analyze")

        with pytest.raises(IntegrityError), transaction.atomic():
            PromptVersion.objects.create(name="analyze", version=2, text="{event}")


@pytest.mark.django_db(transaction=True)
def test_of_four_who_write_on_the_same_version_one_wins(in_threads: Any) -> None:
    get_prompt("analyze")

    def write(number: int) -> bool:
        try:
            add_version("analyze", text=f"{number} {{event}}", expected_version=1)
        except PromptVersionConflictError:
            return False
        return True

    assert sorted(in_threads(write, range(4))) == [False, False, False, True]
    assert get_prompt("analyze").version == 2


@pytest.mark.django_db(transaction=True)
def test_four_who_go_back_at_once_make_four_versions(in_threads: Any) -> None:
    get_prompt("analyze")

    assert sorted(in_threads(lambda _: activate_version("analyze", 1).version, range(4))) == [2, 3, 4, 5]
    assert get_prompt("analyze").version == 5


@pytest.mark.django_db
class TestApi:
    def test_the_list_gives_prompts_in_force_with_their_placeholders(self, key_client: KeyClient) -> None:
        (prompt,) = key_client("operator").get(URL).json()["results"]

        assert (prompt["name"], prompt["version"], prompt["text"]) == ("analyze", 1, DEFAULT_PROMPT)
        assert "event" in prompt["placeholders"]

    def test_a_prompt_is_found_by_its_name(self, key_client: KeyClient) -> None:
        client = key_client("operator")

        assert client.get(f"{URL}/analyze").json()["version"] == 1
        assert client.get(f"{URL}/poem").json()["code"] == "PROMPT_NOT_FOUND"

    def test_a_new_version_is_stored_with_who_wrote_it(self, key_client: KeyClient) -> None:
        body = {"text": "A {event}", "expected_version": 1, "note": "terse"}
        answer = key_client("operator").post(VERSIONS, body)

        assert answer.status_code == 201
        made = answer.json()
        assert (made["version"], made["active"], made["note"]) == (2, True, "terse")
        assert "operator" in made["created_by"]

    def test_a_stale_version_is_a_conflict(self, key_client: KeyClient) -> None:
        client = key_client("operator")
        client.post(VERSIONS, {"text": "A {event}", "expected_version": 1})
        answer = client.post(VERSIONS, {"text": "B {event}", "expected_version": 1})

        assert (answer.status_code, answer.json()["code"]) == (409, "PROMPT_VERSION_CONFLICT")

    def test_an_unknown_placeholder_is_named(self, key_client: KeyClient) -> None:
        answer = key_client("operator").post(VERSIONS, {"text": "{event} {camera}", "expected_version": 1})

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "text"
        assert "{camera}" in answer.json()["errors"][0]["detail"]

    def test_versions_are_listed_newest_first(self, key_client: KeyClient) -> None:
        client = key_client("operator")
        client.post(VERSIONS, {"text": "A {event}", "expected_version": 1})

        assert [one["version"] for one in client.get(VERSIONS).json()["results"]] == [2, 1]
        assert client.get(f"{VERSIONS}/1").json()["active"] is False

    def test_activating_an_old_one_makes_a_new_one(self, key_client: KeyClient) -> None:
        client = key_client("operator")
        client.post(VERSIONS, {"text": "A {event}", "expected_version": 1})
        answer = client.post(f"{VERSIONS}/1/activate", {"expected_version": 2})

        assert answer.status_code == 201
        assert (answer.json()["version"], answer.json()["text"]) == (3, DEFAULT_PROMPT)
        assert client.post(f"{VERSIONS}/1/activate", {"expected_version": 2}).status_code == 409

    @pytest.mark.parametrize("version", ["9", "0", "-1", "x", str(2**40)])
    def test_a_version_that_is_not_there_is_not_found(self, key_client: KeyClient, version: str) -> None:
        answer = key_client("operator").get(f"{VERSIONS}/{version}")

        assert (answer.status_code, answer.json()["code"]) == (404, "PROMPT_NOT_FOUND")

    @pytest.mark.parametrize("role", ["uploader", "viewer", "reviewer"])
    def test_others_than_operators_see_none(self, key_client: KeyClient, role: str) -> None:
        client = key_client(role)

        assert client.get(URL).status_code == client.get(VERSIONS).status_code == 403
        assert client.post(VERSIONS, {"text": "A {event}", "expected_version": 1}).status_code == 403

    def test_keys_of_some_cameras_see_none(self, key_client: KeyClient) -> None:
        client = key_client("operator", cameras=("yard",))

        assert client.get(URL).json()["results"] == []
        assert client.get(VERSIONS).status_code == 404
        assert client.post(VERSIONS, {"text": "A {event}", "expected_version": 1}).status_code == 404
        assert client.post(f"{URL}/analyze/preview", {"event": 1}).status_code == 404


@pytest.mark.django_db
class TestPreview:
    def test_a_text_is_tried_on_a_past_event_and_nothing_is_stored(self, llm: LlmServer, key_client: KeyClient) -> None:
        event = seen_event(state="closed")
        before = Event.objects.filter(pk=event.pk).values().get()
        answer = key_client("operator").post(f"{URL}/analyze/preview", {"event": event.pk, "text": "Try {event}"})

        assert answer.status_code == 200
        shown = answer.json()
        assert (shown["risk_score"], shown["risk_level"]) == (91, "critical")
        assert shown["prompt"].startswith("Try <event-data>")
        assert Event.objects.filter(pk=event.pk).values().get() == before
        assert (Analysis.objects.count(), PromptVersion.objects.count()) == (0, 1)

    def test_a_version_is_tried(self, llm: LlmServer, key_client: KeyClient) -> None:
        add_version("analyze", text="Second {event}", expected_version=1)
        event = seen_event()
        key_client("operator").post(f"{URL}/analyze/preview", {"event": event.pk, "version": 1})

        assert fake.text_of(llm.asked[0]).startswith("Judge this event")

    @pytest.mark.parametrize(
        ("body", "status"), [({"event": 1}, 404), ({}, 400), ({"event": 1, "text": "{event}", "version": 1}, 400)]
    )
    def test_what_cannot_be_tried_is_refused(
        self, llm: LlmServer, key_client: KeyClient, body: Any, status: int
    ) -> None:
        assert key_client("operator").post(f"{URL}/analyze/preview", body).status_code == status

    def test_a_text_that_cannot_be_used_is_refused(self, llm: LlmServer, key_client: KeyClient) -> None:
        body = {"event": seen_event().pk, "text": "no placeholder"}

        assert key_client("operator").post(f"{URL}/analyze/preview", body).status_code == 400
        assert llm.requests == []

    def test_nonsense_is_said_so(self, llm: LlmServer, key_client: KeyClient) -> None:
        llm.script(fake.prose())
        answer = key_client("operator").post(f"{URL}/analyze/preview", {"event": seen_event().pk})

        assert answer.status_code == 503
        assert answer.json()["detail"] == "The model did not answer with a JSON object"

    def test_without_an_analyzer_it_says_so(self, key_client: KeyClient) -> None:
        answer = key_client("operator").post(f"{URL}/analyze/preview", {"event": seen_event().pk})

        assert (answer.status_code, answer.json()["code"]) == (503, "ANALYZER_UNAVAILABLE")


@pytest.mark.django_db
class TestAdmin:
    LIST = "/admin/events/promptversion/"

    @pytest.fixture
    def operator(self) -> Client:
        sync_groups()
        client = Client()
        client.force_login(UserFactory(role="operator"))
        return client

    def test_the_list_shows_the_first_version(self, operator: Client) -> None:
        assert "analyze 1" in operator.get(self.LIST).content.decode()

    def test_a_new_version_is_written_on_the_one_in_force(self, operator: Client) -> None:
        assert "Judge this event" in operator.get(f"{self.LIST}add/").content.decode()
        answer = operator.post(f"{self.LIST}add/", {"text": "A {event}", "note": "", "expected_version": "1"})

        assert answer.status_code == 302
        assert get_prompt("analyze").text == "A {event}"

    def test_somebody_elses_version_is_not_put_out_of_force_unseen(self, operator: Client) -> None:
        get_prompt("analyze")
        add_version("analyze", text="A {event}", expected_version=1)
        operator.post(f"{self.LIST}add/", {"text": "B {event}", "note": "", "expected_version": "1"})

        assert get_prompt("analyze").text == "A {event}"

    def test_a_text_that_cannot_be_used_is_explained(self, operator: Client) -> None:
        page = operator.post(f"{self.LIST}add/", {"text": "{camera}", "note": "", "expected_version": "1"})

        assert "Unknown placeholder" in page.content.decode()

    def test_an_old_version_is_put_in_force_again(self, operator: Client) -> None:
        old = get_prompt("analyze")
        add_version("analyze", text="A {event}", expected_version=1)
        operator.post(self.LIST, {"action": "activate", "_selected_action": [str(old.pk)]})

        assert (get_prompt("analyze").version, get_prompt("analyze").text) == (3, DEFAULT_PROMPT)

    def test_a_version_can_be_read(self, operator: Client) -> None:
        page = operator.get(f"{self.LIST}{get_prompt('analyze').pk}/change/")

        assert page.status_code == 200
        assert "Judge this event" in page.content.decode()

    @pytest.mark.parametrize("role", ["viewer", "reviewer"])
    def test_others_see_none(self, role: str) -> None:
        sync_groups()
        client = Client()
        client.force_login(UserFactory(role=role))

        assert client.get(self.LIST).status_code == 403

    def test_a_failed_analysis_is_told_on_the_events_page(self, operator: Client) -> None:
        event = seen_event()
        Analysis.objects.create(event=event, state="failed", error="The model answered nothing", due_at=None)
        page = operator.get(f"/admin/events/event/{event.pk}/change/").content.decode()

        assert "Analysis failed, the built-in score was kept: The model answered nothing" in page
        assert operator.get("/admin/events/analysis/").status_code == 200
        assert operator.get(f"/admin/events/analysis/{event.pk}/change/").status_code == 200


@pytest.mark.django_db
def test_the_events_api_tells_what_became_of_the_analysis(key_client: KeyClient) -> None:
    event = seen_event()
    client = key_client("viewer")
    assert client.get(f"/api/events/{event.pk}").json()["analysis"] is None

    Analysis.objects.create(event=event, state="failed", error="nothing", prompt_version=get_prompt("analyze"))
    shown = client.get(f"/api/events/{event.pk}").json()["analysis"]
    assert (shown["state"], shown["error"], shown["prompt_version"]) == ("failed", "nothing", 1)
