"""The page behind a link in a message: it shows the alert, and acts on a click."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from alerts.choices import AlertStatus
from alerts.services.links import read_link, use_link
from siteadmin.core.exceptions import InvalidStateTransitionError

GONE = "This link cannot be used: it is wrong, was used already, or has expired."


@login_not_required
@never_cache
@csrf_exempt  # the link itself is the secret, and readers of mail may have no cookies
@require_http_methods(["GET", "HEAD", "POST"])
def act_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link would do; do it on POST. One answer for every link that cannot be used."""
    link = read_link(token)
    context: dict[str, object] = {"link": link}
    status = 200
    if link is None:
        context["text"], status = GONE, 404
    elif request.method == "POST":
        context["text"], status = _use(token)
    elif link.alert.status not in (AlertStatus.PENDING, AlertStatus.DELIVERED):
        context["text"] = f"This alert is {link.alert.status} already."
    answer = render(request, "alerts/link.html", context, status=status)
    # The address is a secret: no page behind it learns of it, and no search engine.
    answer["Referrer-Policy"] = "no-referrer"
    answer["X-Robots-Tag"] = "noindex"
    return answer


def _use(token: str) -> tuple[str, int]:
    try:
        alert = use_link(token)
    except InvalidStateTransitionError as refusal:
        return f"{refusal.message}.", refusal.status_code
    return (GONE, 404) if alert is None else ("Acknowledged. The alert needs nobody else now.", 200)
