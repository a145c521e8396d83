"""Fixtures of kept connections."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from alerts.services.mqtt import keeper, link
from tests.factories import CameraFactory
from tests.fakes.mqtt_broker import MqttBroker


@pytest.fixture(autouse=True)
def quick(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often than in life."""
    for module in (link, keeper):
        monkeypatch.setattr(module, "LOOK_EVERY", timedelta(seconds=0.05))
    monkeypatch.setattr(link, "RETRY_BASE", timedelta(seconds=0.05))


@pytest.fixture
def broker() -> Iterator[MqttBroker]:
    """Give a broker that lets everybody in."""
    with MqttBroker() as running:
        yield running


@pytest.fixture
def camera() -> Any:
    """Give a camera with a name that HTML and JSON must bear."""
    return CameraFactory(id="front", name="Front <script>")
