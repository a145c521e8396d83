"""Reads and atomic writes of the connections to MQTT brokers, and of what is told over them."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import F
from django.db.models.functions import Now

from siteadmin.core.claims import database_now
from siteadmin.core.repository import Repository

if TYPE_CHECKING:
    from alerts.models import MqttConnection

STANDING = """
    SELECT camera.id, camera.deleted_at IS NULL, concat_ws(
        ':', newest.id, newest.state, newest.detection_count, newest.risk_score, newest.scored_by, EXISTS (
            SELECT FROM events_event event
            WHERE event.camera_id = camera.id AND event.state = 'open' AND event.deleted_at IS NULL
                AND event.merged_into_id IS NULL
        ), camera.name
    )
    FROM cameras_camera camera
    LEFT JOIN LATERAL (
        SELECT * FROM events_event event
        WHERE event.camera_id = camera.id AND event.deleted_at IS NULL AND event.merged_into_id IS NULL
        ORDER BY event.started_at DESC, event.id DESC LIMIT 1
    ) newest ON TRUE
    WHERE NOT camera.demo
"""
"""How each camera stands, in a text that changes whenever something changes that brokers are told."""


class MqttConnectionRepository(Repository["MqttConnection"]):
    """Look-ups and writes of connections; what a holder writes is dropped where it lost the hold."""

    def hold(self, channel_id: int, *, holder: uuid.UUID, lease: timedelta) -> bool:
        """Take or keep the channel's connection; False where another process has it."""
        values: dict[str, Any] = {"channel": channel_id, "holder": holder, "lease": lease}
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO alerts_mqttconnection AS kept
                    (channel_id, holder, held_until, is_connected, failures, error)
                SELECT id, %(holder)s, clock_timestamp() + %(lease)s::interval, FALSE, 0, ''
                FROM alerts_channel WHERE id = %(channel)s
                ON CONFLICT (channel_id) DO UPDATE
                    SET holder = excluded.holder, held_until = excluded.held_until
                    WHERE kept.holder = excluded.holder OR kept.held_until < clock_timestamp()
                RETURNING channel_id
                """,
                values,
            )
            return cursor.fetchone() is not None

    def expect(self, channel_id: int) -> None:
        """Know nothing of a channel's connection, as if it were about to be made for the first time."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO alerts_mqttconnection AS kept (channel_id, held_until, is_connected, failures, error)
                VALUES (%s, clock_timestamp(), FALSE, 0, '')
                ON CONFLICT (channel_id) DO UPDATE SET held_until = greatest(kept.held_until, excluded.held_until),
                    is_connected = FALSE, since = now(), failures = 0, error = ''
                """,
                [channel_id],
            )

    def note_connected(self, channel_id: int, *, holder: uuid.UUID) -> None:
        """Note that the broker accepted the connection."""
        mine = self.get_queryset().filter(pk=channel_id, holder=holder)
        mine.update(is_connected=True, since=Now(), failures=0, error="")

    def note_failed(self, channel_id: int, *, holder: uuid.UUID, error: str) -> None:
        """Note that there is no connection, and why."""
        mine = self.get_queryset().filter(pk=channel_id, holder=holder)
        mine.filter(failures=0).update(since=Now())
        mine.update(is_connected=False, failures=F("failures") + 1, error=error)

    def release(self, channel_id: int, *, holder: uuid.UUID) -> None:
        """Let go of the connection, so that another process may take it at once."""
        mine = self.get_queryset().filter(pk=channel_id, holder=holder)
        mine.update(is_connected=False, holder=None, held_until=database_now(), since=Now())

    def standings(self) -> dict[str, tuple[bool, str]]:
        """Give of each camera but the demo's whether it exists (still) and how it stands."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(STANDING)
            return {camera_id: (exists, standing) for camera_id, exists, standing in cursor.fetchall()}

    def of_channels(self) -> Sequence[Any]:
        """Give the connections of all channels that are on, with these."""
        return list(self.get_queryset().select_related("channel").filter(channel__enabled=True).order_by("pk"))
