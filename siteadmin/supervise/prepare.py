"""What must be true before the first process starts; runs in a process of its own, as it loads all of Django."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError

from siteadmin.embedded import EmbeddedError


def main() -> int:
    """Check the settings, bring the database up to date, gather static files, set the site up."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteadmin.settings.production")
    try:
        django.setup()
        call_command("check")
        # What processes of an earlier start counted; none is running now.
        shutil.rmtree(settings.METRICS_ROOT, ignore_errors=True)
        call_command("migrate", interactive=False, verbosity=0)
        _collect_static()
        call_command("setup_site")
    except (ImproperlyConfigured, EmbeddedError, CommandError) as error:
        sys.stderr.write(f"siteadmin: {error}\n")
        return 2
    return 0


def _collect_static() -> None:
    """Gather static files where one has changed since the last time."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            digest.update(f"{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    stamp = Path(settings.STATIC_ROOT).with_suffix(".stamp")
    if not (stamp.exists() and stamp.read_text() == digest.hexdigest() and Path(settings.STATIC_ROOT).is_dir()):
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(digest.hexdigest())


if __name__ == "__main__":
    raise SystemExit(main())
