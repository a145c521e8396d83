"""The kernel as a Django app."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Dead letters, API keys, breakers; knows no other app."""

    name = "siteadmin.core"
    label = "core"
    verbose_name = "System"
    default_auto_field = "django.db.models.BigAutoField"
