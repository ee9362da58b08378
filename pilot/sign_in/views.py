"""One's own account: what is set up, where one is signed in, signing out of it all; and help for staff who lost a key."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.mfa.webauthn.views import RemoveWebAuthnView
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.people.models import User
from pilot.sign_in import actions, selectors
from pilot.sign_in.factors import MFAAdapter
from pilot.sign_in.forms import OTHERS, EndSessionForm, ResetForm
from pilot.sign_in.oidc.selectors import is_connected, provider_for
from pilot.sign_in.sessions import to_confirm
from pilot.web import formats
from pilot.web.forms import Form
from pilot.web.middleware import STARTED, PilotRequest
from pilot.web.views import FormPage, Page, PublicPage

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Account(Page):
    permission = Permission.USE_OWN_ACCOUNT
    about_self = User
    template_name = "sign_in/account.jinja"
    title = _("Your account")

    def context(self) -> dict[str, Any]:
        membership = self.request.membership
        provider = provider_for(self.actor.role)
        return {
            "provider": provider,
            "is_connected": provider and is_connected(self.request.user, provider),
            "role_name": str(membership) if membership else self.actor.role.label,
            "signed_in_at": dt.datetime.fromtimestamp(self.request.session[STARTED], tz=dt.UTC),
            "has_password": self.request.user.has_usable_password(),
            "second_steps": selectors.second_steps(self.request.user),
            "open_sessions": selectors.open_sessions(self.request),
        }


class _OwnFormPage(FormPage):
    """What the pages with a form about one's own sessions share."""

    permission = Permission.USE_OWN_ACCOUNT
    about_self = User

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Account.title, reverse("sign_in:account"))]

    def respond(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Whoever signed in a while ago confirms first that it is still them."""
        if is_reauthentication_required(request, app="allauth.mfa"):
            return to_confirm(request, request.path)
        return super().respond(request, *args, **kwargs)


class SignOutEverywhere(_OwnFormPage):
    template_name = "sign_in/sign_out_everywhere.jinja"
    title = _("Sign out everywhere?")
    submit_label = _("Sign out everywhere")
    submit_variant = "warning"

    def act(self, form: Form) -> str:
        actions.sign_out_everywhere(self.request.user, by=self.actor)
        actions.sign_out(self.request, by=self.actor)
        return reverse("account_login")


class Sessions(_OwnFormPage):
    """Where one is signed in, and a way to end each."""

    template_name = "sign_in/sessions.jinja"
    title = _("Where you are signed in")
    form_class = EndSessionForm
    submit_label = _("End it")

    @cached_property
    def sessions(self) -> list[selectors.OpenSession]:
        return selectors.open_sessions(self.request)

    def form_arguments(self) -> dict[str, Any]:
        others = [each for each in self.sessions if not each.is_this]
        choices = [(str(each.row.pk), _name_of(each)) for each in others]
        if len(others) > 1:
            choices.append((OTHERS, _now("All but this one")))
        return {"choices": choices}

    def context(self) -> dict[str, Any]:
        return {"sessions": self.sessions}

    def act(self, form: Form) -> str:
        chosen = form.cleaned_data["session"]
        if chosen == OTHERS:
            actions.end_other_sessions(self.request, by=self.actor)
        else:
            actions.end_session(
                next(each.row for each in self.sessions if str(each.row.pk) == chosen), by=self.actor
            )
        self.say(_("Ended. Whoever used it has to sign in again."))
        return reverse("sign_in:sessions")


class SecondStep(PublicPage):
    """Where staff are led who have not passed the second step: to it, or to setting one up."""

    why = "Staff come here before they may act in a role. It shows nothing but what to do."
    signed_in = True
    acts_as = "sign-in"
    http_method_names = ["get", "head"]
    template_name = "sign_in/second_step.jinja"
    title = _("Set up a second step to sign in")

    def get(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.needs_second_step:
            return HttpResponseRedirect(self._there() or reverse("web:home"))
        if selectors.second_steps(request.user):
            return to_confirm(request, request.get_full_path())
        return self.show()

    def _there(self) -> str:
        there = self.request.GET.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(there, {self.request.get_host()}, self.request.is_secure())
        return there if is_ours else ""


class NoPassword(PublicPage):
    """For whoever signs in without a password and wants to change it."""

    why = "It says how to get a password, and shows nothing."
    signed_in = True
    template_name = "sign_in/no_password.jinja"
    title = _("You sign in without a password")


class ResetSecondStep(FormPage):
    """Take away the second step of a member of staff who lost it. They set up a new one at their next sign-in."""

    permission = Permission.MANAGE_PILOT
    about = {"person": User}
    template_name = "sign_in/reset_second_step.jinja"
    title = _("Help with a lost second step")
    form_class = ResetForm
    submit_label = _("Take the second step away")
    submit_variant = "warning"

    def get_row(self) -> User:
        return selectors.member_of_staff(self.actor, self.kwargs["person"])

    def context(self) -> dict[str, Any]:
        return {"second_steps": selectors.second_steps(self.row)}

    def act(self, form: Form) -> str:
        actions.reset_second_step(self.row, reason=form.cleaned_data["reason"], by=self.actor)
        get_adapter().send_notification_mail("mfa/email/reset", self.row)
        self.say(_("Done. They were told by e-mail, and set up a new one when they sign in next."))
        return reverse("office:person", args=[self.row.pk])

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(self.row.display_name, reverse("office:person", args=[self.row.pk]))]


class RemoveKey(RemoveWebAuthnView):
    """allauth's page, but a member of staff keeps at least one app or passkey."""

    def form_valid(self, form: Any) -> HttpResponseBase:
        adapter = MFAAdapter()
        if not adapter.can_delete_authenticator(self.get_object()):
            messages.error(self.request, str(adapter.error_messages["cannot_delete_authenticator"]))
            return HttpResponseRedirect(reverse("mfa_list_webauthn"))
        return super().form_valid(form)


def _name_of(session: selectors.OpenSession) -> str:
    return _now("%(browser)s, signed in on %(when)s") % {
        "browser": session.browser,
        "when": formats.date_and_time(session.began_at),
    }


remove_key = RemoveKey.as_view()
