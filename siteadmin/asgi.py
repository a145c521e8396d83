"""The ASGI application."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteadmin.settings.production")
django.setup()

from django.conf import settings  # noqa: E402 - settings first

from siteadmin.core.serving import ThreadedHandler  # noqa: E402
from siteadmin.core.statements import limit_statements  # noqa: E402

limit_statements(settings.QUERY_TIMEOUT)
application = ThreadedHandler()
