"""What somebody is shown of their own account: where they are signed in, and how; for the office, who has what."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.utils import timezone

from pilot.access import Actor, NotVisible, Permission, check
from pilot.people.models import Patient, User
from pilot.sign_in.browsers import in_words
from pilot.web.middleware import RENEWED, SEEN, STARTED

if TYPE_CHECKING:
    from django.http import HttpRequest


@dataclass(frozen=True)
class OpenSession:
    """One session that still opens something."""

    row: UserSession
    browser: str
    began_at: dt.datetime
    seen_at: dt.datetime
    is_this: bool


@dataclass(frozen=True)
class SecondSteps:
    """What somebody has set up for the second step."""

    app: Authenticator | None
    keys: list[Authenticator]
    codes: Authenticator | None

    def __bool__(self) -> bool:
        return bool(self.app or self.keys)

    @property
    def codes_left(self) -> int:
        return len(self.codes.wrap().get_unused_codes()) if self.codes else 0


def second_steps(user: User) -> SecondSteps:
    """One query. Nothing for another person's account, unless the actor manages the pilot."""
    found = list(Authenticator.objects.filter(user_id=user.pk).order_by("created_at"))
    one = {each.type: each for each in found}
    return SecondSteps(
        app=one.get(Authenticator.Type.TOTP),
        keys=[each for each in found if each.type == Authenticator.Type.WEBAUTHN],
        codes=one.get(Authenticator.Type.RECOVERY_CODES),
    )


def open_sessions(request: HttpRequest) -> list[OpenSession]:
    """The sessions of whoever is signed in, this one first, then the latest. Those that timed out are left out."""
    own = request.session.session_key
    found = []
    for row in UserSession.objects.filter(user_id=request.user.pk):
        times = _times(row)
        if times:
            found.append(OpenSession(row, in_words(row.user_agent), *times, is_this=row.session_key == own))
    return sorted(found, key=lambda each: (not each.is_this, -each.seen_at.timestamp()))


def open_account(key: str) -> User | None:
    """The account with this key, unless it is suspended; None for a key that is empty."""
    return User.objects.filter(pk=key, is_active=True).first() if key else None


def patient_with(user: User, actor: Actor) -> UUID | None:
    """The key of the patient whose account it is; None for staff. Nothing else of the patient is read."""
    found = Patient.objects.visible_to(actor).filter(account=user)
    return found.values_list("pk", flat=True).first()


def works_here(user: User) -> bool:
    """Whether the account has a role at an organisation today."""
    return bool(user.memberships.in_force().exists())


def member_of_staff(actor: Actor, key: UUID) -> User:
    """Somebody with a role in the pilot now. Raises `NotVisible` for anybody else."""
    check(actor, Permission.MANAGE_PILOT)
    user = User.objects.filter(pk=key).first()
    if user is None or not works_here(user):
        raise NotVisible("No person found.")
    return user


def _times(row: UserSession) -> tuple[dt.datetime, dt.datetime] | None:
    """When a session began and was last used, or None where it opens nothing any more."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(row.session_key)
    if session.get("_auth_user_id") != str(row.user_id) or STARTED not in session:
        return None
    began, seen = session[STARTED], session.get(SEEN, session[STARTED])
    now = timezone.now().timestamp()
    if now - seen >= settings.SESSION_IDLE_SECONDS or now - began >= settings.SESSION_COOKIE_AGE:
        return None
    if max(began, session.get(RENEWED, 0)) < row.user.sessions_valid_from.timestamp():
        return None
    return _moment(began), _moment(seen)


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
