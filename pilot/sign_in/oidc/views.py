"""The way to a provider and back: from the sign-in page, or from one's own account to connect the two."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.account.utils import get_next_redirect_url, perform_login
from allauth.core import ratelimit
from django.conf import settings
from django.http import Http404, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from redis.exceptions import RedisError

from audit.actions import record_refusal
from pilot.access import Actor, Permission, Role, acting
from pilot.people.models import User
from pilot.sign_in.actions import note, sign_out
from pilot.sign_in.door import note_pause
from pilot.sign_in.oidc import actions, policies, selectors
from pilot.sign_in.oidc.configuration import NHS_LOGIN, Provider
from pilot.sign_in.oidc.exchange import CONNECT, SIGN_IN, Door, NoAnswer, StateUnknown, Visit
from pilot.sign_in.oidc.policies import Refused
from pilot.sign_in.oidc.tokens import Answer, NotBelieved
from pilot.sign_in.sessions import to_confirm
from pilot.web import errors
from pilot.web.forms import Form
from pilot.web.middleware import PilotRequest
from pilot.web.views import FormPage, Page, PageParts, PublicPage

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

logger = logging.getLogger(__name__)

ACTS_AS = "sign-in"


class Problem(StrEnum):
    """What can go wrong on the way. Each has words of its own in the template, and says what to do next."""

    STOPPED = "stopped"  # by the person, at the provider
    OLD = "old"  # too long ago, used already, or begun in another browser
    NO_ANSWER = "no_answer"
    NOT_BELIEVED = "not_believed"
    REFUSED = "refused"  # for whatever reason: the words are the same


STATUS = {
    Problem.STOPPED: 200,
    Problem.OLD: 400,
    Problem.NO_ANSWER: 503,
    Problem.NOT_BELIEVED: 400,
    Problem.REFUSED: 403,
}


class ThroughProvider(PageParts):
    """A page on the way to a provider or back."""

    slug: ClassVar[str] = ""

    @property
    def provider(self) -> Provider:
        found: Provider = settings.SIGN_IN_PROVIDERS[self.slug]
        return found

    @cached_property
    def door(self) -> Door:
        return Door(self.request, self.provider)

    @cached_property
    def is_there(self) -> bool:
        """Whether the provider answers. Asked before a transaction is open, so that none waits for it."""
        try:
            return bool(self.door.endpoints)
        except (NoAnswer, NotBelieved) as problem:
            self._warn(problem)
            return False

    def leave(self, process: str, *, user: str = "") -> HttpResponse:
        """Send the person to the provider, by a page of ours that goes on by itself.

        A redirect would be part of the form's sending, which our content policy lets lead to this site alone.
        """
        if not self.is_there:
            return self.problem(Problem.NO_ANSWER, connecting=process == CONNECT)
        next_url = get_next_redirect_url(self.request) or ""
        address = self.door.address(process, user=user, next_url=next_url)
        title = _("You are leaving for %(name)s") % {"name": self.provider.name}
        page = self._page("leaving", title, address=address)
        page.headers["Refresh"] = f"0; url={address}"
        return page

    def problem(self, problem: Problem, *, connecting: bool) -> HttpResponse:
        """The page that says what happened and what to do next, and nothing of what the provider said."""
        said = _("%(name)s was not connected") if connecting else _("You are not signed in")
        return self._page(
            "problem",
            said % {"name": self.provider.name},
            STATUS[problem],
            problem=problem.value,
            connecting=connecting,
        )

    def _warn(self, problem: NoAnswer | NotBelieved) -> None:
        """For whoever runs the pilot. Neither says anything of a person."""
        logger.warning("Sign-in through %s: %s", self.slug, str(problem) or type(problem.__cause__).__name__)

    def _page(self, name: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
        context = {"title": title, "section": "", "provider": self.provider, **context}
        page = TemplateResponse(self.request, f"socialaccount/{name}.jinja", context, status=status)
        page.headers["Cache-Control"] = "no-store, private"
        return page


class SignIn(ThroughProvider, PublicPage):
    """The button on the sign-in page."""

    why = "Whoever signs in through a provider has not signed in yet. It shows nothing of anybody."

    @cached_property
    def pause(self) -> HttpResponse | None:
        """What is answered to many tries in a short time, counted with those by password."""
        try:
            refusal: HttpResponse | None = ratelimit.consume_or_429(self.request, action="login")
        except RedisError:
            return errors.sign_in_paused(self.request)
        return refusal

    def open_door(self) -> AbstractContextManager[Any]:
        is_visitor = self.request.session_ends_in is None
        if self.request.method == "POST" and is_visitor and not self.pause:
            self.is_there  # noqa: B018 (asked now: see there)
        return super().open_door()

    def get(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # A session begins with somebody's own click, so an address alone leads nowhere.
        return HttpResponseRedirect(reverse("account_login"))

    def post(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_signed_in = request.session_ends_in is not None
        if is_signed_in:
            return HttpResponseRedirect(reverse("web:home"))
        if self.pause:
            note_pause(request, self.pause)
            return self.pause
        return self.leave(SIGN_IN)


class Callback(ThroughProvider, PublicPage):
    """Where the provider sends people back to.

    Who signs in is recognised by the system; who connects an account does it as themselves.
    """

    why = (
        "Whoever signs in through a provider has not signed in yet. What the provider says is checked first."
    )
    acts_as = ACTS_AS

    visit: Visit | None = None

    @property
    def actor(self) -> Actor:
        return self.request.actor or super().actor

    @property
    def is_connecting(self) -> bool:
        return self.visit is not None and self.visit.process == CONNECT

    @cached_property
    def outcome(self) -> Answer | Problem:
        """What came back: checked, and for the person who left. The provider is asked before a transaction is open."""
        try:
            self.visit = self.door.visit()
            is_the_same = self.request.actor and str(self.request.user.pk) == self.visit.user
            if self.is_connecting and not is_the_same:
                return Problem.OLD
            if "code" not in self.request.GET:
                # Not agreeing to share one's details with us is no error.
                return (
                    Problem.STOPPED if self.request.GET.get("error") == "access_denied" else Problem.NO_ANSWER
                )
            answer = self.door.answer(self.visit)
        except StateUnknown:
            return Problem.OLD
        except NoAnswer as problem:
            self._warn(problem)
            return Problem.NO_ANSWER
        except NotBelieved as problem:
            self._warn(problem)
            return Problem.NOT_BELIEVED
        if not self.is_connecting and self.request.user.is_authenticated:
            # Somebody signed in here meanwhile, in another tab.
            sign_out(self.request, by=self.actor)
            self.request.actor = self.request.membership = None
        return answer

    def open_door(self) -> AbstractContextManager[Any]:
        self.outcome  # noqa: B018 (asked now: see there)
        return super().open_door()

    def get(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(self.outcome, Problem):
            if self.outcome is Problem.NOT_BELIEVED:
                self._log_refusal(self.outcome.value)
            return self.problem(self.outcome, connecting=self.is_connecting)
        try:
            return self._connect(self.outcome) if self.is_connecting else self._sign_in(self.outcome)
        except Refused as refusal:
            self._log_refusal(refusal.why.value)
            return self.problem(Problem.REFUSED, connecting=self.is_connecting)
        except NotBelieved:
            self._log_refusal(Problem.NOT_BELIEVED.value)
            return self.problem(Problem.NOT_BELIEVED, connecting=self.is_connecting)

    def _sign_in(self, answer: Answer) -> HttpResponseBase:
        user = actions.recognise(answer, by=self.actor)
        record_authentication(
            self.request,
            user,
            method="socialaccount",
            provider=self.slug,
            second_factor=policies.gave_second_factor(answer),
        )
        assert self.visit  # noqa: S101 (there is no answer without one)
        return perform_login(
            self.request, user, email_verification="none", redirect_url=self.visit.next or None
        )

    def _connect(self, answer: Answer) -> HttpResponseBase:
        actions.connect(self.request.user, answer, by=self.actor)
        note("connected", self.request.user, by=self.actor)
        _tell(self.request.user, "account_connected", self.provider)
        self.say(_("You can now sign in with %(name)s.") % {"name": self.provider.name})
        return HttpResponseRedirect(reverse("sign_in:account"))

    def _log_refusal(self, why: str) -> None:
        match = self.request.resolver_match
        name = f"oidc.{match.url_name}" if match else "oidc.callback"
        with acting(self.actor, name, reason=why):
            record_refusal()


class OwnConnection(ThroughProvider):
    """A page about whether one's own account is connected. Not there for roles that the provider is not for."""

    permission = Permission.USE_OWN_ACCOUNT
    about_self = User

    @classmethod
    def is_there_for(cls, role: Role, **arguments: Any) -> bool:
        """NHS login is patients', the other is staff's."""
        return (arguments["slug"] == NHS_LOGIN) == (role is Role.PATIENT)

    def get_row(self) -> User:
        if not self.is_there_for(self.actor.role, slug=self.slug):
            raise Http404
        return self.request.user

    def context(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "is_connected": selectors.is_connected(self.row, self.provider),
            "has_password": self.row.has_usable_password(),
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(_("Your account"), reverse("sign_in:account"))]


