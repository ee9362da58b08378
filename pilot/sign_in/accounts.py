"""How allauth behaves here: nobody signs up by themselves, every try is in the log, and what happens is told by mail."""

from __future__ import annotations

import ipaddress
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.userkit import filter_users_by_email
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import current_or_none
from pilot.sign_in import actions
from pilot.sign_in.browsers import in_words
from pilot.sign_in.door import SIGN_IN
from pilot.sign_in.sessions import begin, has_passed_second_step, ways_in
from pilot.web.middleware import STARTED

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.http import HttpRequest

    from pilot.access import Actor
    from pilot.people.models import User

logger = logging.getLogger(__name__)


def acting_now() -> Actor:
    """Whoever acts already, else the sign-in itself."""
    context = current_or_none()
    return context.actor if context else SIGN_IN


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by invitation only."""

    # Whose account the mail is about that is being made.
    _mailed: User | None = None

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": _("This account is closed. Ask your practice, your manager or the pilot office."),
        "email_password_mismatch": _("Check your email address and your password, and try again"),
        "enter_current_password": _("Enter the password that you use now"),
        "incorrect_password": _("Check your password, and try again"),
        "incorrect_code": _("Check the code, and try again"),
        "too_many_login_attempts": _(
            "There were many tries in a short time. Wait 5 minutes and try again. To stop taking part, you can "
            "phone your practice or tell them at the desk at any time."
        ),
        "rate_limited": _("There were many tries in a short time. Wait 5 minutes and try again."),
    }

    # --- Signing in and out ---

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        own = {"allauth.mfa.stages.AuthenticateStage": "pilot.sign_in.factors.SecondStep"}
        return [own.get(stage, stage) for stage in super().get_login_stages()]

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """By account alone: allauth's own counts afresh for every port that somebody puts into the Host header."""
        return str(credentials.get("email", "")).lower()

    def get_client_ip(self, request: HttpRequest) -> str:
        """An IPv4 address is that one, however it is written: as `::ffff:192.0.2.1` all of them would count as one."""
        address: str = super().get_client_ip(request)
        return str(getattr(ipaddress.ip_address(address), "ipv4_mapped", None) or address)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            actions.note("sign_in_paused", _owner(credentials), by=acting_now())
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        actions.note("sign_in_refused", _owner(credentials), by=acting_now())

    def respond_user_inactive(self, request: HttpRequest, user: User) -> Any:
        actions.note("sign_in_refused", user, by=acting_now())
        return super().respond_user_inactive(request, user)

    def login(self, request: HttpRequest, user: User) -> None:
        """Sign in. The session's age counts from now, and the role is chosen anew."""
        super().login(request, user)
        begin(request)
        actions.note("signed_in", user, by=acting_now(), ways=ways_in(request))
        if request.new_browser:  # type: ignore[attr-defined]
            self.send_notification_mail("account/email/new_browser", user)

    def logout(self, request: HttpRequest) -> None:
        actions.sign_out(request, by=acting_now())

    # --- Confirming that it is still the same person ---

    def is_reauthentication_required(self, *, app: str = "", **kwargs: Any) -> bool:
        """Not of somebody who signed in just now, with the second step if they have one."""
        request = self.request
        just_now = time.time() - request.session.get(STARTED, 0) < app_settings.REAUTHENTICATION_TIMEOUT
        return not (just_now and (has_passed_second_step(request) or not is_mfa_enabled(request.user)))

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        """Whoever has a second step confirms with that; a password alone would be the weaker way round it."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        second = [method for method in methods if method["id"] != "reauthenticate"]
        return second or methods

    # --- Mail ---

    def format_email_subject(self, subject: str) -> str:
        return f"{subject} – {settings.PILOT_NAME}"

    def get_reset_password_from_key_url(self, key: str) -> str:
        """At the service's own address, whatever Host the request named: it goes out by mail."""
        uid, _dash, token = key.partition("-")
        return settings.BASE_URL + reverse(
            "account_reset_password_from_key", kwargs={"uidb36": uid, "key": token}
        )

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Only the worker comes here (`tasks.mail_password_link`)."""
        self._mail(user, self.render_mail("account/email/password_reset_key", email, context))

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Tell the owner of an account what happened to it, once it did. That no mail can go out undoes nothing."""
        request = self.request
        more = {"browser": in_words(self.get_http_user_agent(request)), "service_name": settings.PILOT_NAME}
        self._mailed = user
        try:
            super().send_notification_mail(
                template_prefix, user, {**more, **(context or {})}, email or user.email
            )
        finally:
            self._mailed = None

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        if self._mailed is None:
            # Of allauth's other mails none is wanted: the ledger of disclosures could not say whose it is.
            raise ImproperlyConfigured(f"{template_prefix} is a mail about nobody’s account.")
        whole = {"request": self.request, "email": email, **context}
        self._mail(self._mailed, self.render_mail(template_prefix, email, whole))

    def _mail(self, owner: User, message: EmailMessage) -> None:
        # Robust: what happened has happened, whether or not a mail can tell of it.
        transaction.on_commit(partial(_send, owner, message), robust=True)


def _send(owner: User, message: EmailMessage) -> None:
    """Send it once its line in the ledger of disclosures is committed: without one it does not go."""
    actions.note_mail(owner, by=SIGN_IN)
    try:
        message.send()
    except OSError as problem:  # smtplib's errors are of this kind too
        logger.error("A notice about an account could not be sent (%s).", type(problem).__name__)


def _owner(credentials: dict[str, Any]) -> User | None:
    """Whose account was tried; None for an address that has none, of which nothing is kept."""
    found: list[User] = filter_users_by_email(credentials.get("email") or "", for_login=True)
    return found[0] if found else None
