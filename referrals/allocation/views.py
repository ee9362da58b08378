"""The supervisors' pages. They show references, never the names of patients."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage
from referrals import actions, policies, selectors
from referrals.allocation.forms import AllocateForm, places
from referrals.models import Allocation, Referral, ReferralQuerySet


class Waiting(ListPage):
    """Who waits for a coach, longest first, and each coach's load."""

    permission = Permission.SEE_WAITING
    template_name = "referrals/waiting.jinja"
    title = _("Waiting for a coach")
    sorts: ClassVar = {
        "longest": Sort(_("Longest waiting"), "ready_at"),
        "newest": Sort(_("Newest"), "ready_at", descending=True),
    }

    def rows(self) -> ReferralQuerySet:
        return selectors.waiting(self.actor, self.organisation)

    def context(self) -> dict[str, Any]:
        return {"loads": selectors.loads(self.actor, self.organisation.pk), "places": places}


class WithCoaches(ListPage):
    """Who is with which coach, so that a referral can be handed back."""

    permission = Permission.SEE_WAITING
    template_name = "referrals/with_coaches.jinja"
    title = _("With a coach")
    sorts: ClassVar = {
        "newest": Sort(_("Newest"), "begun_at", descending=True),
        "coach": Sort(_("Coach"), "person__display_name"),
    }

    def rows(self) -> QuerySet[Allocation]:
        return selectors.with_coaches(self.actor, self.organisation)

    def context(self) -> dict[str, Any]:
        return {"here": set(selectors.coaches_today(self.organisation.pk).values_list("user_id", flat=True))}


class Allocate(FormPage):
    """Give a waiting referral to a coach with a place free."""

    permission = Permission.ALLOCATE
    about = {"referral": Referral}
    template_name = "referrals/allocate.jinja"
    title = _("Choose a coach")
    form_class = AllocateForm
    submit_label = _("Allocate")
    edits_row = True
    row: Referral

    def get_row(self) -> Referral:
        return selectors.referral_without_name(self.actor, self.kwargs["referral"])

    def breadcrumbs(self) -> list[Any]:
        return [(_("Waiting for a coach"), reverse("referrals:waiting"))]

    def form_arguments(self) -> dict[str, Any]:
        return {"loads": selectors.loads(self.actor, self.row.provider_id)}

    def act(self, form: AllocateForm) -> str:  # type: ignore[override]
        chosen = form.loads[form.cleaned_data["coach"]].coach
        actions.allocate(self.row, chosen, by=self.actor)
        self.say(_("Allocated. The coach can see it now."))
        return reverse("referrals:waiting")


class HandBack(FormPage):
    """Take a referral from its coach; it waits again where it stood."""

    permission = Permission.ALLOCATE
    about = {"referral": Referral}
    template_name = "referrals/hand_back.jinja"
    title = _("Hand back to the waiting list")
    submit_label = _("Hand back")
    submit_variant = "warning"
    edits_row = True
    row: Referral

    def get_row(self) -> Referral:
        return selectors.referral_without_name(self.actor, self.kwargs["referral"])

    def breadcrumbs(self) -> list[Any]:
        return [(_("With a coach"), reverse("referrals:with-coaches"))]

    def context(self) -> dict[str, Any]:
        stays = policies.provider_for(self.row.practice) == self.row.provider_id
        return {"coach": selectors.coach_of(self.actor, self.row), "stays": stays}

    def act(self, form: Any) -> str:
        moved = actions.hand_back(self.row, by=self.actor)
        if moved.provider_id == self.row.provider_id:
            self.say(_("Handed back. It waits again where it stood."))
        else:
            self.say(_("Handed back. It no longer waits with your organisation."))
        return reverse("referrals:waiting")
