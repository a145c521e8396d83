"""How the whole site is, over REST."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from siteadmin.core.exceptions import NotFoundError
from siteadmin.core.models import BreakerState
from siteadmin.core.roles import Role
from siteadmin.core.serializers import StrictSerializer
from siteadmin.core.viewsets import BaseViewSet
from siteadmin.system import State, read_status


class PartSerializer(StrictSerializer):
    """One part of the site; `reason` is empty where all is well."""

    state = serializers.ChoiceField(choices=[state.value for state in State])
    reason = serializers.CharField()

    def to_representation(self, instance: Any) -> Any:
        """Give the part as it is, with what else it tells."""
        return instance


class WorkersSerializer(PartSerializer):
    """The workers that answered, with their queues."""

    workers = serializers.ListField(child=serializers.DictField())


class BeatSerializer(PartSerializer):
    """The scheduler."""

    last_seen_at = serializers.DateTimeField(allow_null=True)


class QueuesSerializer(PartSerializer):
    """Each step's messages in the broker (`queued`, null: unknown) and rows that wait (`waiting`)."""

    queues = serializers.ListField(child=serializers.DictField())
    dead_letters = serializers.IntegerField()


class DetectorSerializer(PartSerializer):
    """The detectors that are configured, each with its state."""

    detectors = serializers.ListField(child=serializers.DictField())


class AnalyzerSerializer(PartSerializer):
    """Who judges closed events."""

    name = serializers.CharField()


class BreakersSerializer(PartSerializer):
    """Every circuit breaker that saw a failure."""

    breakers = serializers.ListField(child=serializers.DictField())


class WatcherSerializer(PartSerializer):
    """The folder watcher, and the files it left alone: of other kinds by suffix, in no camera's folder as `loose`."""

    last_seen_at = serializers.DateTimeField(allow_null=True)
    left_alone = serializers.DictField(child=serializers.IntegerField())


class MqttSerializer(PartSerializer):
    """The kept connections to MQTT brokers."""

    connections = serializers.ListField(child=serializers.DictField())


class StorageSerializer(PartSerializer):
    """The folder of the uploads and the disk."""

    free_bytes = serializers.IntegerField()
    total_bytes = serializers.IntegerField()


class CamerasSerializer(PartSerializer):
    """How fresh each camera's last picture is."""

    cameras = serializers.ListField(child=serializers.DictField())


class StatusSerializer(StrictSerializer):
    """The whole site; `state` is the worst of its parts."""

    state = serializers.ChoiceField(choices=[state.value for state in State])
    checked_at = serializers.DateTimeField()
    database = PartSerializer()
    broker = PartSerializer()
    workers = WorkersSerializer()
    beat = BeatSerializer()
    queues = QueuesSerializer()
    detector = DetectorSerializer()
    analyzer = AnalyzerSerializer()
    breakers = BreakersSerializer()
    watcher = WatcherSerializer()
    mqtt = MqttSerializer()
    storage = StorageSerializer()
    cameras = CamerasSerializer()


class SystemStatusViewSet(BaseViewSet[BreakerState]):
    """The state of every part of the site."""

    queryset = BreakerState.objects.all()
    serializer_class = StatusSerializer
    required_roles: ClassVar = {"status": Role.OPERATOR}

    @extend_schema(responses=StatusSerializer)
    def status(self, request: Request) -> Response:
        """Tell of each part whether it is ok, degraded or down, and why."""
        if self.access.camera_ids is not None:
            raise NotFoundError(message="This belongs to no camera, and you are limited to some cameras")
        return Response(StatusSerializer(read_status()).data)
