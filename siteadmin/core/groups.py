"""The groups named after roles, and what they may do in the admin site."""

from fnmatch import fnmatchcase

from django.conf import settings
from django.contrib.auth.models import Group, Permission

from siteadmin.core.permissions import STAFF_ROLES


def sync_groups() -> dict[str, int]:
    """Give each role's group the permissions of settings.ROLE_PERMISSIONS, and those of the roles below it.

    Runs after `migrate`, which makes the permissions; running it twice changes nothing. Permissions that somebody
    added by hand stay. Gives the number of permissions per group.
    """
    permissions = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    patterns: list[str] = []
    counts: dict[str, int] = {}
    for role in reversed(STAFF_ROLES):
        patterns += settings.ROLE_PERMISSIONS.get(role.value, [])
        group, _ = Group.objects.get_or_create(name=role.value)
        granted = [
            permission
            for name, permission in permissions.items()
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        ]
        group.permissions.add(*granted)
        counts[role.value] = len(granted)
    return counts
