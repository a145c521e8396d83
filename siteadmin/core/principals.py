"""Who stands where Django expects a user, and is none."""

from siteadmin.core.models import ApiKey
from siteadmin.core.roles import Role


class KeyPrincipal:
    """Stands for a key where Django expects a user."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False
    pk = None
    id = None

    def __init__(self, key: ApiKey) -> None:
        self.key = key
        self.role = Role(key.role)
        self.camera_ids: frozenset[str] | None = frozenset(key.camera_ids) or None

    def get_username(self) -> str:
        """Give the name under which the key's deeds are recorded."""
        return f"key:{self.key.name}"

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Keys have roles, never permissions of the admin site."""
        return False

    def __str__(self) -> str:
        return self.get_username()
