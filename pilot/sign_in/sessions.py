"""How a session begins, and what it remembers of how its owner signed in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import auth
from django.http import HttpResponseRedirect
from django.utils.http import urlencode

from pilot.sign_in.actions import note
from pilot.sign_in.browsers import notice_browser
from pilot.web.middleware import ACTING_AS, RENEWED, SECOND_STEP, SEEN, STARTED

if TYPE_CHECKING:
    from django.http import HttpRequest

    from pilot.access import Actor
    from pilot.people.models import User


def begin(request: HttpRequest) -> None:
    """Call right after `django.contrib.auth.login`: the session's age counts from now, the role is chosen anew."""
    session = request.session
    for key in (ACTING_AS, SECOND_STEP, RENEWED):
        session.pop(key, None)
    session[STARTED] = session[SEEN] = time.time()
    if _gave_second_step(request):
        pass_second_step(request)
    UserSession.objects.create_from_request(request)
    notice_browser(request)


def sign_in(request: HttpRequest, user: User, *, by: Actor) -> None:
    """Sign somebody in who proved who they are by other means than allauth's pages (an invitation, the demo)."""
    auth.login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    begin(request)
    note("signed_in", user, by=by, ways=[by.name])


def pass_second_step(request: HttpRequest) -> None:
    """From now on this session may act as staff, while it is this person's."""
    request.session[SECOND_STEP] = str(request.user.pk)


def has_passed_second_step(request: HttpRequest) -> bool:
    return bool(request.session.get(SECOND_STEP) == str(request.user.pk))


def to_confirm(request: HttpRequest, then: str) -> HttpResponseRedirect:
    """Lead the person to the first way of confirming that it is still them, and from there on to `then`."""
    [method, *_others] = get_adapter().get_reauthentication_methods(request.user)
    return HttpResponseRedirect(f"{method['url']}?{urlencode({'next': then})}")


def ways_in(request: HttpRequest) -> list[str]:
    """By what means the person proved who they are: "password", "totp", a provider's name; each once."""
    records = get_authentication_records(request, request.user)
    return sorted({each.get("type") or each.get("provider") or each["method"] for each in records})


def _gave_second_step(request: HttpRequest) -> bool:
    """Whether the records of this sign-in hold a code, a key, or a provider's word that it asked for one."""
    return any(
        record["method"] == "mfa"
        or (record["method"] == "socialaccount" and record.get("second_factor") is True)
        for record in get_authentication_records(request, request.user)
    )
