"""Reads and atomic writes of what Web Push keeps."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.db.models.functions import Now

from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from alerts.models import PushSubscription, VapidKey


class VapidKeyRepository(Repository["VapidKey"]):
    """The site's one key pair."""

    def keep_first(self, *, private_key: str, public_key: str) -> "VapidKey":
        """Store the pair unless there is one; gives the one that is stored."""
        return self.get_or_create(pk=1, defaults={"private_key": private_key, "public_key": public_key})[0]


class PushSubscriptionQuerySet(RepositoryQuerySet["PushSubscription"]):
    """Reads that chain."""

    def of_user(self, user_id: int) -> Self:
        """Devices of one user."""
        return self.filter(user_id=user_id)

    def of_staff(self, usernames: Iterable[str] = ()) -> Self:
        """Devices of these people, or of all, as long as they may log in."""
        names = list(usernames)
        staff = self.filter(user__is_active=True, user__is_staff=True).select_related("user").order_by("pk")
        return staff.filter(user__username__in=names) if names else staff

    def of_who_may_see(self, cameras: frozenset[str] | None) -> Self:
        """Leave out devices of people who are limited to other cameras; None: what they would read is of any."""
        limited = Q(user__is_superuser=False, user__camera_limit__isnull=False)
        if cameras is None:
            return self.exclude(limited)
        return self.exclude(limited & ~Q(user__camera_limit__camera_ids__contains=sorted(cameras)))

    def people(self) -> list[tuple[int, str]]:
        """Give id and name of everybody whose devices these are."""
        return list(self.order_by().values_list("user_id", "user__username").distinct())


_PushSubscriptionRepository = Repository.from_queryset(PushSubscriptionQuerySet)


class PushSubscriptionRepository(_PushSubscriptionRepository["PushSubscription"]):
    """Look-ups and writes of devices."""

    def subscribe(self, *, endpoint_hash: str, **fields: Any) -> "PushSubscription":
        """Store the device; one that is there already changes hands and keys."""
        return self.update_or_create(endpoint_hash=endpoint_hash, defaults=fields)[0]

    def unsubscribe(self, *, user_id: int, subscription_id: int) -> bool:
        """Remove a device of this user; False where there is none."""
        return bool(self.get_queryset().filter(pk=subscription_id, user_id=user_id).delete()[0])

    def forget(self, subscription_id: int, *, auth: str) -> None:
        """Remove a device that its push service no longer knows, unless it subscribed anew meanwhile."""
        found = self.get_queryset().filter(pk=subscription_id).first()
        if found is not None and found.auth == auth:
            found.delete()

    def note_used(self, ids: Iterable[int]) -> None:
        """Note that these devices' push services took a message."""
        self.get_queryset().filter(pk__in=list(ids)).update(last_used_at=Now())

    def unknown_usernames(self, names: Iterable[str]) -> list[str]:
        """Give those of the names that nobody on the staff has."""
        wanted = list(names)
        users: Any = get_user_model()._default_manager
        known = set(users.filter(username__in=wanted, is_staff=True).values_list("username", flat=True))
        return [name for name in wanted if name not in known]
