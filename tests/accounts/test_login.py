"""Logging in by the form: locks, their message, whose address counts, and how a lock is lifted."""

import ipaddress
from datetime import timedelta
from io import StringIO
from typing import Any
from unittest.mock import Mock

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command
from django.db import OperationalError
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from siteadmin.core.housekeeping import forget_old
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

HOME, OFFICE = "192.0.2.1", "192.0.2.2"


@pytest.fixture(autouse=True)
def three_tries(settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3


def log_in(password: str = PASSWORD, *, name: str = "ann", at: str = HOME, **extra: Any) -> Any:
    """Send the login form, as a browser that nobody is logged in with."""
    form = {"username": name, "password": password, "next": "/"}
    return Client().post("/admin/login/", form, REMOTE_ADDR=at, **extra)


def lock(*, at: str = HOME, name: str = "ann") -> Any:
    return [log_in("wrong", at=at, name=name) for _ in range(3)][-1]


def test_name_and_password_lead_to_the_dashboard(ann: User) -> None:
    response = log_in()

    assert (response.status_code, response["Location"]) == (302, "/")


def test_a_wrong_password_says_nothing_of_whether_the_name_exists(ann: User) -> None:
    told = [list(log_in("wrong", name=name).context["form"].non_field_errors()) for name in ("ann", "bob")]

    assert told[0] == told[1]
    assert "correct username and password" in told[0][0]


def test_a_wrong_password_is_said_once(ann: User) -> None:
    page = log_in("wrong").content.decode()

    assert page.count("correct username and password") == 1
    assert "Please correct the error" not in page


def test_too_many_failures_lock_the_name_and_the_page_says_until_when(ann: User) -> None:
    last = lock()
    refused = log_in()

    ends = AccessAttempt.objects.get().attempt_time + timedelta(minutes=15)
    shown = (ends + timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M UTC")
    for response in (last, refused):
        assert response.status_code == 429
        assert f"Too many failed logins: locked until {shown}" in response.content.decode()
        assert 890 <= int(response["Retry-After"]) <= 900


def test_tries_while_it_is_locked_make_no_lock_longer(ann: User) -> None:
    lock()
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=14))

    refused = log_in("wrong")

    assert 30 <= int(refused["Retry-After"]) <= 60
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=1))
    assert log_in().status_code == 302


def test_failures_from_several_browsers_count_together(ann: User) -> None:
    for n in range(3):
        log_in("wrong", HTTP_USER_AGENT=f"browser {n}")

    assert log_in(HTTP_USER_AGENT="another").status_code == 429


def test_the_addresses_of_one_ipv6_network_count_together(ann: User) -> None:
    for n in range(3):
        log_in("wrong", at=f"2001:db8::{n}")

    assert log_in(at="2001:db8::ff").status_code == 429
    assert log_in(at="2001:db8:0:1::1").status_code == 302


def test_a_client_without_an_address_is_counted_too(ann: User) -> None:
    lock(at="")

    assert log_in(at="").status_code == 429


def test_keys_care_for_no_lock(ann: User, key_client: Any) -> None:
    lock(at=HOME)

    assert key_client("viewer").get("/api/cameras", REMOTE_ADDR=HOME).status_code == 200


def test_a_lock_is_of_a_name_at_an_address(ann: User) -> None:
    lock(at=HOME)

    assert log_in(at=OFFICE).status_code == 302
    assert log_in("wrong", name="bob", at=HOME).status_code == 200


def test_a_lock_survives_a_redis_that_lost_everything(ann: User) -> None:
    lock()

    cache.clear()

    assert log_in().status_code == 429


def test_a_lock_ends_with_its_time(ann: User) -> None:
    lock()

    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=16))

    assert log_in().status_code == 302


def test_a_login_that_succeeds_forgets_the_failures_before_it(ann: User) -> None:
    log_in("wrong")
    log_in("wrong")
    log_in()
    log_in("wrong")

    assert log_in().status_code == 302


@pytest.mark.parametrize(("trusted", "locked"), [([ipaddress.ip_network("10.0.0.0/8")], False), ([], True)])
def test_the_address_is_the_clients_behind_a_trusted_proxy_alone(
    ann: User, settings: Any, trusted: list[Any], locked: bool
) -> None:
    settings.TRUSTED_PROXIES = trusted
    for n in range(3):
        log_in("wrong", at="10.0.0.1", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}")

    assert (log_in(at="10.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.9").status_code == 429) is locked


def test_an_admin_unlocks_on_the_page(ann: User) -> None:
    lock()
    boss = Client()
    boss.force_login(UserFactory(is_superuser=True))
    address = reverse("admin:axes_accessattempt_changelist")
    [attempt] = AccessAttempt.objects.all()

    assert HOME in boss.get(address).content.decode()
    boss.post(address, {"action": "unlock_logins", "_selected_action": [attempt.pk]})

    assert log_in().status_code == 302


def test_a_command_unlocks(ann: User) -> None:
    lock()

    said = StringIO()
    call_command("unlock_login", "ann", stdout=said)
    call_command("unlock_login", "ann", stdout=said)

    assert said.getvalue().splitlines() == ["Unlocked.", "There were no such failed logins."]
    assert log_in().status_code == 302


def test_who_is_not_on_the_staff_does_not_come_in() -> None:
    user = UserFactory(username="guest", is_staff=False)
    user.set_password(PASSWORD)
    user.save()

    assert log_in(name="guest").status_code == 200


def test_logging_in_leads_to_no_other_site(ann: User) -> None:
    response = Client().post("/admin/login/?next=https://evil.example/", {"username": "ann", "password": PASSWORD})

    assert response["Location"] == "/"


def test_the_login_form_takes_its_token() -> None:
    client = Client(enforce_csrf_checks=True)

    assert client.post("/admin/login/", {"username": "ann", "password": "x"}).status_code == 403


def test_health_is_told_to_who_is_logged_in_while_the_database_is_down(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(ann)
    monkeypatch.setattr("siteadmin.accounts.backends.load_user", Mock(side_effect=OperationalError))

    assert client.get("/health/live").status_code == 200
    refused = client.get("/api/events")
    assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_ERROR")


def test_sessions_that_have_ended_are_removed(ann: User) -> None:
    Client().force_login(ann)
    kept = Client()
    kept.force_login(ann)
    Session.objects.exclude(pk=kept.session.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))

    forget_old()

    assert [session.pk for session in Session.objects.all()] == [kept.session.session_key]


def test_the_browsable_api_logs_out(ann: User) -> None:
    client = Client()
    client.force_login(ann)
    page = client.get("/api/events", headers={"accept": "text/html"}).content.decode()

    assert 'action="/admin/logout/"' in page
    client.post("/admin/logout/")
    assert client.get("/api/events").status_code == 401


def test_a_session_writes_over_the_api_only_with_its_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory(role="operator"))

    refused = client.post("/api/cameras", {"name": "Yard"}, content_type="application/json")
    client.cookies["csrftoken"] = "a" * 32
    token = {"X-CSRFToken": "a" * 32}
    taken = client.post("/api/cameras", {"name": "Yard"}, content_type="application/json", headers=token)

    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    assert refused.json()["code"] == "CSRF_FAILED"
    assert taken.status_code == 201
