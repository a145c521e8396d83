"""The ASGI application."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteadmin.settings.production")
django.setup()

from siteadmin.core.serving import ThreadedHandler  # noqa: E402 - settings first

application = ThreadedHandler()
