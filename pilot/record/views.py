"""A patient's own pages: what is next, what was agreed and written, who looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.http import Http404
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from coaching.actions import add_goal, change_goal
from coaching.distress_views import crisis_numbers
from coaching.models import Goal
from consent.selectors import ConsentRecord, consent_of
from pilot.access import Permission
from pilot.outbox.models import Message as KeptMessage
from pilot.outbox.models import MessageQuerySet
from pilot.people.models import Need, Patient
from pilot.people.restrictions.policies import is_restricted
from pilot.people.selectors import doubles_of
from pilot.record import looks, selectors
from pilot.record.forms import ChangeGoalForm, GoalForm
from pilot.record.requests.selectors import asked_about
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage, Page
from referrals.clinical_terms import Kind
from referrals.models import BestTime, Reason, Referral
from referrals.notes.selectors import replies_about
from referrals.screening.selectors import own_words_of
from referrals.selectors import words_beside_details

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

Crumbs = list[tuple["_StrOrPromise", str]]

# What a patient calls the boxes that a coach can read.
BOXES: dict[str, _StrOrPromise] = {
    "referrals.Referral.own_words": gettext_lazy("What you would like"),
    "people.Patient.needs_note": gettext_lazy("About what you need"),
    "coaching.Session.agreed": gettext_lazy("What you and your coach agreed"),
    "coaching.Session.where": gettext_lazy("Where you meet"),
    "coaching.Goal.words": gettext_lazy("A goal"),
}


class Own:
    """What the pages share: they are about whoever is signed in, and lead back to the first of them."""

    section: _StrOrPromise = gettext_lazy("My record")
    about_self: ClassVar[Any] = Patient

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
            "restricted": is_restricted(patient.pk),
            "doubles": doubles_of(self.actor, patient),
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
            "replies": words_beside_details(self.actor, self.row),
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
        return {
            "upcoming": selectors.upcoming_sessions(self.actor, self.row),
            "replies": selectors.replies(self.actor, self.row),
        }


class Notes(Own, Page):
    """What clinicians of the practice wrote, and calls for help. No coach ever sees the notes."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/notes.jinja"
    title = gettext_lazy("Notes by your practice")

    def context(self) -> dict[str, Any]:
        return {
            "notes": selectors.clinical_notes(self.actor, self.row),
            "replies": replies_about(self.actor, self.row),
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
            "replies": selectors.replies(self.actor, self.row),
            "can_add": selectors.referral_under_way(self.actor) is not None,
        }


class OneGoal(Own):
    """What the two forms about a goal share."""

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("My goals"), reverse("record:goals"))]


class AddGoal(OneGoal, FormPage):
    """What the patient wants, written by the patient. The coach can read it."""

    permission = Permission.SEE_OWN_RECORD
    acts_with = Permission.KEEP_GOALS
    about_self = Referral
    ends_with_consent = True
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

    permission = Permission.SEE_OWN_RECORD
    acts_with = Permission.KEEP_GOALS
    about = {"pk": Goal}
    about_self = None
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
    about = {"pk": KeptMessage}
    template_name = "record/message.jinja"
    title = gettext_lazy("A message to you")

    def context(self) -> dict[str, Any]:
        return {"message": selectors.message(self.actor, self.row, self.kwargs["pk"])}

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("Messages to you"), reverse("record:messages"))]


class OwnWords(Own, Page):
    """When somebody said in the patient's name that words in a box were theirs."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/own_words.jinja"
    title = gettext_lazy("Words passed on as your own")

    def context(self) -> dict[str, Any]:
        return {"confirmed": own_words_of(self.actor, self.row), "boxes": BOXES, "kinds": Kind}


class WhoLooked(Own, Page):
    """Who looked at the record or changed it, and what was sent out, newest first."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/who_looked.jinja"
    title = gettext_lazy("Who looked at your record")

    def context(self) -> dict[str, Any]:
        asked, wanted = self.request.GET.get("before", ""), self.request.GET.get("show", "")
        before = (
            int(asked) if asked.isascii() and asked.isdecimal() and len(asked) <= len(str(2**62)) else None
        )
        show = looks.Show(wanted) if wanted in looks.Show.values else looks.Show.ALL
        include_own = "own" in self.request.GET
        log = looks.page(self.actor, self.row, before=before, include_own=include_own, show=show)
        return {
            "log": log,
            "asked": asked_about(self.actor, self.row, [entry.key for entry in log.entries]),
            "include_own": include_own,
            "own_href": self._address(show, own=not include_own),
            "older_href": self._address(show, own=include_own, before=log.older or 0),
            "newest_href": self._address(show, own=include_own),
            "tabs": [
                (each.label, None, self._address(each, own=include_own), each is show) for each in looks.Show
            ],
        }

    def _address(self, show: looks.Show, *, own: bool, before: int = 0) -> str:
        query = {"show": show.value, "own": "yes" if own else "", "before": before or ""}
        kept = urlencode({name: value for name, value in query.items() if value})
        return f"{reverse('record:who_looked')}?{kept}" if kept else reverse("record:who_looked")
