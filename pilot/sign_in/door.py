"""allauth's pages, which know nothing of the pilot's door, run inside it: as the system, under the name of signing in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from django.core.cache import cache
from django.http import HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from redis.exceptions import RedisError

from pilot.access import Actor, acting
from pilot.people.models import User
from pilot.sign_in import actions
from pilot.web import errors

logger = logging.getLogger(__name__)

SIGN_IN = Actor.system("sign-in")

View = Callable[..., HttpResponseBase]


def at_the_door(view: View) -> View:
    """Run a library's view in one transaction, rendering included, so that what it writes names who wrote it.

    Where tries cannot be counted, because Redis is away, nobody signs in: guessing without end would be worse.
    """

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        name = request.resolver_match.url_name if request.resolver_match else "page"
        try:
            with acting(SIGN_IN, f"sign_in.{name}", request=getattr(request, "reference", "")):
                response = _answer(view, request, *args, **kwargs)
                note_pause(request, response)
                return response
        except RedisError as away:
            logger.error("Tries to sign in cannot be counted (%s): nobody signs in.", type(away).__name__)
            return errors.sign_in_paused(request)

    return run


def note_pause(request: HttpRequest, response: HttpResponseBase) -> None:
    """Put in the log that tries from one address were refused; once a minute, so that no flood fills the log."""
    if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return
    if cache.add(f"sign-in-paused:{get_adapter().get_client_ip(request)}", True, 60):
        user = request.user if isinstance(request.user, User) else None
        actions.note("sign_in_paused", user, by=SIGN_IN)


def _answer(view: View, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    try:
        response = view(request, *args, **kwargs)
    except ImmediateHttpResponse as stop:
        # What was noted on the way (a refused try) is kept: this is an answer, not a mishap.
        response = stop.response
    except ReauthenticationRequired:
        methods = get_adapter().get_reauthentication_methods(request.user)
        response = suspend_request(request, methods[0]["url"] if methods else reverse("account_login"))
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.render()
    return response
