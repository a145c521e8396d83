"""Deliveries over REST: what was sent where, with every attempt."""

from typing import ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from alerts.choices import DeliveryState
from alerts.models import Delivery, DeliveryAttempt
from siteadmin.core.exceptions import DeliveryNotFoundError
from siteadmin.core.filters import MultiIdFilter, MultiValueFilter, StrictFilterSet
from siteadmin.core.roles import Role
from siteadmin.core.serializers import StrictModelSerializer
from siteadmin.core.viewsets import ReadViewSet


class DeliveryAttemptSerializer(StrictModelSerializer[DeliveryAttempt]):
    """One try; `held`: a breaker kept it back, and nothing was sent."""

    class Meta:
        model = DeliveryAttempt
        fields = ["at", "outcome", "status_code", "error", "duration_ms"]
        read_only_fields = fields


class DeliverySerializer(StrictModelSerializer[Delivery]):
    """One alert to one channel."""

    attempt_count = serializers.IntegerField(source="attempts", read_only=True)
    next_attempt_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Null while it is being sent or needs no more."
    )
    attempts = DeliveryAttemptSerializer(source="attempt_log", many=True, read_only=True)

    class Meta:
        model = Delivery
        fields = [
            "id",
            "purpose",
            "alert",
            "step",
            "channel",
            "channel_name",
            "state",
            "reason",
            "told_by",
            "idempotency_key",
            "attempt_count",
            "next_attempt_at",
            "created_at",
            "delivered_at",
            "attempts",
        ]
        read_only_fields = fields


class DeliveryFilter(StrictFilterSet):
    """Parameters of the list."""

    alert = MultiIdFilter(field_name="alert_id")
    channel = MultiIdFilter(field_name="channel_id")
    state = MultiValueFilter(field_name="state", choices=DeliveryState.choices)


class DeliveryViewSet(ReadViewSet[Delivery]):
    """Deliveries: seen by operators, written by the pipeline alone."""

    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    has_fixed_rows = True
    not_found = DeliveryNotFoundError
    ordering_fields = ("created_at",)
    required_roles: ClassVar = dict.fromkeys(("list", "retrieve", "metadata"), Role.OPERATOR)

    def get_rows(self) -> QuerySet[Delivery]:
        return Delivery.objects.for_list().with_attempts().with_next_attempt()
