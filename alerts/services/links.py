"""Links in a message by which its reader acts without a login: signed, for a day, each good for one act.

Looking at one changes nothing, since link scanners follow links: the act takes a click on the page behind it.
Nothing but the signature is looked at before it is known to be ours, so guessing costs no query.
"""

from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.db import transaction

from alerts.choices import LINK_LIFETIME, LINK_SNOOZES, NOT_DISMISSED, UNACKNOWLEDGED, LinkAction
from alerts.models import Alert, Delivery, LinkUse
from alerts.services.lifecycle import acknowledge_alert, snooze_alert
from siteadmin.core.actors import ActorKind, acting_as
from siteadmin.core.exceptions import InvalidInputError

SALT = "alerts.links"
LINK_PATH = "/links/{}/"
OPEN_TO = {
    LinkAction.ACKNOWLEDGE: UNACKNOWLEDGED,
    LinkAction.SNOOZE: NOT_DISMISSED,
}
"""In which states an alert takes each act, for the page to say beforehand; the act itself decides anew."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is ours, not too old and not used."""

    delivery: Delivery
    alert: Alert
    action: LinkAction

    @property
    def is_of_use(self) -> bool:
        """Whether the alert is in a state for it."""
        return self.alert.status in OPEN_TO[self.action]


@dataclass(frozen=True, slots=True)
class LinkHolder:
    """Whoever got the message; recorded under the channel's name."""

    channel_name: str

    def get_username(self) -> str:
        """Name the way by which they were reached."""
        return f"link in {self.channel_name}"[:200]


def action_links(delivery: Delivery) -> dict[str, str]:
    """Give the links of a delivery's message by action."""
    return {
        action.value: settings.SITE_URL + LINK_PATH.format(signing.dumps([delivery.pk, action.value], salt=SALT))
        for action in LinkAction
    }


def read_link(token: str) -> Link | None:
    """Give what a link stands for; None where it is not ours, too old or used, or its alert is gone."""
    try:
        delivery_id, word = signing.loads(token, salt=SALT, max_age=LINK_LIFETIME)
        action = LinkAction(word)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    delivery = Delivery.objects.for_link(delivery_id)
    if delivery is None or delivery.alert is None or LinkUse.objects.is_used(delivery_id, action=action):
        return None
    return Link(delivery, delivery.alert, action)


def use_link(token: str, *, minutes: str = "") -> Alert | None:
    """Do what the link says, once, and give the alert; None as `read_link`.

    `minutes`: how long to snooze. InvalidInputError for other spans than those offered, InvalidStateTransitionError
    where the alert has moved on; the link stays good then.
    """
    link = read_link(token)
    if link is None:
        return None
    by = LinkHolder(link.delivery.channel_name)
    with acting_as(ActorKind.LINK, by.channel_name), transaction.atomic():
        if not LinkUse.objects.use(link.delivery.pk, action=link.action):
            return None
        if link.action is LinkAction.ACKNOWLEDGE:
            return acknowledge_alert(link.alert.pk, by=by)
        return snooze_alert(link.alert.pk, minutes=_span(minutes), by=by)


def _span(minutes: str) -> int:
    offered = {str(one): one for one in LINK_SNOOZES}
    if minutes not in offered:
        raise InvalidInputError(f"Snooze takes one of these numbers of minutes: {', '.join(offered)}")
    return offered[minutes]
