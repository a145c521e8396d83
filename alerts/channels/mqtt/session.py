"""One conversation with a broker, on a socket whose address was judged."""

import contextlib
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from alerts.channels.base import ChannelError, Config
from alerts.channels.mqtt.topics import Publication
from siteadmin.core import net

DEADLINE = timedelta(seconds=20)
"""For the whole conversation about one alert, far below a delivery's lease; a kept one has so long for each step."""
CONNECT_SECONDS = 10
"""For the TCP connection, and as much again for TLS."""
KEEPALIVE_SECONDS = 15
"""A broker that hears nothing for 1.5 times as long publishes the last will."""
STEP_SECONDS = 0.2
MOST_HEARD = 200
"""Messages kept until somebody looks at them; of more, the newest."""
REFUSED_LOGIN = frozenset({"Bad user name or password", "Not authorized"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who keeps a connection, and what the broker tells all others when it breaks."""

    client_id: str
    """The broker ends an older connection under the same name."""
    last_will: Publication


class Session:
    """One conversation with a broker, over as a whole at the deadline, which `run` sets anew."""

    def __init__(self, config: Config, *, identity: Identity | None = None, deadline: timedelta = DEADLINE) -> None:
        self._config = config
        self._patience = deadline.total_seconds()
        self._until = time.monotonic() + self._patience
        self._answer: ReasonCode | None = None
        self._has_last_will = identity is not None
        self._subscribed: set[int] = set()
        self.heard: deque[MQTTMessage] = deque(maxlen=MOST_HEARD)
        """What came on topics that were subscribed to, oldest first; the reader takes it out."""
        self._client = _make_client(config, identity=identity)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda client, userdata, message_id, *_: self._subscribed.add(message_id)
        self._client.on_message = lambda client, userdata, message: self.heard.append(message)

    def __enter__(self) -> Self:
        try:
            _connect(self._client, self._config)
            self._wait(lambda: self._answer is not None)
        except BaseException:
            self._close()
            raise
        assert self._answer is not None
        if self._answer.is_failure:
            self._close()
            name = self._answer.getName()
            raise ChannelError(f"The broker refused the connection: {name}", permanent=name in REFUSED_LOGIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._has_last_will:
            self._drop()
        else:
            self._close()

    def publish(self, publications: Iterable[Publication]) -> None:
        """Hand the messages to the broker in this order with QoS 1, all acknowledged; raises ChannelError."""
        sent = [self._client.publish(one.topic, one.payload, qos=1, retain=one.retain) for one in publications]
        self._wait(lambda: all(info.is_published() for info in sent))

    def subscribe(self, *topics: str) -> None:
        """Hear what comes on these topics from now on, and what the broker keeps of them; raises ChannelError."""
        _, message_id = self._client.subscribe([(topic, 1) for topic in topics])
        self._wait(lambda: message_id in self._subscribed)

    def run(self, span: timedelta) -> None:
        """Listen, and keep the connection alive, for so long; raises ChannelError where it breaks."""
        until = time.monotonic() + span.total_seconds()
        self._until = until + self._patience
        self._wait(lambda: time.monotonic() >= until)

    def _connected(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._answer = reason

    def _wait(self, done: Callable[[], bool]) -> None:
        while not done():
            if time.monotonic() >= self._until:
                raise ChannelError("The broker did not answer in time", permanent=False)
            if self._client.loop(STEP_SECONDS) != MQTTErrorCode.MQTT_ERR_SUCCESS and not done():
                raise ChannelError("The connection to the broker broke", permanent=False)

    def _drop(self) -> None:
        """Let go without a goodbye, so that the broker publishes the last will."""
        connection = self._client.socket()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._client.disconnect()
        with contextlib.suppress(OSError):
            self._client.loop(0)


class _JudgedClient(Client):
    """paho's client on a socket whose address was judged; it asks this method for its one connection."""

    def _create_socket(self) -> socket.socket:
        timeout = self._connect_timeout
        connection = net.open_connection(self._host, self._port, timeout=timedelta(seconds=timeout))
        if self._ssl_context is None:
            return connection
        connection.settimeout(timeout)  # for the handshake as a whole, which closes it where it fails
        return self._ssl_context.wrap_socket(connection, server_hostname=self._host)


def tls_context(authority: str) -> ssl.SSLContext:
    """Give a context that trusts this authority (PEM) alone, or the system's where it is empty; raises ValueError."""
    try:
        return ssl.create_default_context(cadata=authority.encode("ascii").decode() or None)
    except (ssl.SSLError, UnicodeError) as error:
        raise ValueError("no certificate in PEM") from error


def _make_client(config: Config, *, identity: Identity | None) -> Client:
    client = _JudgedClient(
        CallbackAPIVersion.VERSION2,
        client_id="" if identity is None else identity.client_id,
        protocol=MQTTProtocolVersion.MQTTv311,
    )
    client.connect_timeout = CONNECT_SECONDS
    if config["username"]:
        client.username_pw_set(config["username"], config["password"] or None)
    if config["tls"]:
        client.tls_set_context(tls_context(config.get("ca_certificate", "")))
    if identity is not None:
        will = identity.last_will
        client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
    return client


def _connect(client: Client, config: Config) -> None:
    """Connect; the broker's answer comes later. Raises ChannelError."""
    try:
        client.connect(config["host"], config["port"], keepalive=KEEPALIVE_SECONDS)
    except net.AddressRefusedError as error:
        raise ChannelError(f"The broker may not be connected to: {error}", permanent=True) from error
    except ssl.SSLCertVerificationError as error:
        text = f"The broker's certificate is not trusted: {error.verify_message}"
        raise ChannelError(text, permanent=False) from error
    except ssl.SSLError as error:
        raise ChannelError("The broker speaks no TLS on this port", permanent=False) from error
    except TimeoutError as error:
        raise ChannelError("The broker did not answer in time", permanent=False) from error
    except OSError as error:
        raise ChannelError("No connection to the broker could be made", permanent=False) from error
