"""How often each may ask: counted in a real Redis, one behaviour at a time on the small API."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from siteadmin.core.rates import Rate, parse_rates
from siteadmin.core.throttling import Counter, Scope
from tests.core.rest import LetterViewSet

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small_api")]

LETTER = {"queue": "q", "task": "t", "subject": "s"}
Keys = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    """Allow little."""
    rates = {"reads": "3/minute viewer=2/minute", "searches": "2/minute", "writes": "1/minute", "strangers": "2/minute"}
    settings.THROTTLES = {**settings.THROTTLES, **{name: parse_rates(text) for name, text in rates.items()}}


def statuses(client: Any, path: str = "/api/letters", *, times: int, **kwargs: Any) -> list[int]:
    return [client.get(path, **kwargs).status_code for _ in range(times)]


def test_the_request_over_the_quota_is_a_429_that_says_when_to_come_back(key_client: Keys) -> None:
    client = key_client("operator")

    assert statuses(client, times=3) == [200, 200, 200]
    refused = client.get("/api/letters")

    assert refused.status_code == 429
    assert refused.json()["code"] == "RATE_LIMITED"
    assert refused.json()["details"] == {"policy": "reads", "limit": 3, "window_seconds": 60}
    assert refused.json()["type"].endswith("/problems/rate-limited/")
    assert 0 < int(refused["Retry-After"]) <= 60


def test_every_answer_says_what_is_left_in_the_fields_of_the_draft(key_client: Keys) -> None:
    client = key_client("operator")

    answers = [client.get("/api/letters") for _ in range(4)]

    assert {answer["RateLimit-Policy"] for answer in answers} == {'"reads";q=3;w=60'}
    assert [answer["RateLimit"].partition(";t=")[0] for answer in answers] == [
        '"reads";r=2',
        '"reads";r=1',
        '"reads";r=0',
        '"reads";r=0',
    ]
    # The draft: Retry-After is no earlier than the end of the window.
    assert int(answers[-1]["Retry-After"]) >= int(answers[-1]["RateLimit"].partition(";t=")[2]) > 0


def test_reads_searches_and_writes_are_counted_apart(key_client: Keys) -> None:
    client = key_client("operator")

    assert statuses(client, times=4)[-1] == 429
    assert client.post("/api/letters", LETTER, format="json").status_code == 201
    assert client.post("/api/letters", LETTER, format="json").status_code == 429


def test_a_read_by_words_counts_as_a_search(key_client: Keys) -> None:
    client = key_client("operator")

    assert client.get("/api/letters?q=")["RateLimit"].startswith('"reads"')
    assert client.get("/api/letters?q=door")["RateLimit"].startswith('"searches"')


def test_a_view_says_which_of_its_actions_cost_more(key_client: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LetterViewSet, "throttle_scopes", {"note": Scope.TESTS}, raising=False)

    answer = key_client("reviewer").post("/api/letters/7/note")

    assert answer["RateLimit"].startswith('"tests"')


def test_a_role_has_the_rate_that_is_its_own(key_client: Keys) -> None:
    assert statuses(key_client("viewer"), times=3) == [200, 200, 429]
    assert statuses(key_client("reviewer"), times=3) == [200, 200, 200]


def test_one_callers_haste_is_no_other_callers(key_client: Keys, client_as: Any) -> None:
    assert statuses(key_client("operator"), times=4)[-1] == 429
    assert statuses(key_client("admin"), times=1) == [200]
    assert statuses(client_as("operator"), times=1) == [200]


def test_a_user_is_counted_over_all_their_sessions(client_as: Any) -> None:
    client: Any = client_as("operator")
    other = APIClient()
    other.cookies = client.cookies

    assert statuses(client, times=2) + statuses(other, times=2) == [200, 200, 200, 429]


def test_who_is_refused_is_counted_too(key_client: Keys) -> None:
    client = key_client("viewer")

    answers = [client.post("/api/letters", LETTER, format="json") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [403, 429]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
def test_strangers_are_counted_by_address_whatever_they_send(headers: dict[str, str]) -> None:
    first, second = "192.0.2.1", "192.0.2.2"

    assert statuses(Client(), times=3, headers=headers, REMOTE_ADDR=first) == [401, 401, 429]
    assert statuses(Client(), times=1, headers=headers, REMOTE_ADDR=second) == [401]


def test_an_unknown_path_counts_as_well(key_client: Keys) -> None:
    assert statuses(Client(), "/api/nothing", times=3) == [404, 404, 429]


def test_an_ipv6_network_is_one_stranger() -> None:
    addresses = ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:0:9::", "2001:db8:0:1::1"]

    found = [Client().get("/api/letters", REMOTE_ADDR=address).status_code for address in addresses]

    assert found == [401, 401, 429, 401]


def test_a_strangers_x_forwarded_for_is_not_believed() -> None:
    found = [
        Client().get("/api/letters", headers={"x-forwarded-for": f"192.0.2.{n}"}, REMOTE_ADDR="198.51.100.7")
        for n in range(3)
    ]

    assert [answer.status_code for answer in found] == [401, 401, 429]


def test_a_scope_that_is_off_is_not_counted(key_client: Keys, settings: Any) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "reads": parse_rates("off")}

    answer = key_client("operator").get("/api/letters")

    assert answer.status_code == 200
    assert "RateLimit" not in answer


@pytest.fixture
def counter(settings: Any) -> Iterator[Counter]:
    yield Counter(settings.REDIS_URL)
    cache.clear()


def test_callers_at_once_are_counted_exactly(counter: Counter) -> None:
    def count(_: int) -> int:
        standing = counter.count("key:1", Scope.READS, Rate(10**6, 60))
        assert standing is not None
        return standing.used

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(count, range(200))) == list(range(1, 201))


def test_a_window_that_ends_begins_anew(counter: Counter) -> None:
    rate = Rate(1, 1)
    first = counter.count("key:1", Scope.READS, rate)
    over = counter.count("key:1", Scope.READS, rate)

    assert first is not None and over is not None
    assert (first.is_over, over.is_over, over.seconds_left) == (False, True, 1)
    deadline = time.monotonic() + 10
    while (again := counter.count("key:1", Scope.READS, rate)) is not None and again.is_over:
        assert time.monotonic() < deadline
    assert again is not None and again.used == 1


@pytest.fixture
def hanging() -> Iterator[str]:
    """Give the URL of a Redis that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"redis://127.0.0.1:{port}/0"


@pytest.mark.parametrize("kind", ["closed", "hanging"])
def test_without_redis_nobody_is_refused_and_it_is_said_once(
    key_client: Keys, settings: Any, hanging: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = hanging if kind == "hanging" else closed_port()
    client = key_client("operator")

    assert statuses(client, times=6) == [200] * 6
    told = [record for record in caplog.records if "requests_not_counted" in str(record.msg)]
    assert len(told) == 1


def test_a_silent_redis_is_left_alone_so_that_reads_stay_fast(hanging: str) -> None:
    counter = Counter(hanging)
    counter.count("key:1", Scope.READS, Rate(1, 60))
    started = time.monotonic()

    assert [counter.count("key:1", Scope.READS, Rate(1, 60)) for _ in range(100)] == [None] * 100
    assert time.monotonic() - started < 0.2
