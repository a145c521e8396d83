"""Keeping connections as the process does, and looks at what brokers were told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alerts.models import Channel, MqttConnection
from alerts.services.channels import create_channel
from alerts.services.mqtt.keeper import Keeper
from tests.fakes.mqtt_broker import MqttBroker
from tests.waiting import wait_until

BASE, HA = "siteadmin/cameras/front", "homeassistant"


@contextmanager
def keeping() -> Iterator[None]:
    """Keep the connections in a thread, as the process does."""
    stop = threading.Event()
    thread = threading.Thread(target=Keeper().run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def channel_to(broker: MqttBroker | None = None, *, name: str = "HA", **config: Any) -> Channel:
    """Make a channel to this broker, or to one that is not there."""
    port = 9 if broker is None else broker.port
    return create_channel(name=name, kind="mqtt", config={"host": "127.0.0.1", "port": port, **config})


def state_of(channel: Channel) -> MqttConnection:
    """Give how the channel's connection stands now."""
    return MqttConnection.objects.get(channel=channel)


def wait_for_problem(channel: Channel, *words: str) -> str:
    """Wait until the channel's connection has a problem that is said with these words."""

    def found() -> str:
        problem = state_of(channel).problem
        return problem if problem and all(word in problem for word in words) else ""

    return wait_until(found, what=f"a problem with {words}")


def wait_kept(broker: MqttBroker, topic: str, payload: bytes | None) -> None:
    """Wait until somebody who comes now is told this on a topic."""
    wait_until(
        lambda: (broker.kept(topic) or None) == payload, message=lambda: f"{topic}: {broker.kept(topic)!r} is kept"
    )
