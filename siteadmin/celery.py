"""The Celery app of the whole product."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteadmin.settings.production")

app = Celery("siteadmin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
