"""How long a statement of a request may take: what costs the database more is ended by the database itself."""

from datetime import timedelta
from typing import Any

from django.db import connections


def limit_statements(longest: timedelta) -> None:
    """Let every connection that this process opens from now on end its statements after so long; zero: never.

    It is an option of the connection, so it costs no statement of its own; a pooler in front must let it through.
    """
    if longest:
        for name in connections:
            add_timeout(connections[name].settings_dict["OPTIONS"], longest)


def add_timeout(options: dict[str, Any], longest: timedelta) -> None:
    """Add the limit to the options of a connection, behind those that the database's URL gave."""
    limit = f"-c statement_timeout={int(longest.total_seconds() * 1000)}"
    options["options"] = f"{options.get('options', '')} {limit}".strip()
