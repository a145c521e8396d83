"""The accounts of staff as a Django app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """How members of staff log in, and what they may see then."""

    name = "siteadmin.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
