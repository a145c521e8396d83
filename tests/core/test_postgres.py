"""Connections from the pool are looked at before their use, and statements written once run with other values."""

from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from siteadmin.core.models import DeadLetter
from siteadmin.core.postgres.base import is_alive
from siteadmin.core.reading import Parameter, Statement


@pytest.fixture
def link() -> Any:
    """Give a connection of its own, as the pool holds them."""
    with psycopg.connect(**_parameters(), autocommit=True) as made:
        yield made


def _parameters() -> dict[str, Any]:
    database = settings.DATABASES["default"]
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {name: database[key] for name, key in names.items()}


def test_a_connection_that_rests_is_alive_without_being_asked(link: psycopg.Connection[Any]) -> None:
    before = link.execute("SELECT 1").fetchone()

    assert before == (1,)
    assert is_alive(link)


def test_a_connection_that_the_server_has_ended_is_not(link: psycopg.Connection[Any]) -> None:
    with psycopg.connect(**_parameters(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [link.info.backend_pid])

    assert not is_alive(link)


@pytest.mark.django_db(transaction=True)
def test_the_next_request_after_a_lost_connection_gets_another() -> None:
    connection.ensure_connection()
    lost = connection.connection.info.backend_pid
    connection.close()
    with psycopg.connect(**_parameters(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [lost])

    assert DeadLetter.objects.count() == 0
    assert connection.connection.info.backend_pid != lost


@pytest.mark.django_db
def test_a_statement_is_run_with_the_values_of_each_run() -> None:
    for subject in ("a", "b"):
        DeadLetter.objects.bury(queue="q", task="t", subject=subject, payload={"n": 2**70}, error="", attempts=1)
    rows = DeadLetter.objects.filter(subject=Parameter(0)).order_by().values_list("subject", "payload")

    statement = Statement(rows, is_prepared=True)

    assert statement.run(["a"]) == [("a", {"n": 2**70})]
    assert statement.run(["b"]) == [("b", {"n": 2**70})]
    assert statement.run(["c"]) == []


@pytest.mark.django_db
def test_a_statement_over_nothing_asks_nothing(django_assert_num_queries: Any) -> None:
    statement = Statement(DeadLetter.objects.none().values_list("id"))

    with django_assert_num_queries(0):
        assert statement.run() == []
