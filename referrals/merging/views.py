"""The practice's pages for when two records are one person's: find the other, compare both, keep one."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission, may
from pilot.people import selectors as people
from pilot.people.models import Patient, PatientQuerySet
from pilot.people.restrictions.policies import is_restricted
from pilot.web import formats
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage
from referrals import selectors
from referrals.merging.actions import merge
from referrals.merging.forms import MergeForm
from referrals.merging.policies import check_can_be_one, version_of
from referrals.patients.views import OfPatient, words_for_needs
from referrals.views import refusal_of


class FindOther(OfPatient, ListPage):
    """Whoever may be the same person, and a way to find anybody else of the practice."""

    permission = Permission.REGISTER_PATIENTS
    about = {"patient": Patient}
    template_name = "referrals/same_person.jinja"
    title = _("This is the same person as…")
    sorts = {"name": Sort(_("Last name"), "family_name")}
    search_label = _("Find the other record")
    search_hint = _("NHS number, name or date of birth")

    def rows(self) -> PatientQuerySet:
        return self._others().likely_same(
            nhs_number=self.row.nhs_number,
            family_name=self.row.family_name,
            date_of_birth=self.row.date_of_birth,
        )

    def search(self, rows: Any, text: str) -> PatientQuerySet:
        return self._others().find(text)

    def _others(self) -> PatientQuerySet:
        return people.patients_at(self.actor, self.row.practice).exclude(pk=self.row.pk)


class Merge(OfPatient, FormPage):
    """Both records side by side, what becomes of each, and which of them is kept."""

    permission = Permission.REGISTER_PATIENTS
    acts_with = Permission.MERGE_RECORDS
    edits_row = True
    about = {"patient": Patient, "other": Patient}
    template_name = "referrals/merge.jinja"
    title = _("Bring two records together")
    form_class = MergeForm
    submit_label = _("Bring them together for good")
    submit_variant = "warning"

    def get_row(self) -> Patient:
        row = super().get_row()
        self.other = people.patient(self.actor, self.kwargs["other"], self.permission)
        return row

    def breadcrumbs(self) -> list[Any]:
        here = reverse("referrals:same-person", args=[self.row.pk])
        return [*super().breadcrumbs(), (_("This is the same person as…"), here)]

    @property
    def both(self) -> tuple[Patient, Patient]:
        return self.row, self.other

    @property
    def row_version(self) -> int:
        return version_of(*self.both)

    def form_arguments(self) -> dict[str, Any]:
        first, second = gettext("The first one"), gettext("The second one")
        return {
            "records": [
                (str(each.pk), f"{which}: {each.name}", gettext("NHS number: %(number)s") % {
                    "number": formats.nhs_number(each.nhs_number)
                })
                for which, each in zip((first, second), self.both, strict=True)
            ]
        }  # fmt: skip

    def context(self) -> dict[str, Any]:
        latest = selectors.latest_of(self.actor, self.both)
        return {
            "may_merge": may(self.actor, Permission.MERGE_RECORDS),
            "refusal": refusal_of(check_can_be_one, *self.both),
            "both": self.both,
            "needs": [words_for_needs(each) for each in self.both],
            "latest": [latest.get(each.pk) for each in self.both],
            "restricted": [is_restricted(each.pk) for each in self.both],
        }

    def show_stale(self, form: Any) -> HttpResponse:
        # Nothing was written but that both were checked, and they were others.
        return self.show_form(self._form(), status=409, changed=True)

    def act(self, form: MergeForm) -> str:  # type: ignore[override]
        kept = next((each for each in self.both if str(each.pk) == form.cleaned_data["keep"]), None)
        if kept is None:
            raise Http404
        double = self.other if kept is self.row else self.row
        merge(double, into=kept, version=self.version, by=self.actor)
        self.say(_("The two records are one now. A receipt goes to the patient."))
        return reverse("referrals:patient", args=[kept.pk])
