"""What an alert tells people and programs."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from kombu.utils.json import dumps, loads

from alerts.messages import build_alert_notice, build_test_notice
from alerts.results import ChannelOutcome, DeliveryResult
from tests.events.seen import seen_event
from tests.factories import AlertFactory, CameraFactory, EventFactory

pytestmark = pytest.mark.django_db
WINTER = datetime(2026, 1, 14, 22, 30, 5, tzinfo=UTC)


def alert(**fields: Any) -> Any:
    camera = CameraFactory(name="Front <Door>", timezone="Europe/Berlin")
    event = seen_event(
        camera=camera, started_at=WINTER, risk_score=72, reasoning="A person at night.", object_types=["person", "car"]
    )
    made = AlertFactory(event=event, rule_name="Nights", severity="high", **fields)
    made.refresh_from_db()
    return made


def facts(made: Any) -> dict[str, str]:
    return dict(build_alert_notice(made).facts)


def test_title_says_how_bad_what_and_where() -> None:
    assert build_alert_notice(alert()).title == "High: person, car at Front <Door>"


def test_times_are_in_the_recipients_zone_and_name_the_cameras_where_it_differs() -> None:
    made = alert()

    assert facts(made)["When"] == "Wednesday, 14 January 2026, 22:30:05 UTC (23:30:05 CET at the camera)"
    assert dict(build_alert_notice(made, zone="Asia/Tokyo").facts)["When"].startswith("Thursday, 15 January 2026, 07")


def test_facts_say_when_and_why(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"

    told = facts(alert(matched_conditions=["risk score 72 is at least 60"]))

    assert told["When"] == "Wednesday, 14 January 2026, 23:30:05 CET"
    assert told["Score"] == "72 of 100 (high)"
    assert told["Rule"] == "Nights (severity high)"
    assert told["Conditions"] == "risk score 72 is at least 60"
    assert told["Why"] == "A person at night."


def test_facts_say_where() -> None:
    made = alert()

    told = dict(build_alert_notice(made, places=["Driveway", "<Porch>"]).facts)

    assert (told["Camera"], told["Zones"]) == ("Front <Door>", "Driveway, <Porch>")
    assert "Zones" not in facts(made)


def test_picture_that_does_not_exist_is_not_linked() -> None:
    links = build_alert_notice(AlertFactory(event=EventFactory())).links

    assert set(links) == {"event"}


def test_event_without_a_score_claims_none() -> None:
    made = alert()
    made.event.risk_score = None

    assert "Score" not in facts(made)


def test_alert_whose_event_is_gone_is_still_told() -> None:
    notice = build_alert_notice(AlertFactory(event=None, camera=CameraFactory(name="Yard"), rule_name="Nights"))

    assert notice.title.endswith("Nights at Yard")
    assert notice.data["event"] is None
    assert notice.links == {"camera": notice.page} and notice.page.endswith("/change/")


def test_data_is_plain_json_without_what_staff_noted() -> None:
    made = alert()
    made.event.notes = "private"

    text = json.dumps(build_alert_notice(made).data)

    assert "private" not in text
    assert '"started_at": "2026-01-14T22:30:05Z"' in text


def test_links_start_with_the_sites_address(settings: Any) -> None:
    settings.SITE_URL = "https://cams.example.org"
    made = alert()

    links = build_alert_notice(made).links

    assert links["image"] == f"https://cams.example.org/api/events/{made.event_id}/image"
    assert links["event"].startswith("https://cams.example.org/")


def test_test_notice_is_marked_and_tells_of_nothing() -> None:
    notice = build_test_notice(channel_name="Hook", at=WINTER)

    assert notice.type == "channel.test"
    assert notice.data["test"] is True and notice.data["alert"] is None


def test_result_counts_the_channels_by_how_they_fared() -> None:
    good, bad = ChannelOutcome(1, "a", "delivered"), ChannelOutcome(2, "b", "failed")

    assert DeliveryResult(1, (good, bad, good)).counts == {"delivered": 2, "failed": 1}
    assert DeliveryResult(1, (good,)).all_successful
    assert not DeliveryResult(1, (good, bad)).all_successful


def test_result_comes_back_from_json_as_the_same_class() -> None:
    result = DeliveryResult(1, (ChannelOutcome(1, "a", "retry", delivery_id=5, retry_in_seconds=2.5),))

    assert loads(dumps(result)) == result
