"""A real MQTT broker (amqtt) on loopback, in a thread of its own, with somebody who listens to everything."""

import asyncio
import socket
import threading
from dataclasses import dataclass
from typing import Any, Self

from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.waiting import wait_until


class OnePassword(BaseAuthPlugin):
    """Lets in whoever knows the password."""

    @dataclass
    class Config:
        """Its settings."""

        password: str = ""

    async def authenticate(self, *, session: Session) -> bool:
        """Compare the password."""
        return bool(session.password == self.config.password)


class MqttBroker:
    """The broker; use as a context manager."""

    def __init__(self, *, port: int | None = None, password: str | None = None) -> None:
        self.port = port or _free_port()
        self._password = password
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.received: list[MQTTMessage] = []
        self._subscribed = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._broker = self._run(self._start())
        self._listener = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        if self._password is not None:
            self._listener.username_pw_set("user", self._password)
        self._listener.on_message = lambda client, userdata, message: self.received.append(message)
        self._listener.on_subscribe = lambda *args: self._subscribed.set()
        self._listener.connect("127.0.0.1", self.port)
        self._listener.loop_start()
        self._listener.subscribe("#", qos=1)
        assert self._subscribed.wait(10)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.disconnect()
        self._listener.loop_stop()
        self._run(self._broker.shutdown())
        self._run(asyncio.sleep(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def wait_for(self, topic: str, *, count: int = 1) -> list[MQTTMessage]:
        """Give the messages of a topic once there are `count` of them."""
        wait_until(lambda: len(self.on(topic)) >= count)
        return self.on(topic)

    def on(self, topic: str) -> list[MQTTMessage]:
        """Give what came on a topic."""
        return [message for message in list(self.received) if message.topic == topic]

    async def _start(self) -> Broker:
        plugins: dict[str, Any] = {}
        if self._password is None:
            plugins["amqtt.plugins.authentication.AnonymousAuthPlugin"] = {"allow_anonymous": True}
        else:
            plugins["tests.fakes.mqtt_broker.OnePassword"] = {"password": self._password}
        config = {"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}}, "plugins": plugins}
        broker = Broker(config)
        await broker.start()
        return broker

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])
