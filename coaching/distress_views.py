"""Calling for help when someone is in distress, and answering the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from coaching import actions, selectors
from coaching.forms import CallForSomebodyForm, DetailsForm
from coaching.models import DistressCall
from coaching.views import CoachingParts
from pilot.access import Permission
from pilot.web.forms import Form
from pilot.web.views import FormPage, Page
from referrals.models import Referral

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


def crisis_numbers() -> dict[str, str]:
    """Whom to phone here, as the settings say."""
    return {
        "emergency": settings.CRISIS_EMERGENCY,
        "crisis_line": settings.CRISIS_LINE,
        "crisis_option": settings.CRISIS_LINE_OPTION,
    }


class Distress(CoachingParts, FormPage):
    """Where the red button leads from a page that is about nobody in particular."""

    permission = Permission.RAISE_DISTRESS
    template_name = "coaching/distress.jinja"
    layout = "layouts/form.jinja"
    title = gettext_lazy("Someone is in distress")
    form_class: ClassVar[type[Form]] = CallForSomebodyForm
    submit_label = gettext_lazy("Call the clinician now")
    submit_variant = "warning"

    def form_arguments(self) -> dict[str, Any]:
        return {"people": list(selectors.caseload(self.actor).order_by("patient__family_name", "pk"))}

    def context(self) -> dict[str, Any]:
        return {"practice": None, "clinicians": [], **crisis_numbers()}

    def act(self, form: Form) -> str:
        return self.call_for(selectors.person(self.actor, form.cleaned_data["person"]))

    def call_for(self, person: Referral) -> str:
        call = actions.raise_distress(person, by=self.actor)
        return reverse("coaching:called", args=[call.pk])


class CallForPerson(Distress):
    """Where it leads from the pages of one person: one press calls the clinician."""

    about = {"pk": Referral}
    form_class = Form

    row: Referral

    def get_row(self) -> Referral:
        return selectors.person(self.actor, self.kwargs["pk"])

    def form_arguments(self) -> dict[str, Any]:
        return {}

    def context(self) -> dict[str, Any]:
        return {
            "practice": self.row.practice,
            "clinicians": selectors.clinicians_to_tell(self.row.practice_id),
            **crisis_numbers(),
        }

    def act(self, form: Form) -> str:
        return self.call_for(self.row)


class Called(CoachingParts, FormPage):
    """What the coach sees after pressing: who was called, who has accepted, and room to say more."""

    permission = Permission.RAISE_DISTRESS
    about = {"pk": DistressCall}
    template_name = "coaching/called.jinja"
    layout = "layouts/form.jinja"
    form_class = DetailsForm
    submit_label = gettext_lazy("Tell them this too")
    submit_variant = "secondary"

    row: DistressCall

    @property
    def title(self) -> str:  # type: ignore[override]
        return _("A clinician has accepted") if self.row.accepted_by else _("Waiting for a clinician")

    def get_row(self) -> DistressCall:
        return selectors.call(self.actor, self.kwargs["pk"])

    def initial(self) -> dict[str, Any]:
        return {"immediate_danger": self.row.immediate_danger, "safe_place": self.row.safe_place}

    def context(self) -> dict[str, Any]:
        return {"clinicians": selectors.clinicians_to_tell(self.row.practice_id), **crisis_numbers()}

    def act(self, form: Form) -> str:
        actions.add_details(self.row, **form.cleaned_data, by=self.actor)
        self.say(_("The clinicians can read it now."))
        return reverse("coaching:called", args=[self.row.pk])


class Calls(Page):
    """The clinicians' page: open calls on top."""

    permission = Permission.ACCEPT_DISTRESS
    template_name = "distress/calls.jinja"
    title = gettext_lazy("Calls for help")

    def context(self) -> dict[str, Any]:
        return {"open": selectors.open_calls(self.actor), "accepted": selectors.accepted_calls(self.actor)}


class Accept(FormPage):
    """Accepting responsibility, by name."""

    permission = Permission.ACCEPT_DISTRESS
    about = {"pk": DistressCall}
    template_name = "distress/accept.jinja"
    title = gettext_lazy("Do you accept responsibility?")
    submit_label = gettext_lazy("I accept responsibility")

    row: DistressCall

    def get_row(self) -> DistressCall:
        return selectors.call(self.actor, self.kwargs["pk"])

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(_("Calls for help"), reverse("coaching:calls"))]

    def context(self) -> dict[str, Any]:
        # Somebody else may have accepted while this person pressed.
        self.row.refresh_from_db(fields=["accepted_by", "accepted_at"])
        return {}

    def act(self, form: Form) -> str:
        actions.accept_distress(self.row, by=self.actor)
        self.say(_("You have accepted responsibility. The coach sees your name."))
        return reverse("coaching:calls")
