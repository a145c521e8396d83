"""Logins, logouts, locks, passwords and second factors leave their entry in the audit trail, and no secret does."""

import os
from io import StringIO
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from siteadmin.accounts import two_factor
from siteadmin.core.models import AuditEntry
from siteadmin.setup import set_up_site
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

CODE = "/admin/login/code/"
HOME = "192.0.2.1"
NEW_PASSWORD = "an0ther-Long-passphrase"


def log_in(password: str = PASSWORD, *, name: str = "ann") -> Client:
    client = Client(REMOTE_ADDR=HOME)
    client.post("/admin/login/", {"username": name, "password": password, "next": "/"})
    return client


def told() -> list[tuple[Any, ...]]:
    """Give what the trail says: who did what to whom, and what is so afterwards."""
    return list(AuditEntry.objects.order_by("pk").values_list("actor", "action", "resource", "after"))


def test_a_login_and_a_logout_are_recorded_by_whom_and_from_where(ann: User) -> None:
    client = log_in()
    client.post("/admin/logout/")
    client.post("/admin/logout/")

    assert told() == [("ann", "log_in", "ann", {"two_factor": False}), ("ann", "log_out", "ann", None)]
    for entry in AuditEntry.objects.all():
        assert (entry.actor_kind, entry.actor_id, entry.address) == ("user", ann.pk, HOME)
        assert (entry.resource_type, entry.resource_id) == ("user", str(ann.pk))


def test_a_failed_login_is_recorded_as_nobodys(ann: User) -> None:
    log_in("wrong")

    assert told() == [("", "fail_login", "ann", {"reason": "wrong name or password"})]
    entry = AuditEntry.objects.get()
    assert (entry.actor_kind, entry.address, entry.resource_id) == ("nobody", HOME, str(ann.pk))


def test_a_name_that_nobody_has_is_not_kept_since_it_may_be_a_password(ann: User) -> None:
    log_in("x", name="my-secret-passphrase")

    assert told() == [("", "fail_login", "", {"reason": "wrong name or password"})]
    assert AuditEntry.objects.get().resource_id == ""


def test_who_is_not_on_the_staff_is_recorded_as_such() -> None:
    user = UserFactory(username="guest", is_staff=False)
    user.set_password(PASSWORD)
    user.save()

    log_in(name="guest")

    assert told() == [("", "fail_login", "guest", {"reason": "not a member of staff"})]


def test_the_failure_that_locks_is_recorded_so_and_what_the_lock_refuses_adds_nothing(ann: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 2
    for _ in range(4):
        log_in("wrong")
    log_in()

    assert [action for _, action, _, _ in told()] == ["fail_login", "fail_login", "lock_login"]
    assert "until" in told()[-1][-1]


def test_an_empty_form_is_no_login(ann: User) -> None:
    log_in("")

    assert told() == []


def test_unlocking_by_command_is_recorded(ann: User) -> None:
    log_in("wrong")

    call_command("unlock_login", "ann", stdout=StringIO())

    entry = AuditEntry.objects.get(action="unlock_login")
    assert (entry.actor_kind, entry.resource_id) == ("command", str(ann.pk))
    assert entry.actor.startswith("unlock_login by ")


def test_the_second_step_is_recorded_code_by_code(ann: User, code_of: Any) -> None:
    secret = two_factor.begin_enrolment(ann).secret
    two_factor.confirm_enrolment(ann, code_of(secret, steps=-1))
    client = log_in()
    client.post(CODE, {"code": "abcdef"})
    client.post(CODE, {"code": code_of(secret)})

    assert told()[1:] == [
        ("", "fail_login", "ann", {"reason": "wrong code of the second factor"}),
        ("ann", "log_in", "ann", {"two_factor": True}),
    ]


def test_a_second_factor_is_recorded_from_its_first_code_to_its_end_without_a_secret(ann: User, code_of: Any) -> None:
    client = Client()
    client.force_login(ann)
    page = "/account/two-factor/"

    client.post(page, {"step": "begin"})
    waiting = two_factor.show_enrolment(ann)
    assert waiting is not None
    client.post(page, {"step": "confirm", "code": code_of(waiting.secret, steps=-1)})
    codes = client.post(page, {"step": "renew", "code": code_of(waiting.secret)}).context["codes"]
    client.post(page, {"step": "off", "code": codes[0]})

    assert told() == [
        ("ann", "enable_two_factor", "ann", {"two_factor": True}),
        ("ann", "renew_recovery_codes", "ann", {"recovery_codes": "(changed)"}),
        ("ann", "disable_two_factor", "ann", {"two_factor": False}),
    ]
    kept = str(list(AuditEntry.objects.values()))
    assert not any(secret in kept for secret in (waiting.secret, *codes))


def test_a_reset_by_command_is_recorded_and_one_that_does_nothing_is_not(ann: User, code_of: Any) -> None:
    two_factor.confirm_enrolment(ann, code_of(two_factor.begin_enrolment(ann).secret))

    for _ in range(2):
        call_command("reset_two_factor", "ann", stdout=StringIO())

    entry = AuditEntry.objects.get(action="reset_two_factor")
    assert (entry.actor_kind, entry.before, entry.after) == ("command", {"two_factor": True}, {"two_factor": False})


def test_ones_own_new_password_is_recorded(ann: User) -> None:
    client = Client(REMOTE_ADDR=HOME)
    client.force_login(ann)
    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}

    client.post("/admin/password_change/", {**form, "old_password": "wrong"})
    client.post("/admin/password_change/", form)

    assert told() == [("ann", "change_password", "ann", {"password": "(changed)"})]


def test_the_first_admin_is_recorded(db: None, settings: Any) -> None:
    settings.DEMO = False

    call_command("setup_site", stdout=StringIO())
    set_up_site()

    entry = AuditEntry.objects.get(resource_type="user")
    assert (entry.action, entry.resource, entry.actor_kind) == ("create", "admin", "command")
    assert entry.actor.startswith("setup_site by ")
    assert entry.after is not None and entry.after["password"] == "(hidden)"


def test_createsuperuser_is_recorded(ann: User) -> None:
    with patch.dict(os.environ, {"DJANGO_SUPERUSER_PASSWORD": NEW_PASSWORD}):
        call_command("createsuperuser", "--noinput", "--username", "eve", "--email", "", stdout=StringIO())

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.resource, entry.actor_kind) == ("create", "eve", "command")
    assert entry.actor.startswith("createsuperuser by ")
    assert entry.after is not None
    assert (entry.after["is_superuser"], entry.after["password"]) == (True, "(hidden)")


def test_changepassword_is_recorded(ann: User) -> None:
    with patch("getpass.getpass", return_value=NEW_PASSWORD):
        call_command("changepassword", "ann", stdout=StringIO())

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.resource, entry.after) == ("change_password", "ann", {"password": "(changed)"})
    assert entry.actor.startswith("changepassword by ")
    ann.refresh_from_db()
    assert ann.check_password(NEW_PASSWORD)
