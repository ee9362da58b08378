"""From the letter to an account: the pages of somebody who was invited and has not signed in yet.

They act as the system, under the name of the invitation, and see nothing of anybody until code and date of
birth fit.
"""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from django.contrib import auth
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.actions import not_now
from consent.selectors import sheets_in_force
from pilot.access import Role
from pilot.record import selectors
from pilot.record.actions import accept_invitation
from pilot.record.forms import AccountForm, InvitationForm
from pilot.record.policies import may_try
from pilot.sign_in.sessions import sign_in
from pilot.web import errors
from pilot.web.forms import Form
from pilot.web.views import PublicFormPage, PublicPage
from referrals.invitations.actions import try_invitation
from referrals.models import Invitation
from referrals.selectors import find_invitation

ACTS_AS = "invitation"
WHY = "Whoever was invited has no account yet. It shows nothing until code and date of birth fit."
# In the session: which invitation was opened, and until when it need not be opened again.
OPENED = "invitation"
MINUTES = 30


class OpenInvitation(PublicPage):
    """Asks for the code and the date of birth. What does not fit is answered in the same words, whatever it
    was.
    """

    why = WHY
    acts_as = ACTS_AS
    template_name = "record/invitation.jinja"
    title = gettext_lazy("Open your invitation")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        person = getattr(request, "actor", None)
        if person and person.role is Role.PATIENT:
            return HttpResponseRedirect(reverse("record:home"))
        return self.show(form=InvitationForm(initial={"code": request.GET.get("code", "")[:40]}))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Not a form page: a try that does not fit is counted, so nothing here is rolled back."""
        if not may_try(request):
            return errors.too_many_requests(request)
        form = InvitationForm(request.POST)
        if form.is_valid():
            invitation = find_invitation(self.actor, form.cleaned_data["code"])
            born = form.cleaned_data["date_of_birth"]
            if invitation and try_invitation(invitation, born, by=self.actor):
                return self._open(invitation)
            form.add_error(
                None,
                _(
                    "We could not open this invitation. Check the code and your date of birth. A code works "
                    "once, for a limited time and for five tries. Your practice can give you a new one."
                ),
            )
        return self.show(form=form, status=422)

    def _open(self, invitation: Invitation) -> HttpResponseBase:
        # Whoever was signed in here is signed out, and a session that somebody else may know is left behind.
        auth.logout(self.request)
        self.request.session[OPENED] = [str(invitation.pk), time.time() + MINUTES * 60]
        return HttpResponseRedirect(reverse("record:invitation_read"))


class Invited:
    """What the pages share that follow once an invitation was opened; without one they lead back to the
    start.
    """

    row: Invitation | None

    def get_row(self) -> Invitation | None:
        key, until = self.request.session.get(OPENED, ["", 0])  # type: ignore[attr-defined]
        return selectors.open_invitation(self.actor, UUID(key)) if time.time() < until else None  # type: ignore[attr-defined]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().get(request, *args, **kwargs) if self.row else _start_again()  # type: ignore[misc]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().post(request, *args, **kwargs) if self.row else _start_again()  # type: ignore[misc]


def _start_again() -> HttpResponseBase:
    return HttpResponseRedirect(reverse("record:invitation"))


class ReadFirst(Invited, PublicPage):
    """The information sheet, with two ways on: to an account, or not now. Neither is the easier one."""

    why = WHY
    acts_as = ACTS_AS
    http_method_names = ["get", "head"]
    template_name = "record/invitation_read.jinja"

    @property
    def title(self) -> str:  # type: ignore[override]
        return self.sheet.title if self.row else ""

    def get_row(self) -> Invitation | None:
        row = super().get_row()
        if row:
            self.sheet = selectors.sheet_for(row.patient, self.request.GET.get("format", ""))
        return row

    def context(self) -> dict[str, Any]:
        if not self.row:
            return {}
        return {"sheet": self.sheet, "sheets": sheets_in_force(readers=self.sheet.readers)}


class DeclineInvitation(Invited, PublicFormPage):
    """Not now, without an account and without a reason."""

    why = WHY
    acts_as = ACTS_AS
    template_name = "record/not_now.jinja"
    title = gettext_lazy("Not now")
    submit_label = gettext_lazy("Do not ask me for now")

    def act(self, form: Form) -> str:
        assert self.row  # noqa: S101 (`post` went elsewhere without one)
        not_now(self.row.patient, by=self.actor)
        del self.request.session[OPENED]
        return reverse("record:not_now_said")

    def context(self) -> dict[str, Any]:
        return {"back": reverse("record:invitation_read")}


class NotNowSaid(PublicPage):
    """Nothing more to do."""

    why = "It thanks for an answer and shows nothing about anybody."
    template_name = "record/not_now_said.jinja"
    title = gettext_lazy("Thank you for telling us")


class OpenAccount(Invited, PublicFormPage):
    """An address and a password, and the invited person is signed in to their own record."""

    why = WHY
    acts_as = ACTS_AS
    template_name = "record/account.jinja"
    title = gettext_lazy("Open your account")
    form_class = AccountForm
    submit_label = gettext_lazy("Open my account")

    def initial(self) -> dict[str, Any]:
        return {"email": self.row.patient.email} if self.row else {}

    def act(self, form: Form) -> str:
        assert self.row  # noqa: S101 (`post` went elsewhere without one)
        user = accept_invitation(
            self.row, email=form.cleaned_data["email"], password=form.cleaned_data["password"], by=self.actor
        )
        sign_in(self.request, user, by=self.actor)
        return reverse("record:read")
