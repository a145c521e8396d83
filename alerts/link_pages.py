"""The page behind a link in a message: it shows the alert, and acts on a click."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from alerts.choices import LINK_SNOOZES, LinkAction
from alerts.messages import local_time
from alerts.services.links import Link, read_link, use_link
from siteadmin.core.exceptions import InvalidInputError, InvalidStateTransitionError

GONE = "This link cannot be used: it is wrong, was used already, or has expired."


@login_not_required
@never_cache
@csrf_exempt  # the link itself is the secret, and readers of mail may have no cookies
@require_http_methods(["GET", "HEAD", "POST"])
def act_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link would do; do it on POST. One answer for every link that cannot be used."""
    link = read_link(token)
    status, text, asks = 200, "", False
    if link is None:
        status, text = 404, GONE
    elif request.method == "POST":
        status, text, asks = _use(token, link, minutes=request.POST.get("minutes", ""))
    elif link.is_of_use:
        asks = True
    else:
        text = f"This alert is {link.alert.status} already."
    context: dict[str, object] = {"link": link, "text": text, "asks": asks}
    if link is not None:
        context["when"] = local_time(link.alert.created_at, zone=_zone_of(link))
        context["spans"] = LINK_SNOOZES if link.action is LinkAction.SNOOZE else {}
    answer = render(request, "alerts/link.html", context, status=status)
    # The address is a secret: no page behind it learns of it, and no search engine.
    answer["Referrer-Policy"] = "no-referrer"
    answer["X-Robots-Tag"] = "noindex"
    return answer


def _use(token: str, link: Link, *, minutes: str) -> tuple[int, str, bool]:
    """Act, and give the status, what to say, and whether to ask once more."""
    try:
        alert = use_link(token, minutes=minutes)
    except InvalidInputError as refusal:
        return refusal.status_code, f"{refusal.message}.", True
    except InvalidStateTransitionError as refusal:
        return refusal.status_code, f"{refusal.message}.", False
    if alert is None:
        return 404, GONE, False
    if link.action is LinkAction.ACKNOWLEDGE or alert.snoozed_until is None:
        return 200, "Acknowledged. The alert needs nobody else now.", False
    until = local_time(alert.snoozed_until, zone=_zone_of(link))
    return 200, f"Snoozed until {until}. Nobody is told of more like it before, unless it is worse.", False


def _zone_of(link: Link) -> str:
    channel = link.delivery.channel
    return "" if channel is None else channel.timezone
