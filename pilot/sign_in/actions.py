"""Signing out, ending sessions, taking a lost second step away, and noting in the log what happened at sign-in."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.cached_db import SessionStore
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from audit.actions import record_disclosure, record_sign_in
from audit.models import Disclosure
from pilot.access import Actor, Permission, acting, action
from pilot.access.later import soon
from pilot.people.models import User
from pilot.sign_in.selectors import patient_with, works_here
from pilot.web.middleware import RENEWED

if TYPE_CHECKING:
    from django.http import HttpRequest

# What mail about an account is sent for, in the ledger of disclosures.
ACCOUNT = "account"


def note(
    happened: str, user: User | None, *, by: Actor, request: str = "", ways: Collection[str] = ()
) -> None:
    """Put in the log what happened at signing in ("signed_in"), to whose account, and by what means ("password").

    Nothing that was typed in.
    """
    with acting(by, f"account.{happened}", request=request):
        record_sign_in(user.pk if user else None, ways)


def note_mail(user: User, *, by: Actor) -> None:
    """Put in the ledger of disclosures that the patient with this account is mailed about it. Of staff there is none."""
    with acting(by, "account.mailed"):
        patient = patient_with(user, by)
        if patient is None:
            return
        with acting(by, "account.mailed", patients=[patient]):
            record_disclosure(
                patient,
                recipient_kind=Disclosure.RecipientKind.PATIENT,
                recipient="The patient, by e-mail",
                purpose=ACCOUNT,
                classes=["identity"],
                fields=["people.User.email"],
                relation=User._meta.db_table,
                row_id=str(user.pk),
            )


def ask_for_password(user: User | None, *, by: Actor) -> None:
    """Let the worker mail a link to choose a new password. For an address that nobody has (None) the same is done and
    noted, so that no answer tells by its time which addresses have an account.
    """
    from pilot.sign_in.tasks import mail_password_link

    note("password_reset_asked", user, by=by)
    key = str(user.pk) if user else ""
    soon(mail_password_link, key)


def forget_ended_sessions(*, by: Actor) -> int:
    """Remove what is left of sessions that ended by themselves. Returns how many were still listed."""
    SessionStore.clear_expired()
    too_old = timezone.now() - dt.timedelta(seconds=settings.SESSION_COOKIE_AGE)
    with acting(by, "account.sessions_forgotten"):
        return int(UserSession.objects.filter(created_at__lt=too_old).delete()[0])


def sign_out(request: HttpRequest, *, by: Actor) -> None:
    """End this session in the database and the cache.

    Where the cache is away, a copy of it may wait there and come back with it: then every session that the person
    has ends by its time, this one too.
    """
    user, key = request.user, request.session.session_key
    if not isinstance(user, User):
        return
    note("signed_out", user, by=by)
    UserSession.objects.filter(session_key=key).delete()
    try:
        auth.logout(request)
    except RedisError:
        request.session = type(request.session)()
        request.user = AnonymousUser()
        end_sessions(user, by=by)


def sign_out_everywhere(user: User, *, by: Actor) -> None:
    """End every session of the user's, on every device. New ones may begin at once."""
    note("signed_out_everywhere", user, by=by)
    end_sessions(user, by=by)


def end_sessions(user: User, *, by: Actor) -> None:
    """End every session of the user's from their next click on, and delete what there is of them."""
    with acting(by, "account.sessions_ended"):
        user.sessions_valid_from = timezone.now()
        user.save(update_fields=["sessions_valid_from"])
        _delete_sessions(user)


def end_other_sessions(request: HttpRequest, *, by: Actor) -> None:
    """End every session of the user's but this one, whose age goes on counting from its start."""
    user: User = request.user  # type: ignore[assignment]
    with acting(by, "account.other_sessions_ended"):
        user.sessions_valid_from = timezone.now()
        user.save(update_fields=["sessions_valid_from"])
        _delete_sessions(user, but=request.session.session_key)
    request.session[RENEWED] = time.time()


def end_session(session: UserSession, *, by: Actor) -> None:
    """End one session of the person who acts. Refused for anybody else's."""
    if session.user_id != by.user_id:
        raise ValidationError(_("This is not one of your sessions."))
    note("session_ended", session.user, by=by)
    with acting(by, "account.session_ended"):
        try:
            session.end()
        except RedisError:
            # The cache may keep a copy of it: only ending all of them is sure to end this one.
            end_sessions(session.user, by=by)


@action("second_step.reset", Permission.MANAGE_PILOT, about_patient=False)
def reset_second_step(user: User, *, reason: str, by: Actor) -> User:
    """Take away every app, key and recovery code of a member of staff who lost theirs, and end their sessions.

    They set up new ones when they sign in next. Refused for oneself, and for anybody who is no member of staff.
    """
    if user.pk == by.user_id:
        raise ValidationError(_("Somebody else has to do this for you."))
    if not works_here(user):
        raise ValidationError(_("This person has no role in the pilot now."))
    if not Authenticator.objects.filter(user_id=user.pk).exists():
        raise ValidationError(_("They have no second step to take away. They set one up when they sign in."))
    with acting(by, "second_step.reset", reason=reason):
        record_sign_in(user.pk)
        Authenticator.objects.filter(user_id=user.pk).delete()
        end_sessions(user, by=by)
    return user


def _delete_sessions(user: User, *, but: str | None = None) -> None:
    for each in UserSession.objects.filter(user_id=user.pk).exclude(session_key=but or ""):
        # Where the cache is away, `sessions_valid_from` has ended it all the same.
        with suppress(RedisError):
            each.end()