class Connection(OwnConnection, Page):
    """Whether the account is connected, and the button that connects it."""

    template_name = "socialaccount/connection.jinja"

    @property
    def title(self) -> str:  # type: ignore[override]
        return _("Sign in with %(name)s") % {"name": self.provider.name}

    def open_door(self) -> AbstractContextManager[Any]:
        if self.request.method == "POST":
            self.is_there  # noqa: B018 (asked now: see there)
        return super().open_door()

    def post(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_reauthentication_required(request, app="pilot.sign_in"):
            # Whoever finds an open screen cannot leave a way in for later.
            return to_confirm(request, request.path)
        return self.leave(CONNECT, user=str(request.user.pk))


class Disconnect(OwnConnection, FormPage):
    """Ends it, where another way in remains."""

    template_name = "socialaccount/disconnect.jinja"
    submit_label = gettext_lazy("Disconnect")
    submit_variant = "warning"

    @property
    def title(self) -> str:  # type: ignore[override]
        return _("Stop signing in with %(name)s?") % {"name": self.provider.name}

    def act(self, form: Form) -> str:
        actions.disconnect(self.row, self.provider, by=self.actor)
        note("disconnected", self.row, by=self.actor)
        _tell(self.row, "account_disconnected", self.provider)
        self.say(_("You no longer sign in with %(name)s.") % {"name": self.provider.name})
        return reverse("sign_in:account")


def _tell(user: User, what: str, provider: Provider) -> None:
    """By e-mail, so that nobody gets another way into an account without its owner knowing."""
    get_adapter().send_notification_mail(
        f"socialaccount/email/{what}", user, {"provider_name": provider.name}
    )
