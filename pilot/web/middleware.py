"""What happens around every page: headers, the end of idle sessions, the acting role, and sign-in."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth import middleware as django_auth
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from pilot.access import Actor, Role
from pilot.people.models import Membership, User
from pilot.web.selectors import ActingRole, acting_role, acting_roles


class PilotRequest(HttpRequest):
    """A request as this middleware leaves it. For types only: nobody makes one."""

    # Or a visitor: `is_authenticated` says which.
    user: User
    actor: Actor | None
    membership: Membership | None
    # The person chose a role of staff, and gets it once they have passed the second step of signing in.
    needs_second_step: bool
    # For whoever reports a problem: the log's events carry it too.
    reference: str
    session_ends_in: int | None


GetResponse = Callable[[PilotRequest], HttpResponse]

STARTED, SEEN, ACTING_AS = "started_at", "seen_at", "acting_as"
# When its owner confirmed this session while ending all others: it goes on, and grows no younger by it.
RENEWED = "renewed_at"
# Who passed the second step of signing in, in this session: a user's id, so that it is worth nothing to another.
SECOND_STEP = "second_step"
# Saving a session costs more than most queries, so being seen is noted no more often than this.
SECONDS_BETWEEN_NOTES = 60


class SecurityHeadersMiddleware:
    """Tells the browser what pages may not do, and to keep no copy of what somebody saw while signed in."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.permissions = ", ".join(
            f"{feature}=({' '.join(allowed)})" for feature, allowed in settings.PERMISSIONS_POLICY.items()
        )

    def __call__(self, request: PilotRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", self.permissions)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if request.user.is_authenticated:
            response.headers["Cache-Control"] = "no-store, private"
        return response


class SessionExpiryMiddleware:
    """Ends a session that was idle too long, is too old, or began before its person signed out everywhere.

    Sets `request.session_ends_in`, in seconds, for the warning on the page; None for visitors.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PilotRequest) -> HttpResponse:
        request.session_ends_in = None
        if request.user.is_authenticated:
            if self._has_ended(request):
                self._end(request)
                messages.info(
                    request, _("You have been signed out to keep information safe. Sign in to carry on.")
                )
            else:
                self._note(request)
        return self.get_response(request)

    def _has_ended(self, request: PilotRequest) -> bool:
        now, session = time.time(), request.session
        started, seen = session.get(STARTED), session.get(SEEN)
        if started is None or seen is None:
            return False
        began_at = dt.datetime.fromtimestamp(max(started, session.get(RENEWED, 0)), tz=dt.UTC)
        return (
            now - seen >= settings.SESSION_IDLE_SECONDS
            or now - started >= settings.SESSION_COOKIE_AGE
            or began_at < request.user.sessions_valid_from
        )

    def _end(self, request: PilotRequest) -> None:
        try:
            auth.logout(request)
        except RedisError:
            # The copy left in the cache has ended by its own times: it opens nothing when Redis is back.
            request.session = type(request.session)()
            request.user = AnonymousUser()  # type: ignore[assignment]

    def _note(self, request: PilotRequest) -> None:
        now, session = time.time(), request.session
        if STARTED not in session:
            session[STARTED] = now
        if now - session.get(SEEN, 0) >= SECONDS_BETWEEN_NOTES:
            session[SEEN] = now
        idle = settings.SESSION_IDLE_SECONDS - (now - session[SEEN])
        whole = settings.SESSION_COOKIE_AGE - (now - session[STARTED])
        request.session_ends_in = int(min(idle, whole))


class ActingRoleMiddleware:
    """Sets `request.actor` and `request.membership`: in which one of their roles the person acts.

    With one role there is nothing to choose. With several, or with none left, pages lead to the chooser. Without
    the second step nobody acts as staff: there is no actor, so nothing of the role opens, whatever the view.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PilotRequest) -> HttpResponse:
        request.reference = uuid4().hex
        request.actor = request.membership = None
        request.needs_second_step = False
        if request.user.is_authenticated:
            take_role(request, self._kept(request) or self._only(request))
        return self.get_response(request)

    def process_view(
        self, request: PilotRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        needs_role = getattr(view, "needs_role", False)
        if needs_role and request.user.is_authenticated and request.actor is None:
            there = urlencode({"next": request.get_full_path()}) if request.method == "GET" else ""
            first = "sign_in:second-step" if request.needs_second_step else "web:choose-role"
            return HttpResponseRedirect(f"{reverse(first)}?{there}".rstrip("?"))
        return None

    def _kept(self, request: PilotRequest) -> ActingRole | None:
        key = request.session.get(ACTING_AS)
        found = acting_role(request.user, key) if key else None
        if key and found is None:
            del request.session[ACTING_AS]
        return found

    def _only(self, request: PilotRequest) -> ActingRole | None:
        roles = acting_roles(request.user)
        return roles[0] if len(roles) == 1 else None


def take_role(request: PilotRequest, chosen: ActingRole | None) -> None:
    """Act in this role from now on; as staff, once the second step of signing in is passed."""
    if chosen is None:
        return
    if request.session.get(ACTING_AS) != chosen.key:
        request.session[ACTING_AS] = chosen.key
    if _is_owed_second_step(request, chosen):
        request.needs_second_step = True
        return
    request.actor = Actor(chosen.role, request.user.pk, request.user.display_name)
    request.membership = chosen.membership


def _is_owed_second_step(request: PilotRequest, chosen: ActingRole) -> bool:
    if chosen.role is Role.PATIENT or not settings.STAFF_SECOND_FACTOR:
        return False
    return bool(request.session.get(SECOND_STEP) != str(request.user.pk))


class LoginRequiredMiddleware(django_auth.LoginRequiredMiddleware):
    """Sends visitors to sign in, from every view but those marked as public (`PublicView`, allauth's own)."""
