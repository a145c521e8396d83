"""The address policy: what may be connected to, judged on the connected address."""

import ipaddress
import socket
import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siteadmin.core import net
from siteadmin.core.net import AddressRefusedError, check_address, open_connection

SECOND = timedelta(seconds=1)
LAN = [ipaddress.ip_network("192.168.0.0/16"), ipaddress.ip_network("fd00::/8")]
METADATA = [str(network.network_address) for network in net.METADATA]


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "2002:0a00:0001::1",
        "2002:0808:0808::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "::127.0.0.1",
        "::8.8.8.8",
        "fec0::1",
        "100::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(address):
    with pytest.raises(AddressRefusedError):
        check_address(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "172.15.255.255"]
)
def test_public_addresses_pass(address):
    check_address(address)


@pytest.mark.parametrize("address", ["192.168.7.7", "fd12::1", "::ffff:192.168.7.7", "64:ff9b::192.168.7.7"])
def test_allowed_networks_open_private_addresses(address):
    check_address(address, allowed=LAN)


def test_allowed_networks_open_nothing_else():
    with pytest.raises(AddressRefusedError):
        check_address("10.0.0.1", allowed=LAN)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "fe80::1"])
def test_a_trusted_target_may_be_private(address):
    check_address(address, trusted=True)


def _spellings(address: str) -> list[str]:
    ip = ipaddress.ip_address(address)
    if ip.version == 6:
        return [address]
    number = int(ip)
    return [
        address,
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        f"::{address}",
        str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)),
        str(ipaddress.IPv6Address((0x20010000 << 96) | (~number & 0xFFFFFFFF))),
    ]


@pytest.mark.parametrize("address", [spelling for address in METADATA for spelling in _spellings(address)])
def test_metadata_addresses_are_refused_whatever_is_allowed(address):
    everything = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]

    with pytest.raises(AddressRefusedError):
        check_address(address, allowed=everything, trusted=True)


@given(st.ip_addresses(v=4))
def test_every_spelling_of_an_ipv4_address_is_judged_alike(ip):
    def passes(address: str) -> bool:
        try:
            check_address(address, allowed=LAN)
        except AddressRefusedError:
            return False
        return True

    assert passes(f"::ffff:{ip}") == passes(f"64:ff9b::{ip}") == passes(str(ip))


@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_never_passes(ip):
    if ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        with pytest.raises(AddressRefusedError):
            check_address(ip)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_loopback_is_refused_before_anything_is_sent(listener):
    with pytest.raises(AddressRefusedError):
        open_connection("localhost", listener, timeout=SECOND)


def test_the_setting_allows_a_network(listener, settings):
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]

    with open_connection("localhost", listener, timeout=SECOND) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "017700000001"])
def test_odd_spellings_of_loopback_are_refused(host, listener):
    with pytest.raises((AddressRefusedError, socket.gaierror)):
        open_connection(host, listener, timeout=SECOND)


def test_a_name_is_resolved_once_and_the_judged_address_connected_to(listener, monkeypatch):
    answers = iter(["127.0.0.1", "169.254.169.254"])
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(net.socket, "getaddrinfo", getaddrinfo)

    with open_connection("rebinding.example", listener, timeout=SECOND, trusted=True) as connection:
        assert connection.getpeername() == ("127.0.0.1", listener)
    assert asked == ["rebinding.example"]


def test_a_name_with_one_refused_address_is_reached_by_the_other(listener, monkeypatch):
    addresses = ["169.254.169.254", "127.0.0.1"]
    monkeypatch.setattr(
        net.socket,
        "getaddrinfo",
        lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses],
    )

    with open_connection("two.example", listener, timeout=SECOND, trusted=True) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


def test_a_resolver_that_hangs_ends_in_a_timeout(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(net.socket, "getaddrinfo", lambda *_, **__: release.wait(20) and [])

    with pytest.raises(TimeoutError):
        open_connection("slow.example", 80, timeout=timedelta(milliseconds=100))
    release.set()


def test_an_unknown_name_says_so():
    with pytest.raises(socket.gaierror):
        open_connection("no-such-name.invalid", 80, timeout=timedelta(seconds=5))
