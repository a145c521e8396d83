"""Examples of what the API gives and takes, by the schema's name; a test holds each against its schema."""

from typing import Any

AT = "2026-03-14T21:58:00Z"
NIGHT = {"days": ["monday", "sunday"], "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]

CAMERA = {"id": "front_door", "name": "Front Door", "folder_path": "front_door", "timezone": "Europe/Berlin"}
ZONE = {"name": "Driveway", "zone_type": "driveway", "coordinates": SQUARE, "color": "#3b82f6", "enabled": True}
MASK = {"name": "Street", "coordinates": SQUARE, "object_types": ["car"], "enabled": True}
DETECTION_LIMIT = {"camera": "front_door", "object_type": "cat", "min_confidence": 0.7}
BOX = {"x": 10, "y": 20, "width": 60, "height": 160}
FRAME = {"width": 640, "height": 480}
RULE = {
    "name": "Somebody at night",
    "severity": "high",
    "risk_threshold": 60,
    "camera_ids": ["front_door"],
    "object_types": ["person"],
    "min_confidence": 0.6,
    "schedule": NIGHT,
    "cooldown_seconds": 300,
    "channel_ids": [1],
}
CHANNEL = {
    "name": "Home automation",
    "kind": "webhook",
    "config": {"url": "https://hooks.example.com/siteadmin", "headers": {"X-Token": "secret"}},
}
MODE = {
    "name": "holiday",
    "switch_times": {"timezone": "Europe/Berlin", "times": [{"days": ["friday"], "at": "18:00"}]},
}
SILENCE = {"camera_ids": ["front_door"], "ends_at": AT, "comment": "Painters are here"}
QUIET_HOURS = {"channel": 1, "schedule": NIGHT, "critical_passes": True, "enabled": True}
FEEDBACK = {"verdict": "severity_wrong", "expected_level": "low"}
NEW_DETECTION = {
    "camera": "front_door",
    "detected_at": AT,
    "object_type": "person",
    "confidence": 0.9,
    "bbox": BOX,
    "frame": FRAME,
    "external_id": "a-1",
}
EVENT = {
    "id": 12,
    "camera": "front_door",
    "started_at": AT,
    "ended_at": AT,
    "state": "closed",
    "risk_score": 62,
    "risk_level": "high",
    "scored_by": "builtin",
    "summary": "1 person at Front Door, Driveway",
    "reasoning": "person +40, confidence 0.90 +9, at night +13 = 62",
    "object_types": ["person"],
    "zones": [3],
    "detection_count": 2,
    "reviewed": False,
    "reviewed_by": None,
    "reviewed_at": None,
    "notes": "",
    "kept": False,
    "version": 1,
    "analysis": None,
}
ALERT = {
    "id": 7,
    "event": 12,
    "rule": 1,
    "rule_name": "Somebody at night",
    "camera": "front_door",
    "trigger": "event",
    "severity": "high",
    "status": "delivered",
    "dedup_key": "front_door:1",
    "matched_conditions": ["risk score 62 is at least 60", "person with confidence 0.90"],
    "suppressed_count": 0,
    "suppression_reason": "",
    "created_at": AT,
    "delivered_at": AT,
    "acknowledged_by": None,
    "acknowledged_at": None,
    "dismissed_by": None,
    "dismissed_at": None,
    "snoozed_by": None,
    "snoozed_at": None,
    "snoozed_until": None,
    "escalation": None,
    "note": "",
    "version": 1,
}

EXAMPLES: dict[str, Any] = {
    "ActivationRequest": {"expected_version": 3},
    "Alert": ALERT,
    "AlertActionRequest": {"note": "It was the postman"},
    "AlertRuleRequest": RULE,
    "AlertSnoozeRequest": {"minutes": 60},
    "AssignRequest": {"camera": "front_door"},
    "BulkAlertRequest": {"ids": [7, 8], "action": "acknowledge"},
    "BulkDetectionsRequest": {"detections": [NEW_DETECTION]},
    "BulkReviewRequest": {"ids": [12, 13], "reviewed": True},
    "CameraRequest": CAMERA,
    "ChannelRequest": CHANNEL,
    "DetectRequestRequest": {"image_path": "front_door/2026-03-14.jpg"},
    "Detection": {
        "id": 30,
        "snapshot": 5,
        "camera": "front_door",
        "event": 12,
        "object_type": "person",
        "confidence": 0.9,
        "bbox": BOX,
        "frame": FRAME,
        "zones": [3],
        "detected_at": AT,
        "external_id": "",
        "attributes": {},
    },
    "DetectionLimitRequest": DETECTION_LIMIT,
    "Event": EVENT,
    "FeedbackRequest": FEEDBACK,
    "IdsRequest": {"ids": [12, 13]},
    "MaskRequest": MASK,
    "ModeRequest": MODE,
    "NewRulePreviewRequest": {"rule": RULE, "days": 7},
    "PickAndReasonRequest": {"queue": ["deliver"], "reason": "The receiver is gone"},
    "PickRequest": {"ids": [4, 5]},
    "PreviewRequest": {"event": 12},
    "PreviewRequestRequest": {"days": 7},
    "PromptVersionRequest": {
        "text": "Judge this event of {weekday}, {time}: {event} A simple rule gives it {builtin_score}.",
        "note": "Shorter",
        "expected_version": 3,
    },
    "QuietHoursRequest": QUIET_HOURS,
    "ReasonRequest": {"reason": "The receiver is gone"},
    "SilenceRequest": SILENCE,
    "SnoozeRequest": {"camera": "front_door", "minutes": 60},
    "ZoneRequest": ZONE,
}
PATCHES: dict[str, Any] = {
    "PatchedAlertRuleRequest": {"enabled": False, "version": 1},
    "PatchedCameraRequest": {"name": "Porch", "version": 1},
    "PatchedChannelRequest": {"enabled": False, "version": 1},
    "PatchedDetectionLimitRequest": {"min_confidence": 0.8, "version": 1},
    "PatchedEventRequest": {"reviewed": True, "notes": "The postman", "version": 1},
    "PatchedFeedbackRequest": {"verdict": "accurate", "version": 1},
    "PatchedMaskRequest": {"enabled": False, "version": 1},
    "PatchedModeRequest": {"name": "vacation", "version": 1},
    "PatchedQuietHoursRequest": {"enabled": False, "version": 1},
    "PatchedSilenceRequest": {"ends_at": AT, "version": 1},
    "PatchedZoneRequest": {"enabled": False, "version": 1},
}
"""What of a resource is changed."""
