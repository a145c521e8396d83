"""What a fresh database needs before the first start."""

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from alerts.models import Channel
from alerts.services.modes import make_first_modes
from cameras.models import Camera
from siteadmin.core.audit import record_created
from siteadmin.core.groups import sync_groups
from siteadmin.core.repositories import has_admin
from siteadmin.demo.service import create_demo

ADMIN_NAME = "admin"


@dataclass(frozen=True, slots=True)
class SetupReport:
    """What was made; the password is given only where it was generated just now."""

    admin_name: str = ""
    admin_password: str = ""
    has_demo: bool = False


def set_up_site() -> SetupReport:
    """Make what is missing; on a database that is set up already, nothing."""
    sync_groups()
    make_first_modes()
    if has_admin():
        return SetupReport()
    given = settings.ADMIN_PASSWORD
    password = given or secrets.token_urlsafe(12)
    try:
        with transaction.atomic():
            record_created(get_user_model().objects.create_superuser(ADMIN_NAME, password=password))
    except IntegrityError:  # another start was first
        return SetupReport()
    is_empty = not Camera.objects.exists()
    inbox = Channel.objects.get_or_create_inbox()
    if is_empty and settings.DEMO:
        create_demo(inbox=inbox)
    return SetupReport(
        admin_name=ADMIN_NAME, admin_password="" if given else password, has_demo=is_empty and settings.DEMO
    )
