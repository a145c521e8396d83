"""The MQTT channel: its settings, and one alert handed to its broker."""

import json
from typing import Any

from django.conf import settings

from alerts.channels.base import (
    MASK,
    Config,
    ConfigError,
    Message,
    Sent,
    address_problem,
    refuse_secret,
    refuse_unknown_keys,
)
from alerts.channels.mqtt.session import Session, tls_context
from alerts.channels.mqtt.topics import NOT_IN_A_TOPIC, Publication, Topics
from alerts.messages import ALERT_DIGEST, CHANNEL_DISABLED, CHANNEL_TEST
from alerts.results import Notice

PORT, TLS_PORT = 1883, 8883
LONGEST_TEXT = 200
LONGEST_AUTHORITY = 20_000
EVENT_TYPES = {ALERT_DIGEST: "digest", CHANNEL_DISABLED: "notice", CHANNEL_TEST: "test"}
"""Beside the severities of alerts."""
DEFAULTS: Config = {
    "host": "",
    "port": None,
    "tls": False,
    "ca_certificate": "",
    "username": "",
    "password": "",
    "topic_prefix": "siteadmin",
    "discovery_prefix": "homeassistant",
}


class MqttTransport:
    """One message with QoS 1 an attempt, accepted when the broker has acknowledged it."""

    wants_picture = False
    knows_keys = False

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
            "event_type": alert["severity"] if alert else EVENT_TYPES[notice.type],
            "id": key,
            "type": notice.type,
            "title": notice.title,
            **notice.data,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    def send(self, message: Message, *, config: Config, secrets: tuple[str, ...] = ()) -> Sent:
        """Publish the alert; what lets Home Assistant find its entity is told over the kept connection."""
        with Session(config) as session:
            session.publish([Publication(topics_of(config).alert, message.body)])
        return Sent()


def topics_of(config: Config) -> Topics:
    """Give the topics of a channel with these settings."""
    return Topics(config["topic_prefix"], config["discovery_prefix"], settings.SITE_URL)


def _problems(config: Config) -> dict[str, str]:
    host, port = config["host"], config["port"]
    problems = {
        "host": _text_problem(host) or ("" if host else "This field is required") or _host_problem(host),
        "tls": "" if isinstance(config["tls"], bool) else "Takes true or false",
        "ca_certificate": _authority_problem(config["ca_certificate"]),
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


def _authority_problem(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_AUTHORITY:
        return f"Takes certificates in PEM, up to {LONGEST_AUTHORITY} signs"
    try:
        tls_context(value)
    except ValueError:
        return "Takes the certificate of the authority in PEM: -----BEGIN CERTIFICATE----- and what follows"
    return ""


def _text_problem(value: Any) -> str:
    valid = isinstance(value, str) and len(value) <= LONGEST_TEXT and (not value or value.isprintable())
    return "" if valid else f"Takes one line of up to {LONGEST_TEXT} signs"
