"""How often somebody may do something: a quota a window, by role. Pure; settings read theirs with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from siteadmin.core.roles import Role

RATE = re.compile(r"([1-9]\d{0,8})/([1-9]\d{0,4})?(s|second|m|min|minute|h|hour|d|day)", re.ASCII)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
RATES_TAKE = (
    "a rate such as 600/minute or 20/10s, or off; then, where a role has its own, words such as viewer=300/minute "
    f"(roles: {', '.join(Role.values)})"
)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many within so many seconds."""

    quota: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Rates:
    """The usual rate and those of single roles; None: no limit."""

    usual: Rate | None
    by_role: Mapping[str, Rate | None] = field(default_factory=dict)

    def of(self, role: Role | None) -> Rate | None:
        """Give the rate of whoever has this role."""
        return self.usual if role is None else self.by_role.get(role.value, self.usual)


def parse_rates(text: str) -> Rates:
    """Read `600/minute viewer=300/minute`; ValueError for anything else."""
    usual, *others = text.split()
    by_role = {}
    for word in others:
        name, _, rate = word.partition("=")
        by_role[Role(name).value] = parse_rate(rate)
    return Rates(parse_rate(usual), by_role)


def parse_rate(text: str) -> Rate | None:
    """Read `600/minute`, or `off` for no limit; ValueError for anything else."""
    if text == "off":
        return None
    found = RATE.fullmatch(text)
    if found is None:
        raise ValueError("not a rate")
    quota, number, unit = found.groups()
    return Rate(int(quota), int(number or 1) * SECONDS[unit[0]])
