"""MQTT: alerts to a broker, in the form in which Home Assistant finds and shows them (docs/channels.md)."""

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from alerts.channels.base import (
    MASK,
    ChannelError,
    Config,
    ConfigError,
    Message,
    Sent,
    address_problem,
    refuse_secret,
    refuse_unknown_keys,
)
from alerts.channels.mqtt_topics import NOT_IN_A_TOPIC, alert_discovery, alert_topic
from alerts.results import Notice
from siteadmin.core import net

DEADLINE = timedelta(seconds=20)
"""For the whole conversation with the broker; far below the lease of a delivery."""
CONNECT_SECONDS = 10
KEEPALIVE_SECONDS = 15
"""Also paho's limit for the TLS handshake."""
STEP_SECONDS = 0.2
PORT, TLS_PORT = 1883, 8883
LONGEST_TEXT = 200
REFUSED_LOGIN = frozenset({"Bad user name or password", "Not authorized"})
DEFAULTS: Config = {
    "host": "",
    "port": None,
    "tls": False,
    "username": "",
    "password": "",
    "topic_prefix": "siteadmin",
    "discovery_prefix": "homeassistant",
}


@dataclass(frozen=True, slots=True)
class Publication:
    """One message for the broker."""

    topic: str
    payload: bytes
    retain: bool = False


class MqttTransport:
    """One message with QoS 1 an attempt, accepted when the broker has acknowledged it."""

    wants_picture = False

    def validate(self, config: Config, *, old: Config | None = None) -> Config:
        """Check the settings; a masked password keeps the old one."""
        refuse_unknown_keys(config, known=set(DEFAULTS))
        merged = {**DEFAULTS, **config}
        if merged["password"] == MASK and old is not None:
            merged["password"] = old["password"]
        problems = {f"config.{key}": problem for key, problem in _problems(merged).items() if problem}
        if problems:
            raise ConfigError(problems)
        if merged["port"] in (None, ""):
            merged["port"] = TLS_PORT if merged["tls"] else PORT
        return merged

    def mask(self, config: Config) -> Config:
        """Hide the password."""
        return {**config, "password": MASK if config["password"] else ""}

    def make_secret(self, given: str) -> str:
        """There is no secret beside the password."""
        return refuse_secret(given)

    def target(self, config: Config) -> str | None:
        """Name the broker."""
        return f"{config['host']}:{config['port']}".lower()

    def problem(self) -> str:
        """It needs no set-up of the site."""
        return ""

    def compose(self, notice: Notice, *, key: str, config: Config) -> bytes:
        """Give the JSON of Home Assistant's event entities, with all that webhooks tell beside it."""
        alert = notice.data.get("alert")
        body = {
            "event_type": "test" if alert is None else alert["severity"],
            "id": key,
            "type": notice.type,
            "title": notice.title,
            **notice.data,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    def send(self, message: Message, *, config: Config, secrets: tuple[str, ...] = ()) -> Sent:
        """Publish the alert, and before it what lets Home Assistant find its entity."""
        topic, discovery = alert_discovery(config)
        publish(
            config,
            [Publication(topic, discovery, retain=True), Publication(alert_topic(config), message.body)],
        )
        return Sent()


def publish(config: Config, publications: Iterable[Publication]) -> None:
    """Hand the messages to the broker in this order, all acknowledged; raises ChannelError."""
    with Session(config) as session:
        session.publish(publications)


class Session:
    """One conversation with a broker, over as a whole at the deadline."""

    def __init__(self, config: Config, *, deadline: timedelta = DEADLINE) -> None:
        self._config = config
        self._deadline = time.monotonic() + deadline.total_seconds()
        self._answer: ReasonCode | None = None
        self._client = make_client(config)
        self._client.on_connect = self._connected

    def __enter__(self) -> Self:
        try:
            open_session(self._client, self._config)
            self._wait(lambda: self._answer is not None)
        except BaseException:
            self._close()
            raise
        assert self._answer is not None
        if self._answer.is_failure:
            self._close()
            raise refused_login(self._answer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def publish(self, publications: Iterable[Publication]) -> None:
        """Publish with QoS 1 and wait for every acknowledgement."""
        sent = [self._client.publish(one.topic, one.payload, qos=1, retain=one.retain) for one in publications]
        self._wait(lambda: all(info.is_published() for info in sent))

    def _connected(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._answer = reason

    def _wait(self, done: Any) -> None:
        while not done():
            if time.monotonic() >= self._deadline:
                raise ChannelError("The broker did not answer in time", permanent=False)
            if self._client.loop(STEP_SECONDS) != MQTTErrorCode.MQTT_ERR_SUCCESS and not done():
                raise ChannelError("The connection to the broker broke", permanent=False)

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._client.disconnect()
        with contextlib.suppress(OSError):
            self._client.loop(0)


def make_client(config: Config) -> Client:
    """Give a client for this broker, not connected yet."""
    client = _JudgedClient(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.connect_timeout = CONNECT_SECONDS
    if config["username"]:
        client.username_pw_set(config["username"], config["password"] or None)
    if config["tls"]:
        client.tls_set_context(ssl.create_default_context())
    return client


def open_session(client: Client, config: Config) -> None:
    """Connect; the broker's answer comes later. Raises ChannelError."""
    try:
        client.connect(config["host"], config["port"], keepalive=KEEPALIVE_SECONDS)
    except net.AddressRefusedError as error:
        raise ChannelError(f"The broker may not be connected to: {error}", permanent=True) from error
    except ssl.SSLCertVerificationError as error:
        raise ChannelError("The broker's certificate is not trusted", permanent=False) from error
    except TimeoutError as error:
        raise ChannelError("The broker did not answer in time", permanent=False) from error
    except OSError as error:
        raise ChannelError("No connection to the broker could be made", permanent=False) from error


def refused_login(reason: ReasonCode) -> ChannelError:
    """Say what the broker's refusal of a connection means."""
    name = reason.getName()
    return ChannelError(f"The broker refused the connection: {name}", permanent=name in REFUSED_LOGIN)


class _JudgedClient(Client):
    """paho's client on a socket whose address was judged; it asks this method for its one TCP connection."""

    def _create_socket_connection(self) -> socket.socket:
        return net.open_connection(self._host, self._port, timeout=timedelta(seconds=self._connect_timeout))


def _problems(config: Config) -> dict[str, str]:
    host, port = config["host"], config["port"]
    problems = {
        "host": _text_problem(host) or ("" if host else "This field is required") or _host_problem(host),
        "tls": "" if isinstance(config["tls"], bool) else "Takes true or false",
        "username": _text_problem(config["username"]),
        "password": _text_problem(config["password"]),
    }
    if port not in (None, "") and (isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535):
        problems["port"] = "Takes a number from 1 to 65535"
    if config["password"] == MASK:
        problems["password"] = f"{MASK} stands for a value that is kept, and there is none yet"
    elif config["password"] and not config["username"]:
        problems["username"] = "A password takes a user name"
    for key in ("topic_prefix", "discovery_prefix"):
        value = config[key]
        if _text_problem(value) or not value or NOT_IN_A_TOPIC.search(value):
            problems[key] = "Takes letters, digits, - and _, in parts between single slashes"
    return problems


def _host_problem(host: str) -> str:
    if any(sign in host for sign in "/@ ?#"):
        return "Takes a host name or an address, without a scheme"
    return address_problem(host)


def _text_problem(value: Any) -> str:
    valid = isinstance(value, str) and len(value) <= LONGEST_TEXT and (not value or value.isprintable())
    return "" if valid else f"Takes one line of up to {LONGEST_TEXT} signs"
