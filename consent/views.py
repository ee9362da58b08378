"""The practice's pages about one patient's consent, and the public information sheets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent import consequences, selectors
from consent.actions import record_decisions, record_not_now, record_withdrawal
from consent.changes import side_by_side
from consent.forms import NotNowForm, StaffDecisionForm, WithdrawalForm
from consent.models import InformationSheet, Purpose
from consent.selectors import ConsentRecord
from pilot.access import Permission
from pilot.people.models import Need, Patient
from pilot.web.views import FormPage, PublicPage

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class PatientConsent:
    """What the pages about one patient's consent share."""

    about: ClassVar[Mapping[str, type]] = {"patient": Patient}

    row: ConsentRecord
    is_overview = False

    def get_row(self) -> ConsentRecord:
        return selectors.consent_of(self.actor, self.kwargs["patient"])  # type: ignore[attr-defined]

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        above: list[tuple[_StrOrPromise, str]] = [
            (self.row.patient.name, reverse("referrals:patient", args=[self.row.patient.pk]))
        ]
        return above if self.is_overview else [*above, (_("Consent"), self.address())]

    def address(self) -> str:
        return reverse("consent:record", args=[self.kwargs["patient"]])  # type: ignore[attr-defined]


class RecordDecisions(PatientConsent, FormPage):
    """How a patient's consent stands and, where there is something to answer, what they say now."""

    # One name for both pages: that somebody said no must not be told from any other reason for not asking.
    known_as = "consent.asked"
    permission = Permission.RECORD_CONSENT
    template_name = "consent/record.jinja"
    title = gettext_lazy("Consent")
    form_class = StaffDecisionForm
    submit_label = gettext_lazy("Record these answers")
    edits_row = True
    is_overview = True

    def form_arguments(self) -> dict[str, Any]:
        # Somebody decided meanwhile: every answer that was sent is kept, even what is not asked any more.
        is_stale = self.request.method == "POST" and self.version != self.row.version
        return {
            "asked": list(Purpose) if is_stale else self.row.asked,
            "joins": is_stale or self.row.joins,
            "sheets": self.row.sheets,
            "not_to_be_raised": self.row.not_to_be_raised,
        }

    def initial(self) -> dict[str, Any]:
        # To compare with what was sent. Nothing is answered beforehand, not even with what was said before.
        return self.row.answers() if self.request.method == "POST" else {}

    def context(self) -> dict[str, Any]:
        patient = self.row.patient
        return {
            "needs": [Need(need).label for need in patient.needs],
            "decisions": selectors.history_of(self.actor, patient),
            "receipts": selectors.receipts_of(self.actor, patient),
            "sheets": self.row.sheets,
            "representatives": selectors.representatives_of(self.actor, patient),
            "who": selectors.who_is_who(patient.practice),
        }

    def act(self, form: StaffDecisionForm) -> str:  # type: ignore[override]
        if form.says_not_now:
            record_not_now(self.row.patient, by=self.actor)
            self.say(_("Nobody will bring this up for now."))
            return self.address()
        receipt = record_decisions(
            self.row.patient,
            form.answers(),
            sheet=form.sheet_shown,
            how=form.how(),
            version=self.version,
            by=self.actor,
        )
        self.say(_("The answers are recorded."))
        return (
            reverse("consent:receipt", args=[self.kwargs["patient"], receipt.pk])
            if receipt
            else self.address()
        )


class RecordNotNow(PatientConsent, FormPage):
    """Nobody brings the pilot up with this patient for a while, whatever the reason."""

    # One name for both pages: that somebody said no must not be told from any other reason for not asking.
    known_as = "consent.asked"
    permission = Permission.RECORD_CONSENT
    template_name = "consent/not_now.jinja"
    title = gettext_lazy("Do not bring this up for now")
    form_class = NotNowForm
    submit_label = gettext_lazy("Save")

    def act(self, form: NotNowForm) -> str:  # type: ignore[override]
        record_not_now(self.row.patient, until=form.cleaned_data["until"], by=self.actor)
        self.say(_("Nobody will bring this up for now."))
        return self.address()


