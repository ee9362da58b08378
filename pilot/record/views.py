"""A patient's own pages: what is next, what was agreed and written, who looked; to answer, and to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from coaching.actions import add_goal, change_goal
from coaching.distress_views import crisis_numbers
from coaching.models import Goal
from consent import consequences, receipts
from consent.actions import decide, not_now, withdraw
from consent.forms import DecisionForm
from consent.models import NEEDED_TO_BEGIN, InformationSheet, Purpose
from consent.policies import what_would_stop
from consent.selectors import ConsentRecord, consent_of, history_of, receipt, receipts_of, sheets_in_force
from pilot.access import Permission
from pilot.outbox.models import MessageQuerySet
from pilot.people.models import Need
from pilot.record import looks, selectors
from pilot.record.forms import ChangeGoalForm, GoalForm
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage, Page
from referrals.models import BestTime, Reason, Referral

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

Crumbs = list[tuple["_StrOrPromise", str]]


class Own:
    """What the pages share: they are about whoever is signed in, and lead back to the first of them."""

    section: _StrOrPromise = gettext_lazy("My record")

    def get_row(self) -> Any:
        return selectors.own_patient(self.actor)  # type: ignore[attr-defined]

    def breadcrumbs(self) -> Crumbs:
        return [(_("My record"), reverse("record:home"))]


class OwnConsent(Own):
    """The same for pages about consent: their row says how it stands, and moves on with every decision."""

    row: ConsentRecord

    def get_row(self) -> ConsentRecord:
        patient = selectors.own_patient(self.actor)  # type: ignore[attr-defined]
        return consent_of(self.actor, patient.pk)  # type: ignore[attr-defined]

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("What I agreed to"), reverse("record:consent"))]


# --- What is held ----------------------------------------------------------------------------------


class Home(OwnConsent, Page):
    """How things stand, what is next, who helps, and the way to everything else."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/home.jinja"
    section = ""
    title = gettext_lazy("My record")

    def breadcrumbs(self) -> Crumbs:
        return []

    def context(self) -> dict[str, Any]:
        patient = self.row.patient
        return {
            "patient": patient,
            "overview": selectors.overview(self.actor, patient),
            "goals": [goal for goal in selectors.goals(self.actor, patient) if not goal.dropped_at][:3],
            **crisis_numbers(),
        }


class Details(Own, Page):
    """What is held about the patient, and why they were suggested."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/details.jinja"
    title = gettext_lazy("What we hold about you")

    def context(self) -> dict[str, Any]:
        return {
            "needs": [Need(need).label for need in self.row.needs],
            "referrals": [
                {
                    "referral": referral,
                    "reasons": [Reason(reason).label for reason in referral.reasons],
                    "best_times": [BestTime(time).label for time in referral.best_times],
                }
                for referral in selectors.referrals(self.actor, self.row)
            ],
        }


class Sessions(Own, ListPage):
    """Sessions to come and past, with what was agreed."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/sessions.jinja"
    title = gettext_lazy("Sessions")
    sorts = {"newest": Sort(gettext_lazy("Newest first"), "starts_at", descending=True)}

    def rows(self) -> Any:
        return selectors.past_sessions(self.actor, self.row)

    def context(self) -> dict[str, Any]:
        return {"upcoming": selectors.upcoming_sessions(self.actor, self.row)}


