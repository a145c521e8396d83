"""Kombu's Redis transport, with one fault mended that ends a worker when Redis dies under a running task.

After a lost connection the worker closes its channel, which asks a transport that is closed already for its
address and so raises AttributeError (kombu 5.7.0). Celery ignores connection errors there, and only these.
"""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    """A channel that says so when its transport is closed."""

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        if getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("the connection to the broker is closed")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[misc] # not in the stubs


class Transport(redis.Transport):
    """The Redis transport with this channel."""

    Channel = Channel
