"""The coaches' pages: their people, sessions and goals. Every one carries the red button for distress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from coaching import actions, policies, selectors
from coaching.forms import AgreedForm, ChangeGoalForm, DidNotHappenForm, GoalForm, SessionForm, as_initial
from coaching.models import Goal, Session
from consent.models import Purpose
from consent.policies import holds
from pilot.access import Permission
from pilot.people.models import Need, Patient
from pilot.people.restrictions.policies import is_restricted
from pilot.web.lists import ListPage, Sort
from pilot.web.past import PastParts
from pilot.web.views import FormPage, Page, PageParts
from referrals.models import BestTime, Reason, Referral, Status

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

    from pilot.web.forms import Form


class CoachingParts(PageParts):
    """What every coaching page shows: the red button, and the needs of whoever it is about."""

    # Which of the layouts `coaching/base.jinja` extends.
    layout: ClassVar[str] = "layouts/page.jinja"

    @property
    def referral_id(self) -> Any:
        """The key of the referral of whoever the page is about; None where it is about nobody."""
        return getattr(self.row, "referral_id", None) or getattr(self.row, "pk", None)

    def show(self, *, status: int = 200, **more: Any) -> Any:
        patient: Patient | None = getattr(self.row, "patient", None)
        distress_href = (
            reverse("coaching:distress-of", args=[self.referral_id])
            if self.referral_id
            else reverse("coaching:distress")
        )
        shown = {
            "layout": self.layout,
            "distress_href": distress_href,
            "patient": patient,
            "restricted": patient is not None and is_restricted(patient.pk),
            "needs": [Need(need).label for need in patient.needs] if patient else [],
            "caption": patient.name if patient else "",
        }
        return super().show(status=status, **shown, **more)

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        crumbs: list[tuple[_StrOrPromise, str]] = [(_("My people"), reverse("coaching:caseload"))]
        if self.row is not None:
            crumbs.append((self.row.patient.name, reverse("coaching:person", args=[self.referral_id])))
        return crumbs


class CoachingForm(CoachingParts, FormPage):
    """A form about somebody allocated to the coach."""

    is_base = True
    permission = Permission.RECORD_SESSIONS
    template_name = "coaching/form.jinja"
    layout = "layouts/form.jinja"

    def back(self) -> str:
        """The page of the person, where most forms lead."""
        return reverse("coaching:person", args=[self.referral_id])


class Caseload(CoachingParts, ListPage):
    permission = Permission.RECORD_SESSIONS
    template_name = "coaching/caseload.jinja"
    layout = "layouts/list.jinja"
    title = gettext_lazy("My people")
    page_size = 50
    sorts: ClassVar = {
        "next": Sort(gettext_lazy("Next session"), "sort_at"),
        "name": Sort(gettext_lazy("Last name"), "patient__family_name"),
    }

    def rows(self) -> Any:
        return selectors.caseload(self.actor)

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return []


class Person(CoachingParts, Page):
    permission = Permission.RECORD_SESSIONS
    about = {"pk": Referral}
    template_name = "coaching/person.jinja"

    title = gettext_lazy("Coaching")

    row: Referral

    def get_row(self) -> Referral:
        return selectors.person(self.actor, self.kwargs["pk"])

    def context(self) -> dict[str, Any]:
        sessions = selectors.sessions_of(self.actor, self.row)
        return {
            "booked": [each for each in reversed(sessions) if each.is_booked],
            "past": [each for each in sessions if not each.is_booked],
            "goals": selectors.goals_of(self.actor, self.row),
            "replies": selectors.replies_of(self.actor, self.row.pk),
            "call": selectors.latest_call(self.actor, self.row),
            "can_book": policies.can_book(self.row),
            "is_paused": self.row.status == Status.PAUSED,
            "has_begun": policies.has_begun,
            "reasons": [Reason(reason).label for reason in self.row.reasons],
            "best_times": [BestTime(time).label for time in self.row.best_times],
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return super().breadcrumbs()[:1]


class Book(CoachingForm):
    about = {"pk": Referral}
    title = gettext_lazy("Book a session")
    form_class = SessionForm
    submit_label = gettext_lazy("Book this session")

    row: Referral

    def get_row(self) -> Referral:
        return selectors.person(self.actor, self.kwargs["pk"])

    def initial(self) -> dict[str, Any]:
        return {"minutes": 45}

    def context(self) -> dict[str, Any]:
        best_times = [BestTime(time).label for time in self.row.best_times]
        return {"best_times": best_times, "is_told": holds(self.row.patient_id, Purpose.REMINDERS)}

    def act(self, form: Form) -> str:
        session = actions.book(
            self.row,
            starts_at=form.cleaned_data["begins_at"],
            minutes=int(form.cleaned_data["minutes"]),
            place=form.cleaned_data["place"],
            where=form.cleaned_data["where"],
            by=self.actor,
        )
        self.say(_("The session is booked."))
        return reverse("coaching:session", args=[session.pk])


class SessionForms(CoachingForm):
    """A form that changes a session."""

    is_base = True
    about = {"pk": Session}
    edits_row = True

    row: Session

    def get_row(self) -> Session:
        return selectors.session(self.actor, self.kwargs["pk"])

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [*super().breadcrumbs(), (_("Session"), self.back())]

    def back(self) -> str:
        return reverse("coaching:session", args=[self.row.pk])


class OpenSession(CoachingParts, Page):
    permission = Permission.RECORD_SESSIONS
    about = {"pk": Session}
    template_name = "coaching/session.jinja"
    title = gettext_lazy("Session")

    row: Session

    def get_row(self) -> Session:
        return selectors.session(self.actor, self.kwargs["pk"])

    def context(self) -> dict[str, Any]:
        replies = selectors.replies_of(self.actor, self.row.referral_id)
        return {"has_begun": policies.has_begun(self.row), "replies": replies.get(self.row.pk, [])}


class SessionPast(CoachingParts, PastParts, Page):
    permission = Permission.RECORD_SESSIONS
    about = {"pk": Session}
    template_name = "coaching/past.jinja"

    row: Session

    def get_row(self) -> Session:
        return selectors.session(self.actor, self.kwargs["pk"])

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [*super().breadcrumbs(), (_("Session"), reverse("coaching:session", args=[self.row.pk]))]


class Move(SessionForms):
    title = gettext_lazy("Change the time or place")
    form_class = SessionForm
    submit_label = gettext_lazy("Save the change")

    def initial(self) -> dict[str, Any]:
        return as_initial(self.row)

    def context(self) -> dict[str, Any]:
        return {"is_told": holds(self.row.patient_id, Purpose.REMINDERS)}

    def act(self, form: Form) -> str:
        actions.move(
            self.row,
            starts_at=form.cleaned_data["begins_at"],
            minutes=int(form.cleaned_data["minutes"]),
            place=form.cleaned_data["place"],
            where=form.cleaned_data["where"],
            version=self.version,
            by=self.actor,
        )
        self.say(_("The session is changed."))
        return self.back()


class TookPlace(SessionForms):
    template_name = "coaching/took_place.jinja"
    title = gettext_lazy("What you agreed")
    form_class = AgreedForm
    submit_label = gettext_lazy("Save for you and the patient")

    def context(self) -> dict[str, Any]:
        return {"has_begun": policies.has_begun(self.row)}

    def act(self, form: Form) -> str:
        actions.record_held(self.row, agreed=form.cleaned_data["agreed"], version=self.version, by=self.actor)
        self.say(_("Saved. The patient can read it now."))
        return self.back()


class Reword(SessionForms):
    title = gettext_lazy("Correct what you agreed")
    form_class = AgreedForm
    submit_label = gettext_lazy("Save the correction")

    def initial(self) -> dict[str, Any]:
        return {"agreed": self.row.agreed}

    def act(self, form: Form) -> str:
        actions.reword(self.row, agreed=form.cleaned_data["agreed"], version=self.version, by=self.actor)
        self.say(_("Saved. The patient can read it now."))
        return self.back()


class DidNotHappen(SessionForms):
    template_name = "coaching/did_not_happen.jinja"
    title = gettext_lazy("The session did not happen")
    form_class = DidNotHappenForm
    submit_label = gettext_lazy("Save")

    def act(self, form: Form) -> str:
        actions.record_did_not_happen(
            self.row,
            rearranged_by=form.cleaned_data["rearranged_by"],
            version=self.version,
            by=self.actor,
        )
        self.say(_("Saved."))
        return reverse("coaching:person", args=[self.referral_id])


class Cancel(SessionForms):
    template_name = "coaching/cancel.jinja"
    title = gettext_lazy("Cancel this session?")
    submit_label = gettext_lazy("Cancel the session")
    submit_variant = "warning"

    def context(self) -> dict[str, Any]:
        return {"is_told": holds(self.row.patient_id, Purpose.REMINDERS)}

    def act(self, form: Form) -> str:
        actions.cancel(self.row, version=self.version, by=self.actor)
        self.say(_("The session is cancelled."))
        return reverse("coaching:person", args=[self.referral_id])


class AddGoal(CoachingForm):
    about = {"pk": Referral}
    acts_with = Permission.KEEP_GOALS
    title = gettext_lazy("Add a goal")
    form_class = GoalForm
    submit_label = gettext_lazy("Save for you and the patient")

    row: Referral

    def get_row(self) -> Referral:
        return selectors.person(self.actor, self.kwargs["pk"])

    def act(self, form: Form) -> str:
        actions.add_goal(self.row, form.cleaned_data["words"], by=self.actor)
        self.say(_("The goal is saved."))
        return self.back()


class ChangeGoal(CoachingForm):
    about = {"pk": Goal}
    acts_with = Permission.KEEP_GOALS
    title = gettext_lazy("Change a goal")
    form_class = ChangeGoalForm
    submit_label = gettext_lazy("Save for you and the patient")
    edits_row = True

    row: Goal

    def get_row(self) -> Goal:
        return selectors.goal(self.actor, self.kwargs["pk"])

    def initial(self) -> dict[str, Any]:
        return {"words": self.row.words, "standing": self.row.standing}

    def act(self, form: Form) -> str:
        actions.change_goal(self.row, version=self.version, **form.cleaned_data, by=self.actor)
        self.say(_("The goal is saved."))
        return self.back()


class GoalPast(CoachingParts, PastParts, Page):
    permission = Permission.RECORD_SESSIONS
    about = {"pk": Goal}
    template_name = "coaching/past.jinja"

    row: Goal

    def get_row(self) -> Goal:
        return selectors.goal(self.actor, self.kwargs["pk"])
