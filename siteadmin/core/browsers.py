"""Middleware that only browsers need, passed by where a program shows its key to the API.

The key alone says who asks (`ApiKeyAuthentication` comes first and refuses a wrong one), so whatever cookies came along
mean nothing: no session is opened, no second factor looked for, no message kept, no time zone taken over. That is a
tenth of what a small answer costs.
"""

from typing import Any

from django.contrib.auth import middleware as auth
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest

from siteadmin.core.error_views import is_api
from siteadmin.core.keys import key_in


def shows_key(request: HttpRequest) -> bool:
    """Tell whether a key, good or bad, says who asks."""
    return is_api(request) and key_in(request.META) is not None


class SessionMiddleware(sessions.SessionMiddleware):
    """Django's, for browsers."""

    def __call__(self, request: HttpRequest) -> Any:
        """Open the session that a cookie names."""
        return self.get_response(request) if shows_key(request) else super().__call__(request)


class AuthenticationMiddleware(auth.AuthenticationMiddleware):
    """Django's, for browsers."""

    def __call__(self, request: HttpRequest) -> Any:
        """Say who is logged in; whose key it is, the API's views find out."""
        if not shows_key(request):
            return super().__call__(request)
        request.user = AnonymousUser()
        return self.get_response(request)


class MessageMiddleware(messages.MessageMiddleware):
    """Django's, for browsers."""

    def __call__(self, request: HttpRequest) -> Any:
        """Keep what a page is to say after the next one was asked for."""
        return self.get_response(request) if shows_key(request) else super().__call__(request)
