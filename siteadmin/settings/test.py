"""The test suite: real PostgreSQL and Redis, fast password hashes, no hashed static names."""

import os
from datetime import timedelta

# Each process of a parallel run has a Redis database of its own, as pytest-django gives it a PostgreSQL one;
# said before base reads the environment.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
if _worker and "REDIS_URL" in os.environ:
    os.environ["REDIS_URL"] = os.environ["REDIS_URL"].rsplit("/", 1)[0] + f"/{int(_worker) + 1}"

from siteadmin.settings.base import *  # noqa: E402, F403 - the settings are those of base
from siteadmin.settings.base import METRICS_ROOT, STORAGES  # noqa: E402 - after the environment is set

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
# What other workers count is not this one's; said aloud, as workers take over what their parent has set.
METRICS_ROOT = METRICS_ROOT.with_name(f"metrics-{_worker or 'alone'}")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_ROOT)
DEMO = False
KNOWN_KEYS = timedelta(0)  # numbers of statements are compared exactly
