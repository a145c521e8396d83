"""How the OpenAPI schema is made (drf-spectacular)."""

from typing import Any

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "siteadmin",
    "DESCRIPTION": "Uploaded camera pictures, what is on them, the events they make and who was told.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "siteadmin.core.schema.close_requests",
        "siteadmin.openapi.show_answers",
    ],
    "PREPROCESSING_HOOKS": ["siteadmin.core.schema.strip_slashes"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # Risk levels and severities are the same four words; states and triggers have words of their own by resource.
    "ENUM_NAME_OVERRIDES": {
        "LevelEnum": "events.choices.RiskLevel",
        "SnapshotStateEnum": "cameras.choices.SnapshotState",
        "PictureTriggerEnum": "cameras.choices.Trigger",
        "RuleTriggerEnum": "alerts.choices.RuleTrigger",
        "EventStateEnum": "events.choices.EventState",
        "WorkStateEnum": "events.choices.WorkState",
        "DeliveryStateEnum": "alerts.choices.DeliveryState",
        "PartStateEnum": ["ok", "degraded", "down"],
        "DeadLetterStateEnum": "siteadmin.core.models.DeadLetter.State",
    },
}
