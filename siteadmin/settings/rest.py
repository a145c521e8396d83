"""How the REST API answers (Django REST framework), and what each role may do in the admin."""

from datetime import timedelta

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "siteadmin.core.authentication.ApiKeyAuthentication",
        "siteadmin.core.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["siteadmin.core.permissions.RolePermission"],
    "DEFAULT_THROTTLE_CLASSES": ["siteadmin.core.throttling.RequestThrottle"],
    "DEFAULT_PAGINATION_CLASS": "siteadmin.core.pagination.ListPagination",
    "DEFAULT_FILTER_BACKENDS": [
        "siteadmin.core.filters.StrictFilterBackend",
        "siteadmin.core.filters.StrictOrderingBackend",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "siteadmin.core.negotiation.QualityNegotiation",
    "DEFAULT_RENDERER_CLASSES": [
        "siteadmin.core.renderers.FastJSONRenderer",
        "siteadmin.core.renderers.BrowsableRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": [
        "siteadmin.core.parsers.LimitedJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_SCHEMA_CLASS": "siteadmin.core.schema.ApiSchema",
    "EXCEPTION_HANDLER": "siteadmin.core.problems.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": False,
    "DATETIME_FORMAT": "iso-8601",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

KNOWN_KEYS = timedelta(seconds=5)
"""How long a process believes a key that it has looked up, unless a key is written on the same machine."""

# What the groups named after the roles may do in the admin site, as patterns of app.codename; roles add up.
ROLE_PERMISSIONS = {
    "viewer": ["cameras.view_*", "events.view_*", "alerts.view_alert"],
    "reviewer": ["events.change_event", "alerts.change_alert"],
    "operator": ["cameras.*", "events.*", "alerts.*", "core.view_breakerstate", "core.*_deadletter"],
    "admin": ["*"],
}
