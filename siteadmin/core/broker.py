"""Kombu's Redis transport, with one fault mended that ends a worker when Redis dies under a running task.

After a lost connection the worker closes its channel, which asks a transport that is closed already for its
address and so raises AttributeError (kombu 5.7.0). Celery ignores connection errors there, and only these.

It also keeps its client: kombu makes one for each message sent, taken and acknowledged, and making a client costs
more of the processor than the commands that it is made for.
"""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    """A channel that says so when its transport is closed, and keeps its client as long as its pool of connections."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc] # not in the stubs
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[misc] # not in the stubs
        return self._kept

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        if getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("the connection to the broker is closed")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc] # not in the stubs


class Transport(redis.Transport):
    """The Redis transport with this channel."""

    Channel = Channel
