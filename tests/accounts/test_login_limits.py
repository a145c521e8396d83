"""Guessing on many names from one address, and at the same moment."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F, Sum
from django.test import Client
from django.urls import reverse

from siteadmin.accounts.repositories import take_turn
from siteadmin.core.models import AuditEntry
from tests.accounts.conftest import PASSWORD
from tests.accounts.test_login import HOME, OFFICE, log_in
from tests.core.threads import run_together
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few_tries(settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    settings.LOGIN_ADDRESS_FAILURES = 5


def spray(*, at: str = HOME) -> list[Any]:
    return [log_in("wrong", name=f"name{number}", at=at) for number in range(5)]


class TestAddress:
    def test_too_many_failures_of_whatever_names_lock_the_address(self, ann: User) -> None:
        answers = spray()
        refused = log_in()

        assert [answer.status_code for answer in answers] == [200] * 4 + [429]
        assert refused.status_code == 429
        assert "Too many failed logins from your address: locked until" in refused.content.decode()
        assert 890 <= int(refused["Retry-After"]) <= 900

    def test_other_addresses_are_let_in(self, ann: User) -> None:
        spray()

        assert log_in(at=OFFICE).status_code == 302

    def test_a_login_that_succeeds_does_not_forget_the_failures_of_other_names(self, ann: User) -> None:
        for name in ("bob", "cat", "dan", "eve"):
            log_in("wrong", name=name)
        log_in()

        assert log_in("wrong", name="fay").status_code == 429

    def test_it_ends_with_its_time(self, ann: User) -> None:
        spray()
        AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=16))

        assert log_in().status_code == 302

    def test_no_limit_is_no_lock(self, ann: User, settings: Any) -> None:
        settings.LOGIN_ADDRESS_FAILURES = 0
        spray()

        assert log_in().status_code == 302

    def test_the_trail_tells_of_each_failure_and_of_the_lock_and_of_nothing_it_refused(self, ann: User) -> None:
        spray()
        log_in("wrong")

        told = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
        assert told == ["fail_login"] * 5 + ["lock_login"]
        assert AuditEntry.objects.get(action="lock_login").after["names"] == "all"

    def test_a_command_unlocks_it(self, ann: User) -> None:
        spray()

        said = StringIO()
        call_command("unlock_login", "--address", HOME, stdout=said)

        assert said.getvalue() == "Unlocked.\n"
        assert log_in().status_code == 302

    @pytest.mark.parametrize("arguments", [[], ["--address", "home"]])
    def test_the_command_refuses_what_names_nobody(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            call_command("unlock_login", *arguments)

    def test_an_admin_unlocks_it_on_the_page(self, ann: User) -> None:
        spray()
        boss = Client()
        boss.force_login(UserFactory(is_superuser=True))
        some = AccessAttempt.objects.first()
        assert some is not None

        boss.post(
            reverse("admin:axes_accessattempt_changelist"),
            {"action": "unlock_addresses", "_selected_action": [some.pk]},
        )

        assert log_in().status_code == 302


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_tries_on_one_name_at_the_same_moment_are_no_more_than_tries_in_turn(self) -> None:
        user = UserFactory(username="ann")
        user.set_password(PASSWORD)
        user.save()

        statuses = run_together(lambda number: log_in("wrong").status_code, workers=12)

        assert AccessAttempt.objects.aggregate(Sum("failures_since_start")) == {"failures_since_start__sum": 3}
        assert sorted(statuses) == [200] * 2 + [429] * 10

    def test_tries_on_many_names_neither(self) -> None:
        statuses = run_together(lambda number: log_in("wrong", name=f"name{number}").status_code, workers=12)

        assert AccessAttempt.objects.aggregate(Sum("failures_since_start")) == {"failures_since_start__sum": 5}
        assert sorted(statuses) == [200] * 4 + [429] * 8

    def test_whoever_waits_for_too_long_is_told_to_try_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("siteadmin.accounts.login.TURN", timedelta(milliseconds=50))
        with transaction.atomic():
            assert take_turn(HOME, wait=timedelta(seconds=1))

            [answer] = run_together(lambda number: log_in(), workers=1)

        assert answer.status_code == 429
        assert answer["Retry-After"] == "1"
        assert "try again" in answer.content.decode()
        assert AccessAttempt.objects.count() == 0
