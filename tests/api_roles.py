"""Who may what over the API: one committed table of every path and verb, made by asking the real router.

`UPDATE_API_ROLES=1 make test ARGS=tests/test_api_roles.py` writes the present answers into api_roles.txt; the diff is
part of the review. A cell is the refusal (401, 403, 404), or `yes` where nothing but the body was looked at.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siteadmin import api

TABLE = Path(__file__).with_name("api_roles.txt")
REFUSALS = (401, 403, 404)
PLACEHOLDER = re.compile(r"\(\?P<(\w+)>[^)]*\)")


@dataclass(frozen=True, slots=True)
class Route:
    """One verb of one path; `basename` tells whose ids it takes."""

    method: str
    path: str
    basename: str
    view: Any

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    def address(self, ids: Mapping[str, Any]) -> str:
        """Put a row's ids into the path."""
        return PLACEHOLDERS.sub(lambda found: str(ids[f"{self.basename}.{found[1]}"]), self.path)


PLACEHOLDERS = re.compile(r"\{(\w+)\}")


def routes() -> Iterator[Route]:
    """Give every verb of every path of the product's own router."""
    for pattern in api.urlpatterns:
        callback: Any = pattern.callback  # type: ignore[union-attr]  # the API includes nothing
        path = PLACEHOLDER.sub(r"{\1}", str(pattern.pattern)).strip("^$").removesuffix("/?")
        actions = getattr(callback, "actions", None)
        view = getattr(callback, "cls", None) or callback.view_class
        if path == ".*":
            continue
        for method in list(actions or [name for name in ("get", "post", "patch", "delete") if hasattr(view, name)]):
            if method != "head":
                yield Route(method, f"/api/{path}".removesuffix("/"), callback.initkwargs.get("basename", ""), view)


def read_table() -> dict[str, dict[str, str]]:
    """Give the committed cells by route and column."""
    lines = TABLE.read_text().splitlines() if TABLE.exists() else []
    if not lines:
        return {}
    columns = lines[0].split()[1:]
    table = {}
    for line in lines[1:]:
        *name, cells = line.split(" ", 2)[:2], line.split()[2:]
        table[" ".join(*name)] = dict(zip(columns, cells, strict=True))
    return table


def write_column(column: str, cells: Mapping[str, str], *, order: list[str]) -> None:
    """Write one column of the table; routes that are no more go."""
    table = read_table()
    columns = [name for name in order if name == column or any(name in row for row in table.values())]
    width = max(map(len, cells)) + 2
    lines = ["route".ljust(width) + " ".join(columns)]
    for name in sorted(cells, key=lambda route: (route.split()[1], route)):
        row = {**table.get(name, {}), column: cells[name]}
        lines.append(name.ljust(width) + " ".join(row.get(one, "?").ljust(len(one)) for one in columns).rstrip())
    TABLE.write_text("\n".join(lines) + "\n")


def is_update() -> bool:
    """Tell whether the table is to be written."""
    return os.environ.get("UPDATE_API_ROLES") == "1"
