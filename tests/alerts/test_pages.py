"""What people do on the pages: snooze alerts, silence cameras and rules."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alerts.models import Silence
from siteadmin.core.groups import sync_groups
from tests.factories import AlertFactory, AlertRuleFactory, CameraFactory, ChannelFactory, DeliveryFactory, UserFactory

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def permissions(db: None) -> None:
    """Give the roles' groups what they may do."""
    sync_groups()


def browser(role: str) -> Client:
    client = Client()
    client.force_login(UserFactory(username=role, role=role))
    return client


def lasts_an_hour(until: Any) -> bool:
    return abs(until - timezone.now() - HOUR) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("/inbox/{}/snooze/", {}),
        ("/admin/alerts/alert/{}/change/", {"note": "", "alerts_alert_snooze": ""}),
        ("/admin/alerts/alert/", {"action": "snooze_all"}),
    ],
)
def test_an_alert_is_snoozed_for_an_hour(address: str, form: dict[str, str]) -> None:
    alert = AlertFactory()

    answer = browser("reviewer").post(address.format(alert.pk), {**form, "_selected_action": [str(alert.pk)]})

    alert.refresh_from_db()
    assert answer.status_code == 302
    assert alert.snoozed_by == "reviewer"
    assert lasts_an_hour(alert.snoozed_until)


def test_the_inbox_says_until_when_an_alert_is_snoozed() -> None:
    alert = AlertFactory()
    DeliveryFactory(alert=alert, channel=ChannelFactory(kind="inbox"), state="delivered", due_at=None)

    answer = browser("reviewer").post(f"/inbox/{alert.pk}/snooze/", headers={"HX-Request": "true"})

    assert "snoozed until" in answer.content.decode()


def test_a_dismissed_alert_is_not_snoozed_and_the_inbox_says_so() -> None:
    alert = AlertFactory(status="dismissed")

    answer = browser("reviewer").post(f"/inbox/{alert.pk}/snooze/", headers={"HX-Request": "true"})

    assert "cannot be snoozed" in answer.content.decode()


def test_viewers_do_not_snooze() -> None:
    alert = AlertFactory()

    assert browser("viewer").post(f"/inbox/{alert.pk}/snooze/").status_code == 403
    alert.refresh_from_db()
    assert alert.snoozed_until is None


def test_a_rule_is_silenced_for_an_hour() -> None:
    rule = AlertRuleFactory()

    browser("operator").post("/admin/alerts/alertrule/", {"action": "silence", "_selected_action": [str(rule.pk)]})

    silence = Silence.objects.get()
    assert (silence.rule_ids, silence.created_by) == ([rule.pk], "operator")
    assert lasts_an_hour(silence.ends_at)


def test_a_silence_sent_back_as_its_page_shows_it_changes_nothing() -> None:
    now = timezone.now()
    silence = Silence.objects.create(object_types=["cat", "dog"], starts_at=now, ends_at=now + HOUR)
    page, client = f"/admin/alerts/silence/{silence.pk}/change/", browser("operator")
    shown = client.get(page).context["adminform"].form["object_types"].value()
    times = {"ends_at_0": f"{silence.ends_at:%Y-%m-%d}", "ends_at_1": f"{silence.ends_at:%H:%M:%S}"}

    answer = client.post(page, {"object_types": shown, **times})

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    silence.refresh_from_db()
    assert silence.object_types == ["cat", "dog"]


def test_the_list_of_silences_says_what_is_silent_and_whether_it_is_now() -> None:
    now = timezone.now()
    for starts, ends in ((-2, -1), (-1, 1), (1, 2)):
        Silence.objects.create(
            rule_ids=[7], object_types=["cat"], starts_at=now + starts * HOUR, ends_at=now + ends * HOUR
        )

    shown = browser("operator").get("/admin/alerts/silence/").context["cl"]

    told = [(shown.model_admin.what(one), shown.model_admin.standing(one)) for one in shown.result_list]
    assert told == [("rule 7; object cat", state) for state in ("To come", "In effect", "Over")]


def test_cameras_are_silenced_for_an_hour_but_deleted_ones() -> None:
    camera, deleted = CameraFactory(), CameraFactory(deleted_at=timezone.now())
    chosen = {"action": "silence_cameras", "_selected_action": [camera.pk, deleted.pk]}

    answer = browser("operator").post("/admin/cameras/camera/", chosen, follow=True)

    silence = Silence.objects.get()
    assert silence.camera_ids == [camera.pk]
    assert lasts_an_hour(silence.ends_at)
    assert sorted(map(str, answer.context["messages"])) == sorted([f"{deleted} is deleted.", "1 silent for 1 hour."])