class Notes(Own, Page):
    """What clinicians of the practice wrote, and calls for help. No coach ever sees the notes."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/notes.jinja"
    title = gettext_lazy("Notes by your practice")

    def context(self) -> dict[str, Any]:
        return {
            "notes": selectors.clinical_notes(self.actor, self.row),
            "calls": selectors.distress_calls(self.actor, self.row),
            **crisis_numbers(),
        }


class Goals(Own, Page):
    permission = Permission.SEE_OWN_RECORD
    template_name = "record/goals.jinja"
    title = gettext_lazy("My goals")

    def context(self) -> dict[str, Any]:
        return {
            "goals": selectors.goals(self.actor, self.row),
            "can_add": selectors.referral_under_way(self.actor) is not None,
        }


class OneGoal(Own):
    """What the two forms about a goal share."""

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("My goals"), reverse("record:goals"))]


class AddGoal(OneGoal, FormPage):
    """What the patient wants, written by the patient. The coach can read it."""

    permission = Permission.KEEP_GOALS
    title = gettext_lazy("Add a goal")
    form_class = GoalForm
    submit_label = gettext_lazy("Save my goal")

    def get_row(self) -> Referral:
        referral = selectors.referral_under_way(self.actor)
        if referral is None:
            raise Http404
        return referral

    def act(self, form: Form) -> str:
        add_goal(self.row, form.cleaned_data["words"], by=self.actor)
        self.say(_("Your goal is saved."))
        return reverse("record:goals")


class ChangeGoal(OneGoal, FormPage):
    """Other words for a goal, or that it is reached, or matters less now."""

    permission = Permission.KEEP_GOALS
    title = gettext_lazy("Change a goal")
    form_class = ChangeGoalForm
    submit_label = gettext_lazy("Save my goal")
    edits_row = True

    def get_row(self) -> Goal:
        return selectors.goal(self.actor, self.kwargs["pk"])

    def initial(self) -> dict[str, Any]:
        return {"words": self.row.words, "standing": self.row.standing.value}

    def act(self, form: Form) -> str:
        change_goal(self.row, version=self.version, **form.cleaned_data, by=self.actor)
        self.say(_("Your goal is saved."))
        return reverse("record:goals")


class Messages(Own, ListPage):
    """Letters, e-mails and texts, sent or waiting."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/messages.jinja"
    title = gettext_lazy("Messages to you")
    sorts = {"newest": Sort(gettext_lazy("Newest first"), "created_at", descending=True)}

    def rows(self) -> MessageQuerySet:
        return selectors.messages(self.actor, self.row)


class Message(Own, Page):
    permission = Permission.SEE_OWN_RECORD
    template_name = "record/message.jinja"
    title = gettext_lazy("A message to you")

    def context(self) -> dict[str, Any]:
        return {"message": selectors.message(self.actor, self.row, self.kwargs["pk"])}

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("Messages to you"), reverse("record:messages"))]


