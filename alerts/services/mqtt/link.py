"""Keeps the connection to one channel's broker, in a thread of its own: a broker that hangs holds up no other."""

import threading
import time
import uuid
from datetime import timedelta
from enum import Enum

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.utils.crypto import salted_hmac

from alerts.channels.base import ChannelError, Config
from alerts.channels.mqtt.session import Identity, Session
from alerts.channels.mqtt.transport import topics_of
from alerts.models import Channel, MqttConnection
from alerts.services.mqtt.conversation import Conversation
from siteadmin.core.retry import backoff

logger = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(seconds=1)
"""How often the database is asked for what changed; a change reaches the broker within about that."""
LEASE = timedelta(seconds=10)
"""For so long a process that was killed keeps others from the connection."""
RETRY_BASE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=1)
OUTAGES = (OperationalError, InterfaceError)
"""What Django raises while the database is away."""


class Farewell(Enum):
    """What is done when a connection is ended on purpose."""

    OFFLINE = "say that siteadmin is offline"
    TAKE_BACK = "let the broker forget everything: the channel is gone, or has other topics or another broker"
    NOTHING = "leave what is there: another channel tells the same"


class HoldLostError(Exception):
    """Another process keeps the connection now."""


class Link(threading.Thread):
    """One channel's connection: made, kept, made again when it breaks, until `end`."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(name=f"mqtt-{channel.pk}", daemon=True)
        self.channel_id, self.channel_name = channel.pk, channel.name
        self.config: Config = channel.config
        self._topics = topics_of(channel.config)
        self._token = uuid.uuid4()
        self._over = threading.Event()
        self._farewell = Farewell.OFFLINE

    @property
    def place(self) -> tuple[str, int, str, str]:
        """Which broker, and which topics on it."""
        return place_of(self.config)

    def end(self, farewell: Farewell = Farewell.OFFLINE) -> None:
        """Let the thread end soon, with this farewell."""
        self._farewell = farewell
        self._over.set()

    def run(self) -> None:
        """Keep the connection until the end."""
        failures = 0
        try:
            while not self._over.is_set():
                started, pause = time.monotonic(), LOOK_EVERY
                try:
                    self._keep_hold()
                    self._converse()
                except ChannelError as error:
                    lasted = time.monotonic() - started >= LONGEST_PAUSE.total_seconds()
                    failures = 1 if lasted else failures + 1
                    pause = backoff(failures, base=RETRY_BASE, cap=LONGEST_PAUSE)
                    self._note_failed(str(error))
                except HoldLostError:
                    logger.debug("mqtt_kept_by_another_process", channel=self.channel_id)
                except OUTAGES as error:
                    self._do_without_database(error)
                self._pause(pause)
            MqttConnection.objects.release(self.channel_id, holder=self._token)
        except OUTAGES as error:  # the hold ends by itself
            self._do_without_database(error)
        finally:
            connections.close_all()

    def _converse(self) -> None:
        """Connect and tell until the end; ChannelError when the connection breaks or cannot be made."""
        identity = Identity(_client_id(self.channel_id), self._topics.status_message(online=False))
        with Session(self.config, identity=identity) as session:
            conversation = Conversation(session, self._topics, channel_name=self.channel_name)
            conversation.begin()
            MqttConnection.objects.note_connected(self.channel_id, holder=self._token)
            logger.info("mqtt_connected", channel=self.channel_id)
            while not self._over.is_set():
                conversation.channel_name = self.channel_name
                self._tell(conversation)
                session.run(LOOK_EVERY)
                conversation.hear()
            if self._farewell is Farewell.TAKE_BACK:
                conversation.take_back()
            elif self._farewell is Farewell.OFFLINE:
                conversation.say_offline()
        logger.info("mqtt_disconnected", channel=self.channel_id)

    def _tell(self, conversation: Conversation) -> None:
        """Tell what changed; while the database is away nothing does, and the connection stays."""
        try:
            self._keep_hold()
            for _ in conversation.tell():
                if self._over.is_set():
                    break
                self._keep_hold()
            close_old_connections()
        except OUTAGES as error:
            self._do_without_database(error)

    def _keep_hold(self) -> None:
        if MqttConnection.objects.hold(self.channel_id, holder=self._token, lease=LEASE):
            return
        if Channel.objects.exists(self.channel_id):
            raise HoldLostError  # one that was deleted gets its farewell from the keeper

    def _note_failed(self, error: str) -> None:
        logger.warning("mqtt_not_connected", channel=self.channel_id, error=error)
        try:
            MqttConnection.objects.note_failed(self.channel_id, holder=self._token, error=error)
        except OUTAGES as outage:
            self._do_without_database(outage)

    def _do_without_database(self, error: Exception) -> None:
        logger.warning("mqtt_database_away", channel=self.channel_id, error=type(error).__name__)
        close_old_connections()

    def _pause(self, pause: timedelta) -> None:
        """Wait before the next try, the hold kept: another process would fare no better."""
        until = time.monotonic() + pause.total_seconds()
        while (left := until - time.monotonic()) > 0 and not self._over.wait(min(left, LOOK_EVERY.total_seconds())):
            try:
                MqttConnection.objects.hold(self.channel_id, holder=self._token, lease=LEASE)
                close_old_connections()
            except OUTAGES as error:
                self._do_without_database(error)


def place_of(config: Config) -> tuple[str, int, str, str]:
    """Give which broker, and which topics on it, a channel with these settings tells."""
    return config["host"], config["port"], config["topic_prefix"], config["discovery_prefix"]


def _client_id(channel_id: int) -> str:
    """Name the connection: the same after every start, unlike any other site's, of 23 signs, which all brokers take.

    A broker ends an older connection under the same name, so a dead one's last will cannot come after ours is there.
    """
    return f"siteadmin{salted_hmac('alerts.mqtt', str(channel_id), secret=settings.SECRET_KEY).hexdigest()[:14]}"
