"""`manage.py reseal_secrets`: a new SECRET_KEY takes over what the old one encrypted."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from alerts.models import Channel, PushSubscription, VapidKey
from alerts.services.channels import create_channel, rotate_secret
from alerts.services.push import public_key
from siteadmin.core.sealed_repositories import SealedValues
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
CONFIG = {"url": "https://example.com/x?token=geheim", "headers": {}}


@pytest.fixture
def channel() -> Channel:
    """Give a channel with both secrets; beside it a device and the site's key pair."""
    made = create_channel(name="Hook", kind="webhook", config=CONFIG)
    rotate_secret(made.pk)
    public_key()
    PushSubscription.objects.subscribe(
        endpoint_hash="x", user_id=UserFactory().pk, endpoint="https://push.example", p256dh="k", auth="a", device="d"
    )
    made.refresh_from_db()
    return made


def run() -> str:
    """Run the command and give what it says."""
    out = StringIO()
    call_command("reseal_secrets", stdout=out)
    return out.getvalue()


def stored() -> list[str]:
    """Give everything sealed as it is stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT config FROM alerts_channel UNION ALL SELECT secret FROM alerts_channel"
            " UNION ALL SELECT old_secret FROM alerts_channel UNION ALL SELECT private_key FROM alerts_vapidkey"
            " UNION ALL SELECT endpoint FROM alerts_pushsubscription UNION ALL SELECT auth FROM alerts_pushsubscription"
        )
        return [row[0] for row in cursor.fetchall()]


def test_everything_opens_under_the_new_key_alone(channel: Channel, settings: Any) -> None:
    before = (channel.config, channel.secret, channel.old_secret, VapidKey.objects.get_all()[0].private_key)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]

    said = run()

    settings.SECRET_KEY_FALLBACKS = []
    channel.refresh_from_db()
    assert (channel.config, channel.secret, channel.old_secret, VapidKey.objects.get_all()[0].private_key) == before
    assert PushSubscription.objects.get_all()[0].endpoint == "https://push.example"
    assert "alerts.Channel.config: 1 encrypted anew, 0 were already" in said


def test_a_second_run_changes_nothing(channel: Channel, settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    run()
    after_one = stored()

    said = run()

    assert stored() == after_one and len(after_one) == 6
    assert "alerts.Channel.config: 0 encrypted anew, 1 were already" in said


def test_what_is_empty_stays_empty(settings: Any) -> None:
    create_channel(name="In", kind="inbox", config={})
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]

    run()

    assert sorted(text[:1] for text in stored()) == ["", "", "g"]


def test_what_no_key_opens_is_named_and_left(channel: Channel, settings: Any) -> None:
    before, settings.SECRET_KEY = stored(), "another"

    with pytest.raises(CommandError, match="1 of alerts.Channel.config.*SECRET_KEY_FALLBACKS"):
        run()

    assert stored() == before


def test_what_somebody_changes_meanwhile_stays_theirs(channel: Channel) -> None:
    values = SealedValues(Channel, "config")
    [(row_id, sealed)] = values.read()
    channel.config = {"url": "https://changed.example", "headers": {}}
    Channel.objects.save(channel)

    assert not values.replace(row_id, old=sealed, new="x")

    channel.refresh_from_db()
    assert channel.config["url"] == "https://changed.example"
