"""What follows when allauth says that a password or a second step was changed or used: the log, mail, other sessions."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.account.adapter import get_adapter
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.http import HttpRequest

from pilot.people.models import User
from pilot.sign_in import actions
from pilot.sign_in.accounts import acting_now
from pilot.sign_in.sessions import pass_second_step

CODES = Authenticator.Type.RECOVERY_CODES


def connect() -> None:
    """Listen from now on."""
    for signal, receiver in (
        (account.password_changed, password_changed),
        (account.password_reset, password_reset),
        (mfa.authenticator_added, added),
        (mfa.authenticator_removed, removed),
        (mfa.authenticator_reset, codes_made),
        (mfa.authenticator_used, used),
        (mfa.authentication_failed, refused),
    ):
        signal.connect(receiver, dispatch_uid=f"pilot.sign_in.{receiver.__name__}")


def password_changed(request: HttpRequest, user: User, **about: Any) -> None:
    actions.note("password_changed", user, by=acting_now(), request=_reference(request))
    actions.end_sessions(user, by=acting_now())


def password_reset(request: HttpRequest, user: User, **about: Any) -> None:
    actions.note("password_reset", user, by=acting_now(), request=_reference(request))
    actions.end_sessions(user, by=acting_now())


def added(request: HttpRequest, user: User, authenticator: Authenticator, **about: Any) -> None:
    """Setting one up takes a code or a touch of it, so it is passed for this session."""
    if authenticator.type == CODES:
        codes_made(request, user)
        return
    actions.note("second_step_added", user, by=acting_now(), request=_reference(request))
    pass_second_step(request)
    actions.end_other_sessions(request, by=acting_now())


def removed(request: HttpRequest, user: User, authenticator: Authenticator, **about: Any) -> None:
    if authenticator.type == CODES:
        return
    actions.note("second_step_removed", user, by=acting_now(), request=_reference(request))
    actions.end_other_sessions(request, by=acting_now())


def codes_made(request: HttpRequest, user: User, **about: Any) -> None:
    actions.note("recovery_codes_made", user, by=acting_now(), request=_reference(request))


def used(request: HttpRequest, user: User, authenticator: Authenticator, **about: Any) -> None:
    """At sign-in there is no session of theirs yet: that begins with what is on record of it."""
    if authenticator.type == CODES:
        actions.note("recovery_code_used", user, by=acting_now(), request=_reference(request))
        get_adapter().send_notification_mail("mfa/email/recovery_code_used", user)
    else:
        actions.note("second_step_passed", user, by=acting_now(), request=_reference(request))
    if request.user == user:
        pass_second_step(request)


def refused(request: HttpRequest, user: User, **about: Any) -> None:
    actions.note("second_step_refused", user, by=acting_now(), request=_reference(request))


def _reference(request: HttpRequest) -> str:
    return getattr(request, "reference", "")
