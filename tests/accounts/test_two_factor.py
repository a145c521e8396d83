"""Two-factor login, from the first scan to a lost phone."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from siteadmin.accounts import two_factor
from siteadmin.accounts.models import TwoFactor
from siteadmin.core.exceptions import InvalidStateTransitionError
from tests.accounts.conftest import PASSWORD
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

PAGE, CODE = "/account/two-factor/", "/admin/login/code/"
CodeOf = Callable[..., str]


@pytest.fixture
def enrolled(ann: User, code_of: CodeOf) -> tuple[User, str, list[str]]:
    """Give a user with a second factor, its secret and recovery codes."""
    secret = two_factor.begin_enrolment(ann).secret
    codes = two_factor.confirm_enrolment(ann, code_of(secret, steps=-1))
    return ann, secret, codes


@pytest.fixture
def half_way(enrolled: Any) -> Callable[[], Client]:
    """Give a function that gives the password alone."""

    def give() -> Client:
        client = Client()
        response = client.post("/admin/login/", {"username": "ann", "password": PASSWORD, "next": "/admin/"})
        assert response["Location"] == CODE
        return client

    return give


def is_in(client: Client) -> bool:
    return client.get("/api/events").status_code == 200


def test_a_user_switches_it_on_with_the_first_code_and_sees_recovery_codes_once(ann: User, code_of: CodeOf) -> None:
    client = Client()
    client.force_login(ann)

    client.post(PAGE, {"step": "begin"})
    page = client.get(PAGE).content.decode()
    secret = re.findall(r'id="two-factor-secret">([A-Z2-7]+)<', page)[0]
    wrong = client.post(PAGE, {"step": "confirm", "code": "abcdef"})
    on = client.post(PAGE, {"step": "confirm", "code": code_of(secret)}).content.decode()

    assert re.search(r'class="sa-qr".*?<svg[^>]*>.*?<path', page, re.S)
    assert "not the code" in wrong.content.decode()
    assert len(re.findall(r"<code>(\S{4}-\S{4}-\S{4}-\S{4})</code>", on)) == 10
    assert is_in(client)
    after = client.get(PAGE).content.decode()
    assert "10 recovery codes left" in after
    assert secret not in after


def test_switching_it_on_ends_the_users_other_sessions(ann: User, code_of: CodeOf) -> None:
    other = Client()
    other.force_login(ann)
    assert is_in(other)

    two_factor.confirm_enrolment(ann, code_of(two_factor.begin_enrolment(ann).secret))

    assert not is_in(other)
    assert other.get("/").status_code == 302


def test_the_password_alone_opens_nothing(half_way: Any) -> None:
    client = half_way()

    assert not is_in(client)
    assert client.get("/admin/").status_code == 302


def test_the_code_lets_in_and_leads_where_somebody_wanted(half_way: Any, enrolled: Any, code_of: CodeOf) -> None:
    client = half_way()

    response = client.post(CODE, {"code": code_of(enrolled[1])})

    assert response["Location"] == "/admin/"
    assert is_in(client)


def test_a_code_works_once(half_way: Any, enrolled: Any, code_of: CodeOf) -> None:
    code, first, second = code_of(enrolled[1]), half_way(), half_way()
    first.post(CODE, {"code": code})

    again = second.post(CODE, {"code": code})

    assert "wrong, or was used already" in again.content.decode()
    assert not is_in(second)


@pytest.mark.parametrize(("steps", "works"), [(-3, False), (0, True), (1, True), (3, False)])
def test_a_clock_may_be_off_by_half_a_minute(enrolled: Any, code_of: CodeOf, steps: int, works: bool) -> None:
    assert two_factor.check_code(enrolled[0].pk, code_of(enrolled[1], steps=steps)) is works


@pytest.mark.parametrize("write", [str, str.upper, lambda code: code.replace("-", " ")])
def test_a_recovery_code_stands_in_once_however_it_is_written(enrolled: Any, write: Callable[[str], str]) -> None:
    user, _, codes = enrolled

    assert two_factor.check_code(user.pk, write(codes[0]))
    assert not two_factor.check_code(user.pk, codes[0])
    assert two_factor.check_code(user.pk, codes[1])


def test_new_recovery_codes_end_the_old_ones(enrolled: Any) -> None:
    user, _, old = enrolled

    new = two_factor.renew_recovery_codes(user)

    assert not two_factor.check_code(user.pk, old[0])
    assert two_factor.check_code(user.pk, new[0])


def test_after_five_wrong_codes_even_the_right_one_waits(half_way: Any, enrolled: Any, code_of: CodeOf) -> None:
    client = half_way()
    for _ in range(5):
        client.post(CODE, {"code": "abcdef"})

    refused = client.post(CODE, {"code": code_of(enrolled[1])})

    assert "Too many wrong codes; try again after 20" in refused.content.decode()
    assert not is_in(client)
    TwoFactor.objects.filter(pk=enrolled[0].pk).update(failed_at=timezone.now() - timedelta(minutes=16))
    client.post(CODE, {"code": code_of(enrolled[1])})
    assert is_in(client)


def test_a_password_that_was_given_long_ago_is_asked_for_again(half_way: Any, enrolled: Any, code_of: CodeOf) -> None:
    client = half_way()
    session = client.session
    session["pending_login"] = {**session["pending_login"], "at": time.time() - 301}
    session.save()

    response = client.post(CODE, {"code": code_of(enrolled[1])})

    assert response["Location"].startswith("/admin/login/")
    assert not is_in(client)


def test_a_password_that_was_changed_meanwhile_opens_nothing(half_way: Any, enrolled: Any, code_of: CodeOf) -> None:
    client = half_way()
    enrolled[0].set_password("an0ther-Long-passphrase")
    enrolled[0].save()

    client.post(CODE, {"code": code_of(enrolled[1])})

    assert not is_in(client)


def test_the_list_of_users_tells_whose_logins_take_a_code(enrolled: Any) -> None:
    two_factor.begin_enrolment(UserFactory(username="begun"))
    page = Client()
    page.force_login(UserFactory(username="root", is_superuser=True))

    shown = page.get(reverse("admin:auth_user_changelist")).context["cl"]

    takes = {user.username: shown.model_admin.takes_code(user) for user in shown.result_list}
    assert takes == {"ann": True, "begun": False, "root": False}


def test_an_admin_resets_who_lost_their_phone(enrolled: Any) -> None:
    boss = Client()
    boss.force_login(UserFactory(is_superuser=True))

    form = {"action": "reset_second_factors", "_selected_action": [enrolled[0].pk]}
    boss.post(reverse("admin:auth_user_changelist"), form)

    response = Client().post("/admin/login/", {"username": "ann", "password": PASSWORD, "next": "/"})
    assert response["Location"] == "/"


def test_a_command_resets_the_only_admin(enrolled: Any) -> None:
    said = StringIO()
    call_command("reset_two_factor", "ann", stdout=said)
    call_command("reset_two_factor", "ann", stdout=said)

    assert said.getvalue().splitlines() == ["Two-factor login is reset.", "Two-factor login was off already."]
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("reset_two_factor", "nobody")


def test_switching_it_off_takes_a_code(enrolled: Any, half_way: Any, code_of: CodeOf) -> None:
    client = half_way()
    client.post(CODE, {"code": code_of(enrolled[1])})

    client.post(PAGE, {"step": "off", "code": "abcdef"})
    assert TwoFactor.objects.get_confirmed(enrolled[0].pk) is not None
    client.post(PAGE, {"step": "off", "code": enrolled[2][0]})
    assert TwoFactor.objects.get_confirmed(enrolled[0].pk) is None
    assert is_in(client)


def test_the_site_may_take_it_of_all_staff(ann: User, settings: Any, key_client: Any, code_of: CodeOf) -> None:
    settings.TWO_FACTOR_REQUIRED = True
    client = Client()
    client.force_login(ann)

    refused = client.get("/api/events")
    assert (refused.status_code, refused.json()["code"]) == (403, "TWO_FACTOR_REQUIRED")
    assert client.get("/")["Location"] == PAGE
    assert "takes two-factor login of all staff" in client.get(PAGE).content.decode()
    assert client.get("/problems/two-factor-required/").status_code == 200
    assert key_client("viewer").get("/api/events").status_code == 200
    secret = two_factor.begin_enrolment(ann).secret
    client.post(PAGE, {"step": "confirm", "code": code_of(secret)})
    assert is_in(client)


def test_neither_secret_nor_recovery_codes_stand_in_the_database(enrolled: Any) -> None:
    _, secret, codes = enrolled
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret || array_to_string(recovery_hashes, ' ') FROM accounts_twofactor")
        stored = cursor.fetchone()[0]

    assert secret not in stored
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


def test_a_second_enrolment_is_refused_while_one_is_in_force(enrolled: Any) -> None:
    with pytest.raises(InvalidStateTransitionError):
        two_factor.begin_enrolment(enrolled[0])


def test_a_session_costs_no_further_statement(
    enrolled: Any, half_way: Any, code_of: CodeOf, django_assert_num_queries: Any
) -> None:
    client = half_way()
    client.post(CODE, {"code": code_of(enrolled[1])})

    with django_assert_num_queries(3):  # the session, the user with all of this, the page
        client.get("/api/cameras")


@pytest.mark.django_db(transaction=True)
def test_one_code_sent_at_once_by_many_lets_one_in(enrolled: Any, code_of: CodeOf) -> None:
    user, secret, _ = enrolled
    code = code_of(secret)

    def send(_: int) -> bool:
        try:
            return two_factor.check_code(user.pk, code)
        except InvalidStateTransitionError:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(send, range(6))) == 1
