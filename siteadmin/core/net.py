"""Which addresses the product may connect to, checked on the very address that the socket connects to.

A name is resolved once, each address judged, and the connection made to a judged address: a name that
answers differently the second time (DNS rebinding) gains nothing.
"""

import ipaddress
import os
import socket
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SocketAddress = tuple[int, tuple[Any, ...]]
"""An address family and what `socket.connect` takes for it."""

METADATA: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.169.254",  # AWS, Azure, GCP and most others
            "169.254.170.2",  # AWS ECS
            "169.254.170.23",  # AWS EKS
            "168.63.129.16",  # Azure's platform address
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle, classic
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS EKS
            "fd20:ce::254",  # GCP
            "fd00:42::42",  # Scaleway
        ),
    )
)
"""Where clouds hand out credentials to whoever asks from inside: refused whatever is allowed or trusted."""

NEVER: tuple[Network, ...] = tuple(
    map(ipaddress.ip_network, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"))
)
"""Not one host's address: this network, multicast, reserved, broadcast, unspecified."""

SPECIAL: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "2001::/23",  # Teredo, ORCHID and other protocol assignments
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
        ),
    )
)
"""Not public, by the IANA special-purpose registries (RFC 6890): reached only where allowed or trusted."""

GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")

MAX_LOOKUPS = 32
"""Name look-ups under way at once in a process; a resolver that hangs may not pile up threads."""
_lookups = threading.Semaphore(MAX_LOOKUPS)


def _forget_lookups() -> None:
    """Start a forked child with all look-ups free: the parent's threads are not in it to end theirs."""
    global _lookups
    _lookups = threading.Semaphore(MAX_LOOKUPS)


os.register_at_fork(after_in_child=_forget_lookups)


class AddressRefusedError(OSError):
    """The address policy does not let the product connect there."""


def check_address(ip: Address | str, *, allowed: Iterable[Network] = (), trusted: bool = False) -> None:
    """Raise AddressRefusedError unless the product may connect to this address.

    `allowed` opens ranges that are not public; `trusted` (a target named in the settings) opens all of them.
    Metadata addresses stay closed, and so does what is no single host's address.
    """
    ip = ipaddress.ip_address(ip)
    same = _same_host_in_ipv4(ip)
    if same is not None:
        check_address(same, allowed=allowed, trusted=trusted)
        return
    for form in (ip, _tunnelled_ipv4(ip)):
        if form is not None and _in(form, METADATA):
            raise AddressRefusedError("a cloud's metadata address is never connected to")
        if form is not None and _in(form, NEVER):
            raise AddressRefusedError("this is not the address of one host")
    if trusted or _in(ip, allowed):
        return
    if _in(ip, SPECIAL) or (ip.version == 6 and ip not in GLOBAL_IPV6):
        raise AddressRefusedError("the address is not public; OUTBOUND_ALLOWED_NETWORKS may allow it")


def _same_host_in_ipv4(ip: Address) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address of which this is but another spelling: IPv4-mapped, or NAT64's well-known prefix."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else ip.ipv4_mapped


def _tunnelled_ipv4(ip: Address) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address that this IPv6 address tunnels to: 6to4, Teredo or IPv4-compatible."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in IPV4_COMPATIBLE and int(ip) > 1:
        return ipaddress.IPv4Address(int(ip))
    return ip.sixtofour


def open_connection(
    host: str,
    port: int,
    *,
    timeout: timedelta,
    allowed: Iterable[Network] | None = None,
    trusted: bool = False,
) -> socket.socket:
    """Connect over TCP to the first judged address of this host that answers; the whole takes `timeout` at most.

    `allowed` is OUTBOUND_ALLOWED_NETWORKS where not given. Raises AddressRefusedError where no address may be
    connected to, TimeoutError, socket.gaierror for an unknown name, or the OSError of the last try.
    The socket keeps a timeout of what was left.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    networks = list(settings.OUTBOUND_ALLOWED_NETWORKS if allowed is None else allowed)
    found = resolve(host, port, timeout=timeout)
    judged: list[SocketAddress] = []
    refusal: OSError | None = None
    for family, sockaddr in found:
        try:
            check_address(str(sockaddr[0]), allowed=networks, trusted=trusted)
        except AddressRefusedError as error:
            refusal = error
        else:
            judged.append((family, sockaddr))
    if not judged:
        raise refusal or AddressRefusedError("the name has no address")
    for index, (family, sockaddr) in enumerate(judged):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out while connecting")
        try:
            return _connect(family, sockaddr, timeout=left / (len(judged) - index), final=deadline)
        except OSError as error:
            refusal = error
    raise refusal or TimeoutError("timed out while connecting")


def resolve(host: str, port: int, *, timeout: timedelta) -> list[SocketAddress]:
    """Give the (family, sockaddr) of each address of this host, in the resolver's order, once each.

    The system's resolver takes no timeout, so the wait for it ends and its thread is left behind.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    answers: list[SocketAddress] = []
    failures: list[OSError] = []
    if not _lookups.acquire(timeout=max(timeout.total_seconds(), 0)):
        raise TimeoutError("timed out while looking the name up")

    def look_up() -> None:
        try:
            for family, _, _, _, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                answers.append((family, sockaddr))
        except (OSError, UnicodeError) as error:
            failures.append(error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, "no such name"))
        finally:
            _lookups.release()

    if _is_literal(host):
        look_up()
    else:
        thread = threading.Thread(target=look_up, name="name-lookup", daemon=True)
        thread.start()
        thread.join(max(deadline - time.monotonic(), 0))
        if thread.is_alive():
            raise TimeoutError("timed out while looking the name up")
    if failures:
        raise failures[0]
    return list(dict.fromkeys(answers))


def _connect(family: int, sockaddr: tuple[Any, ...], *, timeout: float, final: float) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(sockaddr)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(max(final - time.monotonic(), 0.001))
    except BaseException:
        connection.close()
        raise
    return connection


def _in(ip: Address, networks: Iterable[Network]) -> bool:
    return any(ip in network for network in networks)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
