"""The practice's page for putting right an answer that was recorded by mistake."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent import consequences, selectors
from consent.correcting.actions import correct
from consent.correcting.forms import CorrectionForm
from consent.models import Decision, Purpose
from consent.policies import what_would_stop
from consent.selectors import ConsentRecord
from consent.views import PatientConsent
from pilot.access import Permission
from pilot.people.models import Patient
from pilot.web.views import FormPage


class Correct(PatientConsent, FormPage):
    """What was recorded, what it should say, and what went wrong. Both answers stay to be seen."""

    known_as = "consent.put_right"
    permission = Permission.RECORD_CONSENT
    about = {"patient": Patient, "decision": Decision}
    template_name = "consent/correct.jinja"
    title = gettext_lazy("Put right what was recorded")
    form_class = CorrectionForm
    submit_label = gettext_lazy("Put this right")

    def get_row(self) -> ConsentRecord:
        row = super().get_row()
        self.decision = selectors.decision(self.actor, row.patient, self.kwargs["decision"])
        return row

    def form_arguments(self) -> dict[str, Any]:
        return {"decision": self.decision}

    def context(self) -> dict[str, Any]:
        was_yes = self.decision.answer == Decision.Answer.GIVEN
        ending = what_would_stop(self.row.standing, [Purpose(self.decision.purpose)]) if was_yes else []
        return {
            "decision": self.decision,
            "can_be_put_right": selectors.can_be_put_right(self.row, self.decision),
            "ending": ending,
            "previews": consequences.previews(self.row.patient, ending) if ending else [],
        }

    def act(self, form: CorrectionForm) -> str:  # type: ignore[override]
        answer, reason = Decision.Answer(form.cleaned_data["answer"]), form.cleaned_data["reason"]
        correct(self.decision, answer, reason, by=self.actor)
        self.say(_("It is put right. What was recorded before stays to be seen."))
        return self.address()
