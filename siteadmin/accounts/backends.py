"""Who somebody is by their session, loaded with all that every request asks of them."""

from functools import cache
from typing import Any

from axes.backends import AxesStandaloneBackend
from django.apps import apps
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User

from cameras.access import CameraAccess, for_user
from siteadmin.accounts.repositories import load_user
from siteadmin.core.permissions import highest_role


class StaffBackend(AxesStandaloneBackend, ModelBackend):  # type: ignore[misc]  # axes is typed by halves
    """Django's own backend behind axes' locks; role, cameras and second factor come with the user, and permissions
    end where the cameras do."""

    def authenticate(self, request: Any, username: Any = None, password: Any = None, **kwargs: Any) -> User | None:
        """Give the user of this name and password, or None; PermissionDenied where the name is locked here."""
        AxesStandaloneBackend.authenticate(self, request, username=username, password=password, **kwargs)
        return ModelBackend.authenticate(self, request, username=username, password=password, **kwargs)

    def get_user(self, user_id: Any) -> User | None:
        """Give the active user of a session, or None; costs one statement."""
        user: Any = load_user(user_id)
        if user is None or not self.user_can_authenticate(user):
            return None
        limit = getattr(user, "camera_limit", None)
        user._siteadmin_role = highest_role(user.role_names, is_superuser=user.is_superuser)
        user._camera_access = CameraAccess(None if limit is None else frozenset(limit.camera_ids))
        loaded: User = user
        return loaded

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Give what the user may do; limited to cameras, nothing that belongs to no camera, nor make new cameras."""
        granted: set[str] = super().get_all_permissions(user_obj, obj)
        if not granted or not for_user(user_obj).is_limited:
            return granted
        return granted & permissions_within_cameras()


@cache
def permissions_within_cameras() -> frozenset[str]:
    """Give the names of the permissions on rows that belong to a camera."""
    models = [model for model in apps.get_models() if getattr(model, "camera_path", None)]
    names = {
        f"{model._meta.app_label}.{action}_{model._meta.model_name}"
        for model in models
        for action in model._meta.default_permissions
    }
    return frozenset(names - {"cameras.add_camera"})
