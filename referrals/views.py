"""The practice's pages about referrals: the newest, logging one, inviting the patient, pausing, ending."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.http import HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from consent.policies import check_may_be_raised
from pilot.access import Permission, may
from pilot.outbox.received.policies import are_texts_stopped
from pilot.people import selectors as people
from pilot.people.models import Patient
from pilot.web import formats
from pilot.web.lists import ListPage, Sort
from pilot.web.middleware import PilotRequest
from pilot.web.past import PastParts
from pilot.web.views import FormPage, Page
from referrals import actions, policies, selectors
from referrals.forms import EndForm, InviteForm, LogForm
from referrals.invitations.actions import invite
from referrals.models import Invitation, Referral, ReferralQuerySet
from referrals.notes.selectors import count_due
from referrals.patients.views import words_for_needs


class PracticeHome(ListPage):
    """Where the practice starts: find a patient, add one, and how the newest referrals stand."""

    permission = Permission.LOG_REFERRALS
    template_name = "referrals/home.jinja"
    title = _("Referrals")
    sorts: ClassVar = {"newest": Sort(_("Newest"), "logged_at", descending=True)}

    def rows(self) -> ReferralQuerySet:
        return selectors.newest_at(self.actor, self.organisation)

    def context(self) -> dict[str, Any]:
        # For everybody but clinicians the page is the same with and without notes: nothing is even counted.
        writes_notes = may(self.actor, Permission.WRITE_CLINICAL_NOTES)
        return {"notes_due": count_due(self.actor, self.organisation) if writes_notes else 0}


class LogReferral(FormPage):
    """Log a referral for a patient of the practice, on one page."""

    permission = Permission.LOG_REFERRALS
    about = {"patient": Patient}
    template_name = "referrals/log.jinja"
    title = _("Log a referral")
    form_class = LogForm
    submit_label = _("Log the referral")
    row: Patient

    def get_row(self) -> Patient:
        return people.patient(self.actor, self.kwargs["patient"], self.permission)

    def breadcrumbs(self) -> list[Any]:
        return [
            (_("Patients"), reverse("referrals:patients")),
            (self.row.name, reverse("referrals:patient", args=[self.row.pk])),
        ]

    def get(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if found := selectors.open_referral(self.actor, self.row):
            return HttpResponseRedirect(reverse("referrals:referral", args=[found.pk]))
        return super().get(request, *args, **kwargs)

    def initial(self) -> dict[str, Any]:
        return {"needs": self.row.needs, "needs_note": self.row.needs_note}

    def form_arguments(self) -> dict[str, Any]:
        return {"may_be_raised": not self.not_before}

    def context(self) -> dict[str, Any]:
        return {"not_before": self.not_before}

    @property
    def not_before(self) -> Any:
        """The day before which nobody raises it with them, if that is still to come."""
        return None if refusal_of(check_may_be_raised, self.row) == "" else self.row.do_not_raise_until

    def act(self, form: LogForm) -> str:  # type: ignore[override]
        referral = actions.log_referral(self.row, **form.cleaned_data, by=self.actor)
        self.say(_("Referral logged"))
        return reverse("referrals:referral", args=[referral.pk])


class OpenReferral(Page):
    """One referral: how it stands, and what can be done next."""

    permission = Permission.LOG_REFERRALS
    about = {"referral": Referral}
    template_name = "referrals/referral.jinja"
    title = _("Referral")
    row: Referral

    def get_row(self) -> Referral:
        return selectors.referral(self.actor, self.kwargs["referral"])

    def breadcrumbs(self) -> list[Any]:
        patient = self.row.patient
        return [
            (_("Patients"), reverse("referrals:patients")),
            (patient.name, reverse("referrals:patient", args=[patient.pk])),
        ]

    def context(self) -> dict[str, Any]:
        return {
            "needs": words_for_needs(self.row.patient),
            "coach": selectors.coach_of(self.actor, self.row),
            "invitation": selectors.latest_invitation(self.actor, self.row),
            "is_open": policies.is_open,
            "moves": {each.name for each in policies.TRANSITIONS if self._can(each.name)},
            "can_invite": not refusal_of(policies.check_can_invite, self.row, self.row.patient),
        }

    def _can(self, name: str) -> bool:
        return policies.can_move(self.row, name, self.actor.role)


class ReferralPast(PastParts, Page):
    """What changed in a referral, and who changed it."""

    permission = Permission.LOG_REFERRALS
    about = {"referral": Referral}
    template_name = "referrals/past.jinja"
    row: Referral

    def get_row(self) -> Referral:
        return selectors.referral(self.actor, self.kwargs["referral"])

    def context(self) -> dict[str, Any]:
        return {**super().context(), "caption": self.row.patient.name}

    def breadcrumbs(self) -> list[Any]:
        return [
            (_("Patients"), reverse("referrals:patients")),
            (self.row.patient.name, reverse("referrals:patient", args=[self.row.patient_id])),
            (_("Referral"), reverse("referrals:referral", args=[self.row.pk])),
        ]


class Invite(FormPage):
    """Give the patient a code with which they decide for themselves: printed, by e-mail or by text."""

    permission = Permission.INVITE_PATIENTS
    about = {"referral": Referral}
    template_name = "referrals/invite.jinja"
    title = _("Give them an invitation")
    form_class = InviteForm
    submit_label = _("Make the invitation")
    row: Referral

    def get_row(self) -> Referral:
        return selectors.referral(self.actor, self.kwargs["referral"])

    def breadcrumbs(self) -> list[Any]:
        return [
            (_("Patients"), reverse("referrals:patients")),
            (self.row.patient.name, reverse("referrals:patient", args=[self.row.patient_id])),
            (_("Referral"), reverse("referrals:referral", args=[self.row.pk])),
        ]

    def form_arguments(self) -> dict[str, Any]:
        patient, channel = self.row.patient, Invitation.Channel
        ways = {channel.LETTER: patient.address or gettext("No address: hand it to them")}
        if patient.email:
            ways[channel.EMAIL] = patient.email
        if patient.phone and patient.message_is_safe and not are_texts_stopped(patient):
            ways[channel.SMS] = formats.phone(patient.phone)
        return {"channels": [(each.value, each.label) for each in ways], "hints": ways}

    def context(self) -> dict[str, Any]:
        return {"refusal": refusal_of(policies.check_can_invite, self.row, self.row.patient)}

    def act(self, form: InviteForm) -> str:  # type: ignore[override]
        invitation = invite(self.row, channel=form.cleaned_data["channel"], by=self.actor)
        if invitation.channel == Invitation.Channel.LETTER:
            return reverse("outbox:letter", args=[invitation.message_id])
        self.say(_("The invitation is on its way"))
        return reverse("referrals:referral", args=[self.row.pk])


class Move(FormPage):
    """A move of a referral that somebody confirms: the practice, the coach or the patient."""

    is_base = True
    permission = Permission.CHANGE_SUPPORT
    about = {"referral": Referral}
    template_name = "referrals/move.jinja"
    edits_row = True
    row: Referral
    explanation: ClassVar[Any]
    done: ClassVar[Any]

    def get_row(self) -> Referral:
        return selectors.referral(self.actor, self.kwargs["referral"])

    def breadcrumbs(self) -> list[Any]:
        if not policies.is_at_practice(self.actor):
            return []
        return [
            (_("Patients"), reverse("referrals:patients")),
            (self.row.patient.name, reverse("referrals:patient", args=[self.row.patient_id])),
            (_("Referral"), reverse("referrals:referral", args=[self.row.pk])),
        ]

    def context(self) -> dict[str, Any]:
        return {"explanation": self.explanation}

    def move(self, form: Any) -> None:
        raise NotImplementedError

    def act(self, form: Any) -> str:
        self.move(form)
        self.say(self.done)
        if policies.is_at_practice(self.actor):
            return reverse("referrals:referral", args=[self.row.pk])
        return reverse("web:home")


class Pause(Move):
    title = _("Pause the coaching")
    submit_label = _("Pause the coaching")
    explanation = _(
        "Coaching rests for now. The coach and the place stay the same. It can go on at any time."
    )
    done = _("The coaching is paused")
    permission = Permission.CHANGE_SUPPORT

    def move(self, form: Any) -> None:
        actions.pause(self.row, by=self.actor)


class Resume(Move):
    title = _("Go on with the coaching")
    submit_label = _("Go on")
    explanation = _("Coaching goes on, with the same coach.")
    done = _("The coaching goes on")
    permission = Permission.CHANGE_SUPPORT

    def move(self, form: Any) -> None:
        actions.resume(self.row, by=self.actor)


class End(Move):
    title = _("End the coaching")
    form_class = EndForm
    submit_label = _("End the coaching")
    submit_variant = "warning"
    explanation = _(
        "The coach can no longer see anything about this person, and sessions that lie ahead are cancelled. "
        "This cannot be undone. A new referral can be made at any time."
    )
    done = _("The coaching has ended")
    permission = Permission.CHANGE_SUPPORT

    def move(self, form: Any) -> None:
        actions.end_referral(self.row, ending=form.cleaned_data["ending"], by=self.actor)


def refusal_of(check: Any, *rows: Any) -> str:
    """Why the policy refuses, in a sentence; '' where it does not."""
    try:
        check(*rows)
    except ValidationError as refusal:
        return str(refusal.messages[0])
    return ""