class WhoLooked(Own, Page):
    """Who looked at the record or changed it, newest first."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/who_looked.jinja"
    title = gettext_lazy("Who looked at your record")

    def context(self) -> dict[str, Any]:
        asked = self.request.GET.get("before", "")
        before = (
            int(asked) if asked.isascii() and asked.isdecimal() and len(asked) <= len(str(2**62)) else None
        )
        include_own = "own" in self.request.GET
        return {
            "log": looks.page(self.actor, self.row, before=before, include_own=include_own),
            "include_own": include_own,
        }


# --- Answering -------------------------------------------------------------------------------------


class Consent(OwnConsent, Page):
    """Every purpose with the answer that stands, every receipt, and all earlier answers."""

    permission = Permission.DECIDE
    template_name = "record/consent.jinja"
    title = gettext_lazy("What I agreed to")

    def breadcrumbs(self) -> Crumbs:
        return Own.breadcrumbs(self)

    def context(self) -> dict[str, Any]:
        patient = self.row.patient
        return {
            "purposes": [(purpose, self.row.standing[purpose]) for purpose in Purpose],
            "agreed": {decision.purpose for decision in self.row.agreed},
            "needed": NEEDED_TO_BEGIN,
            "history": history_of(self.actor, patient),
            "receipts": receipts_of(self.actor, patient),
        }


class Read(OwnConsent, Page):
    """The information sheet in force, in the format that suits, before any question is asked."""

    permission = Permission.DECIDE
    template_name = "record/read.jinja"

    @property
    def title(self) -> str:  # type: ignore[override]
        return self.sheet.title

    def get_row(self) -> ConsentRecord:
        row = super().get_row()
        self.sheet = selectors.sheet_for(row.patient, self.request.GET.get("format", ""))
        return row

    def context(self) -> dict[str, Any]:
        return {"sheet": self.sheet, "sheets": sheets_in_force()}


class Answer(OwnConsent, FormPage):
    """The questions, each on its own and none answered beforehand. What is recorded names the sheet that was
    read.
    """

    known_as = "record.asked"  # the same for every answer
    permission = Permission.DECIDE
    template_name = "record/answer.jinja"
    title = gettext_lazy("Your answers")
    form_class = DecisionForm
    submit_label = gettext_lazy("Save my answers")
    edits_row = True

    def get_row(self) -> ConsentRecord:
        self.sheet: InformationSheet = selectors.sheet_shown(self.kwargs["sheet"])
        return super().get_row()

    def form_arguments(self) -> dict[str, Any]:
        # Decided on another device meanwhile: every answer that was sent is kept, still asked or not.
        is_stale = self.request.method == "POST" and self.version != self.row.version
        return {"asked": list(Purpose) if is_stale else self.row.asked, "joins": is_stale or self.row.joins}

    def initial(self) -> dict[str, Any]:
        return self.row.answers() if self.request.method == "POST" else {}

    def context(self) -> dict[str, Any]:
        return {"sheet": self.sheet}

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (self.sheet.title, reverse("record:read"))]

    def act(self, form: DecisionForm) -> str:  # type: ignore[override]
        patient = self.row.patient
        if form.says_not_now:
            not_now(patient, by=self.actor)
            return reverse("record:not_now_said")
        written = decide(
            patient, form.answers(), sheet=self.sheet, how=form.how(), version=self.version, by=self.actor
        )
        return reverse("record:receipt", args=[written.pk]) if written else reverse("record:not_now_said")


class NotNow(OwnConsent, FormPage):
    """Not now, and no reason asked."""

    known_as = "record.asked"  # the same for every answer
    permission = Permission.DECIDE
    template_name = "record/not_now.jinja"
    title = gettext_lazy("Not now")
    submit_label = gettext_lazy("Do not ask me for now")

    def context(self) -> dict[str, Any]:
        return {"back": reverse("record:read")}

    def act(self, form: Form) -> str:
        not_now(self.row.patient, by=self.actor)
        return reverse("record:not_now_said")


# --- Stopping --------------------------------------------------------------------------------------


class Stop(OwnConsent, FormPage):
    """The second of two clicks: what stops, what is kept, and the button. Nobody is asked why."""

    permission = Permission.DECIDE
    template_name = "record/stop.jinja"
    title = gettext_lazy("Stop taking part")
    submit_label = gettext_lazy("Stop taking part now")
    submit_variant = "warning"

    @property
    def asked_for(self) -> list[Purpose] | None:
        """Which purposes to stop; None for all."""
        return None

    def breadcrumbs(self) -> Crumbs:
        return Own.breadcrumbs(self)

    def context(self) -> dict[str, Any]:
        ending = what_would_stop(self.row.standing, self.asked_for)
        return {
            "ending": ending,
            "previews": consequences.previews(self.row.patient, ending) if ending else [],
            "kept": [line["text"] for line in receipts.kept()],
            "single": [purpose for purpose in self.row.stoppable if purpose not in NEEDED_TO_BEGIN],
            "all_of_it": self.asked_for is None,
        }

    def act(self, form: Form) -> str:
        written = withdraw(self.row.patient, self.asked_for, by=self.actor)
        self.say(_("It has stopped. You do not have to do anything else."))
        return reverse("record:receipt", args=[written.pk])


class StopOne(Stop):
    """The same for a single purpose. One that everything rests on is stopped with everything, on the page for
    that.
    """

    permission = Permission.DECIDE
    submit_label = gettext_lazy("Stop this now")

    @property
    def title(self) -> _StrOrPromise:  # type: ignore[override]
        return _("Stop one thing")

    @property
    def asked_for(self) -> list[Purpose]:
        try:
            purpose = Purpose(self.kwargs["purpose"])
        except ValueError:
            raise Http404 from None
        if purpose in NEEDED_TO_BEGIN:
            raise Http404
        return [purpose]

    def breadcrumbs(self) -> Crumbs:
        return OwnConsent.breadcrumbs(self)


class Receipt(OwnConsent, Page):
    """What was said after a decision: what begins or stops, what is kept, and why."""

    permission = Permission.DECIDE
    template_name = "record/receipt.jinja"

    @property
    def title(self) -> str:  # type: ignore[override]
        return str(self.receipt.get_kind_display())

    def get_row(self) -> ConsentRecord:
        row = super().get_row()
        self.receipt = receipt(self.actor, row.patient.pk, self.kwargs["pk"])
        return row

    def context(self) -> dict[str, Any]:
        return {"receipt": self.receipt}
