"""What is told over one kept connection, and what is heard on it."""

from collections.abc import Iterator
from datetime import timedelta

import structlog
from paho.mqtt.client import MQTTMessage

from alerts.channels.mqtt.session import Session
from alerts.channels.mqtt.topics import ONLINE, CameraFacts, Topics
from alerts.models import Mode, MqttConnection
from alerts.services.modes import activate_mode
from alerts.services.mqtt.facts import facts_of_camera
from siteadmin.core.actors import ActorKind, acting_as
from siteadmin.core.clean import clean_text
from siteadmin.core.exceptions import ModeNotFoundError

logger = structlog.get_logger(__name__)

LONGEST_NAME = 200


class Conversation:
    """Tells everything once, then what changes; does what people ask for.

    What was told is remembered for this connection alone: the broker behind the next one may have forgotten it.
    """

    def __init__(self, session: Session, topics: Topics, *, channel_name: str) -> None:
        self.channel_name = channel_name
        self._session = session
        self._topics = topics
        self._modes: list[str] | None = None
        self._mode: str | None = None
        self._cameras: dict[str, tuple[bool, str]] = {}
        self._strangers: set[str] = set()
        """Cameras that the broker keeps something of, as it said itself."""
        self._commands: list[str] = []
        """Modes asked for, in order, that the database has not taken yet."""

    def begin(self) -> None:
        """Listen, and say that siteadmin is there; raises ChannelError, as all the following do."""
        topics = self._topics
        self._session.subscribe(topics.mode_command, topics.status, topics.any_motion)
        self._session.publish([topics.status_message(online=True)])

    def tell(self) -> Iterator[None]:
        """Tell what stands otherwise than it was told, in steps: many cameras take long."""
        self._obey()
        modes = {mode.name: mode.is_active for mode in Mode.objects.in_order()}
        if self._modes != list(modes):
            self._session.publish(self._topics.site_messages(modes=list(modes)))
            self._modes = list(modes)
        active = next((name for name, is_active in modes.items() if is_active), "")
        if self._mode != active:
            self._session.publish([self._topics.mode_message(active)])
            self._mode = active
        standings = MqttConnection.objects.standings()
        while self._strangers:
            camera_id = self._strangers.pop()
            if camera_id not in standings:
                yield from self._tell_camera(CameraFacts(camera_id=camera_id, exists=False))
        for camera_id, standing in standings.items():
            if self._cameras.get(camera_id) != standing:
                # Told as it stands now; what changes meanwhile is told once more.
                yield from self._tell_camera(facts_of_camera(camera_id))
                self._cameras[camera_id] = standing

    def hear(self) -> None:
        """Take out what came."""
        while self._session.heard:
            message = self._session.heard.popleft()
            if message.topic == self._topics.mode_command:
                self._hear_command(message)
            elif message.topic == self._topics.status:
                # Somebody else's last will: another site or channel with the same topics, or an older connection.
                if not message.retain and message.payload != ONLINE:
                    self._session.publish([self._topics.status_message(online=True)])
            elif message.retain and message.payload:
                camera_id = self._topics.camera_of(message.topic)
                if camera_id is not None:
                    self._strangers.add(camera_id)

    def say_offline(self) -> None:
        """Say that siteadmin is not there any more; what was told stays."""
        self._session.publish([self._topics.status_message(online=False)])

    def take_back(self) -> None:
        """Let the broker forget everything."""
        for camera_id in MqttConnection.objects.standings():
            for _ in self._tell_camera(CameraFacts(camera_id=camera_id, exists=False)):
                pass
        self._session.publish(self._topics.forget_site())

    def _tell_camera(self, facts: CameraFacts) -> Iterator[None]:
        self._session.publish(self._topics.camera_messages(facts))
        self._session.run(timedelta(0))  # each has the session's patience
        yield

    def _hear_command(self, message: MQTTMessage) -> None:
        if message.retain:
            # It would be obeyed anew after every connection.
            logger.warning("mqtt_retained_command_ignored", channel=self.channel_name)
            return
        self._commands.append(clean_text(message.payload.decode("utf-8", "replace").strip(), limit=LONGEST_NAME))

    def _obey(self) -> None:
        while self._commands:
            name = self._commands[0]
            try:
                with acting_as(ActorKind.BROKER, self.channel_name):
                    activate_mode(name, by=f"mqtt: {self.channel_name}"[:LONGEST_NAME])
            except ModeNotFoundError:
                logger.warning("mqtt_unknown_mode", channel=self.channel_name, mode=name)
            self._commands.pop(0)
            self._mode = None  # told again, so that whoever asked sees what became of it
