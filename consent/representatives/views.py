"""The practice's pages about who speaks for a patient."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent import selectors
from consent.models import Representative
from consent.representatives.actions import end_representative, record_representative
from consent.representatives.forms import RepresentativeForm
from consent.selectors import ConsentRecord
from consent.views import PatientConsent
from pilot.access import Permission
from pilot.people.models import Patient
from pilot.web.forms import Form
from pilot.web.views import FormPage


class AddRepresentative(PatientConsent, FormPage):
    """Somebody with authority to speak for the patient: they can stop things, and never agree to any."""

    permission = Permission.RECORD_CONSENT
    template_name = "consent/representative.jinja"
    title = gettext_lazy("Add somebody who speaks for the patient")
    form_class = RepresentativeForm
    submit_label = gettext_lazy("Save")

    def act(self, form: Form) -> str:
        record_representative(self.row.patient, **form.cleaned_data, by=self.actor)
        self.say(_("Saved. They can stop things for the patient."))
        return self.address()


class EndRepresentative(PatientConsent, FormPage):
    """They no longer speak for the patient."""

    permission = Permission.RECORD_CONSENT
    about = {"patient": Patient, "representative": Representative}
    template_name = "consent/representative.jinja"
    title = gettext_lazy("They no longer speak for the patient")
    submit_label = gettext_lazy("Save")

    def get_row(self) -> ConsentRecord:
        row = super().get_row()
        self.representative = selectors.representative(self.actor, row.patient, self.kwargs["representative"])
        return row

    def context(self) -> dict[str, Any]:
        return {"representative": self.representative}

    def act(self, form: Form) -> str:
        end_representative(self.representative, by=self.actor)
        self.say(_("Saved. They no longer speak for the patient."))
        return self.address()
