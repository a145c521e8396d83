"""Keeps a connection for every MQTT channel that is on; channels come, go and change while it runs."""

import threading
import time
from datetime import timedelta

import structlog
from django.db import close_old_connections

from alerts.models import Channel
from alerts.services.mqtt.link import OUTAGES, Farewell, Link, place_of

logger = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(seconds=2)
"""How soon a channel that was switched on is connected."""
END_WITHIN = timedelta(seconds=8)
"""How long the farewells may take altogether when the process is told to stop."""


class Keeper:
    """The connections of this process."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._leaving: list[Link] = []

    def run(self, stop: threading.Event) -> None:
        """Keep them until `stop` is set, then say goodbye to every broker."""
        logger.info("mqtt_keeper_started")
        while not stop.is_set():
            try:
                self.look()
            except OUTAGES as error:
                logger.warning("mqtt_database_away", error=type(error).__name__)
            close_old_connections()
            stop.wait(LOOK_EVERY.total_seconds())
        self.end()

    def look(self) -> None:
        """Start and end connections as the channels want it now."""
        channels = {channel.pk: channel for channel in Channel.objects.with_broker() if channel.is_readable}
        self._leaving = [link for link in self._leaving if link.is_alive()]
        for channel_id, link in list(self._links.items()):
            channel = channels.get(channel_id)
            if channel is not None and channel.config == link.config and link.is_alive():
                link.channel_name = channel.name
                continue
            del self._links[channel_id]
            self._leaving.append(link)
            link.end(self._farewell(link, channel))
        for channel_id, channel in channels.items():
            if channel_id not in self._links:
                self._links[channel_id] = Link(channel)
                self._links[channel_id].start()

    def end(self) -> None:
        """End all connections; what does not end in time ends with the process."""
        for link in self._links.values():
            link.end()
        until = time.monotonic() + END_WITHIN.total_seconds()
        for link in [*self._links.values(), *self._leaving]:
            link.join(max(until - time.monotonic(), 0))

    def _farewell(self, link: Link, channel: Channel | None) -> Farewell:
        if any(other.place == link.place for other in self._links.values()):
            return Farewell.NOTHING
        if channel is None:
            return Farewell.OFFLINE if Channel.objects.exists(link.channel_id) else Farewell.TAKE_BACK
        return Farewell.OFFLINE if place_of(channel.config) == link.place else Farewell.TAKE_BACK
