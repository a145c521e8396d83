"""The composition as a Django app: commands and checks of the whole."""

from django.apps import AppConfig

# Makes it Celery's current app before any task is asked for; here and not in the package, so that what starts the
# databases need not wait for Celery to load.
from siteadmin.celery import app as celery_app


class SiteadminConfig(AppConfig):
    """Holds what belongs to no single app."""

    name = "siteadmin"
    label = "siteadmin"


__all__ = ["SiteadminConfig", "celery_app"]
