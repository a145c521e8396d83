"""Which names of time zones are taken."""

import pytest

from siteadmin.core.timezones import find_zone


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "Etc/GMT+12", "America/Argentina/Buenos_Aires"])
def test_a_zone_of_the_iana_is_found(name: str) -> None:
    zone = find_zone(name)

    assert zone is not None
    assert zone.key == name


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "localtime", "Factory", "posixrules", "right/Europe/Berlin", "posix/UTC", "Europe", "zone.tab",
     "../etc/passwd", "/etc/localtime", "UTC\0", "x" * 1000, "europe\n"],
)  # fmt: skip
def test_whatever_is_no_zone_to_everybody_is_none(name: str) -> None:
    assert find_zone(name) is None
