"""Clients that page through a long list over HTTP while others insert and delete rows of it."""

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction

from events.models import Event
from siteadmin.core.bulk import copy_rows, take_ids, unheard
from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.factories import NOON, CameraFactory
from tests.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS, EVENTS, PAGE = 20, 50_000, 1000
DOOMED_OF = 10
"""One event in so many is to be deleted while the clients read."""
SAME_START = 7
"""So many events begin at the same moment, so that only their ids tell their places apart."""
SCORES = (*range(0, 101, 10), None)
AT_ONCE = 25
"""Events that are inserted, hidden and removed each time."""
FIELDS = ("camera", "started_at", "ended_at", "last_arrival_at", "risk_score")


def row_of(number: int) -> tuple[Any, ...]:
    at = NOON + timedelta(seconds=number // SAME_START)
    return ("gate", at, at, at, SCORES[number % len(SCORES)])


@pytest.fixture
def events() -> list[int]:
    """Give the ids of so many events in the order of their making."""
    CameraFactory(id="gate")
    with transaction.atomic(), unheard([Event]):
        copy_rows(Event, ("id", *FIELDS), ((number + 1, *row_of(number)) for number in range(EVENTS)))
        take_ids(Event)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE events_event")
    return list(range(1, EVENTS + 1))


@pytest.fixture
def port() -> Iterator[int]:
    with serving() as port:
        yield port


class Reader:
    """One client with a connection of its own."""

    def __init__(self, port: int, key: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {"Authorization": f"Bearer {key}"}

    def follow(self, address: str, link: str) -> tuple[list[int], str]:
        """Read from this address on along these links to the end; give all ids in order, and the last address."""
        seen: list[int] = []
        while True:
            self.connection.request("GET", address, headers=self.headers)
            answer = self.connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            page = json.loads(body)
            ids = [row["id"] for row in page["results"]]
            seen += ids if link == "next" else ids[::-1]
            if page[link] is None:
                return seen, address
            address = page[link]


def read_all(port: int, key: str, number: int) -> dict[str, Counter[int]]:
    """Read the whole list as the client of this number does: newest, oldest or riskiest first, some also backwards."""
    order = ("-started_at", "started_at", "-risk_score")[number % 3]
    reader = Reader(port, key)
    with closing(reader.connection):
        there, last = reader.follow(f"/api/events?fields=id&limit={PAGE}&ordering={order}", "next")
        walks = {f"{order}, forwards": Counter(there)}
        if number % 4 == 0:
            back, _ = reader.follow(last, "previous")
            walks[f"{order}, backwards"] = Counter(back)
        return walks


def disturb(doomed: list[int], done: threading.Event) -> tuple[int, int]:
    """Insert events anywhere and delete the doomed ones until the readers are done; give how many of each."""
    chance = random.Random(1)  # noqa: S311 - any order will do
    inserted = deleted = 0
    try:
        while not done.is_set():
            numbers = [chance.randrange(EVENTS) for _ in range(AT_ONCE)]
            copy_rows(Event, FIELDS, [row_of(number) for number in numbers])
            hidden, removed = doomed[:AT_ONCE], doomed[AT_ONCE : 2 * AT_ONCE]
            del doomed[: 2 * AT_ONCE]
            Event.objects.mark_deleted(hidden)
            Event.objects.filter(pk__in=removed).delete()
            inserted, deleted = inserted + len(numbers), deleted + len(hidden) + len(removed)
    finally:
        connections.close_all()
    return inserted, deleted


def test_each_row_that_existed_all_along_is_seen_exactly_once(events: list[int], port: int) -> None:
    _, key = create_api_key(name="readers", role=Role.VIEWER)
    doomed = events[::DOOMED_OF]
    lasting = set(events) - set(doomed)
    random.Random(2).shuffle(doomed)  # noqa: S311 - any order will do
    done = threading.Event()

    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        disturbing = threads.submit(disturb, doomed, done)
        reading = [threads.submit(read_all, port, key, number) for number in range(CLIENTS)]
        try:
            walks = [(name, seen) for client in reading for name, seen in client.result().items()]
        finally:
            done.set()
        inserted, deleted = disturbing.result()

    assert len(walks) == CLIENTS + CLIENTS // 4
    for name, seen in walks:
        assert {event: seen[event] for event in lasting if seen[event] != 1} == {}, name
        assert max(seen.values()) == 1, name
    assert inserted > 20 * AT_ONCE
    assert deleted > 20 * AT_ONCE
