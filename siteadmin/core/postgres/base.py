"""The backend's wrapper; Django finds it here by settings.DATABASES."""

import json
import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg_pool import ConnectionPool

NEVER_BY_ITSELF = 2**31
"""Statements are prepared where somebody says so (`core.reading`), not by how often they run."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection from the pool is alive unless something lies in its socket: a server that went away has closed it.

    Django's own check sends an empty statement before every request, which costs as much as a small query.
    """

    def get_connection_params(self) -> dict[str, Any]:
        """Let statements be prepared that ask for it, and JSON be read in binary form too."""
        if self.settings_dict["OPTIONS"].get("pool") and self.alias in self._connection_pools:  # type: ignore[attr-defined]  # the stubs lack it
            return {}  # the pool knows them since it was made
        parameters: dict[str, Any] = super().get_connection_params()
        if parameters["prepare_threshold"] is None:
            parameters["prepare_threshold"] = NEVER_BY_ITSELF
        parameters["context"].adapters.register_loader("json", JsonLoader)
        parameters["context"].adapters.register_loader("jsonb", JsonbLoader)
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Give a connection that is alive."""
        connection = super().get_new_connection(conn_params)
        while self.pool is not None and not is_alive(connection):
            self.pool.putconn(connection)  # which throws it away
            connection = super().get_new_connection(conn_params)
        return connection

    def _set_autocommit(self, autocommit: bool) -> None:  # noqa: FBT001 - Django's own form
        """Leave a pooled connection alone that is as it is to be."""
        if self.connection.autocommit != autocommit:
            super()._set_autocommit(autocommit)  # type: ignore[misc]  # the stubs lack it


def is_alive(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether the server is still there; asks it only where it has said something unasked."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if not poll.poll(0):
        return True
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        return False
    return True


class JsonLoader(Loader):
    """JSON in binary form; Django's own cursors read it as text."""

    format = Format.BINARY

    def load(self, data: Buffer) -> Any:
        """Read it, whole numbers of any size included."""
        return json.loads(bytes(data).decode())


class JsonbLoader(JsonLoader):
    """The same of the binary kind, which has the version of its form ahead."""

    def load(self, data: Buffer) -> Any:
        """Read the text, which is what is sent of it."""
        text = bytes(data)[1:]
        return {} if text == b"{}" else json.loads(text.decode())
