"""The test suite: real PostgreSQL and Redis, fast password hashes, no hashed static names."""

from siteadmin.settings.base import *  # noqa: F403 - the settings are those of base
from siteadmin.settings.base import STORAGES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
DEMO = False
