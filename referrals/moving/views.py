"""The practice's pages for when a patient has moved to another practice."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.people.models import Patient
from pilot.web.forms import Form
from pilot.web.views import FormPage
from referrals.moving.actions import record_move, undo_move
from referrals.moving.forms import MoveForm
from referrals.patients.views import OfPatient


class RecordMove(OfPatient, FormPage):
    """The day, and one button: everything here ends, and the patient is told."""

    permission = Permission.REGISTER_PATIENTS
    about = {"patient": Patient}
    template_name = "referrals/moved.jinja"
    title = _("This patient has moved to another practice")
    form_class = MoveForm
    submit_label = _("End everything here")
    submit_variant = "warning"

    def act(self, form: Form) -> str:
        record_move(self.row, moved_on=form.cleaned_data["moved_on"], by=self.actor)
        self.say(_("Everything here has ended. A receipt goes to the patient."))
        return reverse("referrals:patient", args=[self.row.pk])


class UndoMove(OfPatient, FormPage):
    """It was a mistake: they have not moved."""

    permission = Permission.REGISTER_PATIENTS
    about = {"patient": Patient}
    template_name = "referrals/moved.jinja"
    title = _("They have not moved")
    submit_label = _("Put this right")

    def act(self, form: Form) -> str:
        undo_move(self.row, by=self.actor)
        self.say(_("Put right. Nothing that ended begins again by itself."))
        return reverse("referrals:patient", args=[self.row.pk])
