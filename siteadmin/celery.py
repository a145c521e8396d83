"""The Celery app of the whole product."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteadmin.settings.production")

from siteadmin.core import correlation as correlation  # noqa: E402 - counts too, so it takes the settings

TRANSPORT_ALIASES["redis"] = "siteadmin.core.broker:Transport"

app = Celery("siteadmin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
