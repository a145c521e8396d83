"""Reads and atomic writes of what brokers are told of cameras."""

import uuid
from typing import TYPE_CHECKING

from django.db import connections
from django.db.models.functions import Now

from alerts.choices import ChannelKind
from siteadmin.core.claims import ClaimableRepository

if TYPE_CHECKING:
    from alerts.models import CameraState

STANDING = """
    SELECT camera.id AS camera_id, camera.deleted_at IS NULL AS exists, concat_ws(
        ':', camera.deleted_at IS NULL, newest.id, newest.state, newest.detection_count, newest.risk_score,
        newest.scored_by, EXISTS (
            SELECT FROM events_event event
            WHERE event.camera_id = camera.id AND event.state = 'open' AND event.deleted_at IS NULL
                AND event.merged_into_id IS NULL
        ), camera.name
    ) AS standing
    FROM cameras_camera camera
    LEFT JOIN LATERAL (
        SELECT * FROM events_event event
        WHERE event.camera_id = camera.id AND event.deleted_at IS NULL AND event.merged_into_id IS NULL
        ORDER BY event.started_at DESC, event.id DESC LIMIT 1
    ) newest ON TRUE
"""
"""How each camera stands, in a text that changes whenever something changes that brokers are told."""


class CameraStateRepository(ClaimableRepository["CameraState"]):
    """Look-ups and writes of camera states."""

    def ask_for_changed(self) -> list[int]:
        """Let brokers be told of cameras that stand otherwise than they were told; gives the rows, each to one caller.

        What waits already is left as it is: it is told of the newest state by itself.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO alerts_camerastate AS state (channel_id, camera_id, told, attempts, due_at)
                SELECT channel.id, camera.camera_id, '', 0, now()
                FROM alerts_channel channel CROSS JOIN ({STANDING}) camera
                LEFT JOIN alerts_camerastate known
                    ON known.channel_id = channel.id AND known.camera_id = camera.camera_id
                WHERE channel.kind = %s AND channel.enabled
                    AND CASE WHEN known.id IS NULL THEN camera.exists
                        ELSE known.due_at IS NULL AND known.told <> camera.standing END
                ORDER BY channel.id, camera.camera_id
                ON CONFLICT (channel_id, camera_id) DO UPDATE SET due_at = now() WHERE state.due_at IS NULL
                RETURNING id
                """,  # noqa: S608 - of constants
                [ChannelKind.MQTT.value],
            )
            return [row[0] for row in cursor.fetchall()]

    def get_claimed(self, state_id: int, *, token: uuid.UUID) -> "CameraState | None":
        """Give the row with its camera and channel, if the claim is still ours."""
        rows = self.get_queryset().select_related("channel", "camera")
        return rows.filter(pk=state_id, claim_token=token).first()

    def standing_of(self, camera_id: str) -> str:
        """Give how the camera stands, as `told` will remember it."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(f"SELECT standing FROM ({STANDING}) camera WHERE camera_id = %s", [camera_id])  # noqa: S608
            row = cursor.fetchone()
        return str(row[0]) if row else ""

    def forget_told(self, channel_id: int) -> None:
        """Let a broker be told of everything anew, and at once what waits for another try."""
        rows = self.get_queryset().filter(channel_id=channel_id)
        rows.filter(due_at=None).update(told="")
        rows.filter(due_at__isnull=False, claim_token=None).update(due_at=Now(), attempts=0)
