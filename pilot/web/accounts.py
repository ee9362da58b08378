"""How allauth behaves here: nobody signs up by themselves, and signing in starts a session afresh."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings

from pilot.web.middleware import ACTING_AS, SEEN, STARTED

if TYPE_CHECKING:
    from django.http import HttpRequest

    from pilot.people.models import User


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by invitation only."""

    def format_email_subject(self, subject: str) -> str:
        return f"{subject} – {settings.PILOT_NAME}"

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: User) -> None:
        """Sign in. The session's age counts from now, and the role is chosen anew."""
        super().login(request, user)
        begin_session(request)


def begin_session(request: HttpRequest) -> None:
    """Call right after `django.contrib.auth.login`."""
    request.session.pop(ACTING_AS, None)
    request.session[STARTED] = request.session[SEEN] = time.time()
