"""The practice's pages for when a patient has died."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.people.models import Patient
from pilot.web.forms import Form
from pilot.web.views import FormPage
from referrals.deaths.actions import record_death, undo_death
from referrals.deaths.forms import DeathForm
from referrals.patients.views import OfPatient


class RecordDeath(OfPatient, FormPage):
    """The day, and one button: everything stops, and nobody is written to."""

    permission = Permission.REGISTER_PATIENTS
    about = {"patient": Patient}
    template_name = "referrals/died.jinja"
    title = _("This patient has died")
    form_class = DeathForm
    submit_label = _("Stop all contact now")
    submit_variant = "warning"

    def act(self, form: Form) -> str:
        record_death(self.row, died_on=form.cleaned_data["died_on"], by=self.actor)
        self.say(_("All contact has stopped. Nobody is written to."))
        return reverse("referrals:patient", args=[self.row.pk])


class UndoDeath(OfPatient, FormPage):
    """It was a mistake: they have not died."""

    permission = Permission.REGISTER_PATIENTS
    about = {"patient": Patient}
    template_name = "referrals/died.jinja"
    title = _("They have not died")
    submit_label = _("Put this right")

    def act(self, form: Form) -> str:
        undo_death(self.row, by=self.actor)
        self.say(_("Put right. Nothing that ended begins again by itself."))
        return reverse("referrals:patient", args=[self.row.pk])
