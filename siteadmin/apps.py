"""The composition as a Django app: commands and checks of the whole."""

from django.apps import AppConfig


class SiteadminConfig(AppConfig):
    """Holds what belongs to no single app."""

    name = "siteadmin"
    label = "siteadmin"