class RecordWithdrawal(PatientConsent, FormPage):
    """Stop, for a patient who phones, writes or says so at the desk. It takes effect with this one button."""

    permission = Permission.RECORD_CONSENT
    template_name = "consent/withdraw.jinja"
    title = gettext_lazy("Stop")
    form_class = WithdrawalForm
    submit_label = gettext_lazy("Stop now")
    submit_variant = "warning"

    def form_arguments(self) -> dict[str, Any]:
        return {
            "stoppable": self.row.stoppable,
            "representatives": selectors.representatives_of(self.actor, self.row.patient),
        }

    def initial(self) -> dict[str, Any]:
        # "Stop" beside a single purpose leads here; stopping everything is always chosen on purpose.
        what = self.request.GET.get("what")
        return {"what": what} if what in self.row.stoppable else {}

    def context(self) -> dict[str, Any]:
        return {
            "previews": consequences.previews(self.row.patient, self.row.stoppable)
            if self.row.stoppable
            else []
        }

    def act(self, form: WithdrawalForm) -> str:  # type: ignore[override]
        receipt = record_withdrawal(
            self.row.patient,
            form.purposes,
            method=form.method_used,
            representative=form.representative,
            by=self.actor,
        )
        self.say(_("Stopped. Nobody has to say why."))
        return reverse("consent:receipt", args=[self.kwargs["patient"], receipt.pk])


class OneSheet(PublicPage):
    """What the pages of the information sheets share. The address says which: `?language=`, and `?for=young`."""

    why = "Whoever is asked to decide can read beforehand, alone, what it is about."
    is_base = True
    about = {"format": InformationSheet.Format, "version": InformationSheet, "before": InformationSheet}

    def kind(self) -> dict[str, str]:
        """The format, the language and the readers that the address asks for. Raises 404 where there is no such."""
        format = self.kwargs["format"].replace("-", "_")
        readers = self.request.GET.get("for", InformationSheet.Readers.ADULTS)
        if format not in InformationSheet.Format or readers not in InformationSheet.Readers:
            raise Http404
        return {"format": format, "language": self.request.GET.get("language", "en"), "readers": readers}

    def formats(self) -> dict[str, Any]:
        language, readers = self.row.language, self.row.readers
        return {
            "sheets": selectors.sheets_in_force(language, readers),
            "languages": selectors.languages_in_force(),
            "for_others": selectors.first_for_others(self.row),
        }


class Sheet(OneSheet):
    """The information sheet in force, or the version named in the address: those are kept for ever."""

    why = OneSheet.why
    template_name = "consent/sheet.jinja"

    @property
    def title(self) -> str:  # type: ignore[override]
        return self.row.title if self.row else ""

    def get_row(self) -> InformationSheet:
        if version := self.kwargs.get("version"):
            return selectors.sheet(version=version, **self.kind())
        return selectors.sheet_in_force(**self.kind())

    def context(self) -> dict[str, Any]:
        return {**self.formats(), "earlier": selectors.earlier(self.row), "later": selectors.later(self.row)}


class Changes(OneSheet):
    """Two versions of a sheet side by side, for whoever agreed to the earlier one."""

    why = OneSheet.why
    template_name = "consent/changes.jinja"
    title = gettext_lazy("What has changed")

    def get_row(self) -> InformationSheet:
        self.before = selectors.sheet(version=self.kwargs["before"], **self.kind())
        return selectors.sheet(version=self.kwargs["version"], **self.kind())

    def context(self) -> dict[str, Any]:
        return {
            "before": self.before,
            "pairs": side_by_side(self.before.text, self.row.text),
            "told": selectors.what_changed(self.before, self.row),
        }
