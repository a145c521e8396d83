"""Reads of accounts."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef


def load_user(user_id: Any) -> AbstractUser | None:
    """Give the user with the names of their groups (`role_names`) and their limit to cameras, by one statement."""
    users: Any = get_user_model()._default_manager
    names = Group.objects.filter(user=OuterRef("pk")).values("name")
    found: AbstractUser | None = (
        users.filter(pk=user_id).select_related("camera_limit").annotate(role_names=ArraySubquery(names)).first()
    )
    return found
