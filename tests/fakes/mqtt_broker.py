"""A real MQTT broker (amqtt) on loopback, in a thread of its own, with somebody who listens to everything."""

import asyncio
import gc
import socket
import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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

    def __init__(
        self, *, port: int | None = None, password: str | None = None, certificate: Path | None = None
    ) -> None:
        self.port = port or _free_port()
        self._password = password
        self._certificate = certificate
        """PEM, with `key.pem` beside it: speak TLS."""
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
        if self._certificate is not None:
            self._listener.tls_set(str(self._certificate))
        self._listener.connect("localhost", self.port)
        self._listener.loop_start()
        self._listener.subscribe("#", qos=1)
        assert self._subscribed.wait(10)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, with all that it kept; again does nothing."""
        if not self._thread.is_alive():
            return
        self._listener.disconnect()
        self._listener.loop_stop()
        self._run(self._refuse_newcomers())  # amqtt's shutdown may wait for ever for one who comes meanwhile
        with suppress(TimeoutError):  # and for one whose connection breaks meanwhile
            self._run(self._broker.shutdown())
        self._run(asyncio.sleep(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()
        with warnings.catch_warnings():  # amqtt leaves its ends of broken connections to the collector
            warnings.simplefilter("ignore", ResourceWarning)
            del self._broker
            gc.collect()

    def wait_for(self, topic: str, *, count: int = 1) -> list[MQTTMessage]:
        """Give the messages of a topic once there are `count` of them."""
        wait_until(lambda: len(self.on(topic)) >= count)
        return self.on(topic)

    def on(self, topic: str) -> list[MQTTMessage]:
        """Give what came on a topic."""
        return [message for message in list(self.received) if message.topic == topic]

    def payloads(self, topic: str) -> list[bytes]:
        """Give the payloads that came on a topic, in order."""
        return [message.payload for message in self.on(topic)]

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Say something to whoever listens."""
        self._listener.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def kept(self, topic: str) -> bytes | None:
        """Give what somebody who comes now is told on a topic; None where the broker keeps nothing."""
        retained = self._broker._retained_messages.get(topic)
        return None if retained is None else bytes(retained.data)

    async def _start(self) -> Broker:
        plugins: dict[str, Any] = {}
        if self._password is None:
            plugins["amqtt.plugins.authentication.AnonymousAuthPlugin"] = {"allow_anonymous": True}
        else:
            plugins["tests.fakes.mqtt_broker.OnePassword"] = {"password": self._password}
        listener: dict[str, Any] = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
        if self._certificate is not None:
            listener |= {"ssl": True, "certfile": str(self._certificate)}
            listener["keyfile"] = str(self._certificate.with_name("key.pem"))
        config = {"listeners": {"default": listener}, "plugins": plugins}
        broker = Broker(config)
        await broker.start()
        return broker

    async def _refuse_newcomers(self) -> None:
        for server in self._broker._servers.values():
            server.instance.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])
