"""The admin's look and its side bar (django-unfold)."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _item(title: str, icon: str, url_name: str, permission: str = "") -> dict[str, Any]:
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(url_name)}
    if permission:
        item["permission"] = lambda request: request.user.has_perm(permission)
    return item


def _models(*rows: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Give side bar items of models, each `(title, icon, "app.model")`, for whoever may see them."""
    return [
        _item(
            title,
            icon,
            f"admin:{label.replace('.', '_')}_changelist",
            f"{label.split('.')[0]}.view_{label.split('.')[1]}",
        )
        for title, icon, label in rows
    ]


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "siteadmin",
    "SITE_HEADER": "siteadmin",
    "SITE_URL": "/",
    "SITE_SYMBOL": "shield",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("siteadmin/favicon.svg")},
    ],
    "ACCOUNT": {
        "navigation": [
            {"title": "Notifications on this device", "link": reverse_lazy("devices")},
            {"title": "Two-factor login", "link": reverse_lazy("two-factor")},
        ]
    },
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: static("siteadmin/site.css")],
    "SCRIPTS": [lambda request: static("siteadmin/times.js")],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        }
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Watch",
                "items": [
                    {**_item("Dashboard", "dashboard", "dashboard"), "active": lambda request: request.path == "/"},
                    {
                        **_item("Review", "fact_check", "review"),
                        "active": lambda request: request.path.startswith("/review/"),
                    },
                    *_models(
                        ("Events", "motion_sensor_active", "events.event"),
                        ("Alerts", "notifications", "alerts.alert"),
                        ("Snapshots", "photo_library", "cameras.snapshot"),
                        ("Detections", "frame_person", "events.detection"),
                        ("Feedback", "rate_review", "events.eventfeedback"),
                    ),
                ],
            },
            {
                "title": "Set up",
                "separator": True,
                "items": _models(
                    ("Cameras", "videocam", "cameras.camera"),
                    ("Unassigned uploads", "question_mark", "cameras.unassignedupload"),
                    ("Zones", "polyline", "cameras.zone"),
                    ("Masks", "visibility_off", "cameras.mask"),
                    ("Detection limits", "tune", "cameras.detectionlimit"),
                    ("Alert rules", "rule", "alerts.alertrule"),
                    ("Channels", "send", "alerts.channel"),
                    ("Modes", "toggle_on", "alerts.mode"),
                    ("Silences", "notifications_off", "alerts.silence"),
                    ("Quiet hours", "bedtime", "alerts.quiethours"),
                    ("Prompts", "edit_note", "events.promptversion"),
                ),
            },
            {
                "title": "System",
                "separator": True,
                "items": [
                    *_models(
                        ("Deliveries", "outbox", "alerts.delivery"),
                        ("MQTT connections", "hub", "alerts.mqttconnection"),
                        ("Silent cameras", "videocam_off", "cameras.camerastatuschange"),
                        ("Analyses", "psychology", "events.analysis"),
                        ("Enrichments", "label", "events.enrichment"),
                        ("Dead letters", "report", "core.deadletter"),
                        ("Breakers", "electrical_services", "core.breakerstate"),
                        ("Audit trail", "history", "core.auditentry"),
                        ("API keys", "key", "core.apikey"),
                        ("Users", "person", "auth.user"),
                        ("Failed logins", "lock", "axes.accessattempt"),
                        ("Groups", "group", "auth.group"),
                    ),
                    _item("REST API", "api", "api-root"),
                ],
            },
        ],
    },
}
