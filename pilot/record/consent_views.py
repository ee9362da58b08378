"""A patient's own pages about consent: what they agreed to, the questions, not now, and to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent import consequences
from consent.actions import decide, not_now, withdraw
from consent.forms import DecisionForm
from consent.models import NEEDED_TO_BEGIN, InformationSheet, Purpose
from consent.models import Receipt as KeptReceipt
from consent.policies import is_yes, what_would_stop
from consent.receipts.views import ReceiptPage
from consent.receipts.words import kept
from consent.selectors import ConsentRecord, history_of, receipt, receipts_of, who_is_who
from pilot.access import Permission
from pilot.record import selectors
from pilot.record.requests.forms import AfterStoppingForm
from pilot.record.views import Crumbs, Own, OwnConsent
from pilot.web.forms import Form, hidden_fields
from pilot.web.views import FormPage, Page

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Consent(OwnConsent, Page):
    """Every purpose with the answer that stands, every receipt, and all earlier answers."""

    permission = Permission.DECIDE
    template_name = "record/consent.jinja"
    title = gettext_lazy("What I agreed to")

    def breadcrumbs(self) -> Crumbs:
        return Own.breadcrumbs(self)

    def context(self) -> dict[str, Any]:
        patient = self.row.patient
        return {
            "purposes": [(purpose, self.row.standing[purpose]) for purpose in Purpose],
            "agreed": {decision.purpose for decision in self.row.agreed},
            "needed": NEEDED_TO_BEGIN,
            "history": history_of(self.actor, patient),
            "receipts": receipts_of(self.actor, patient),
        }


class Read(OwnConsent, Page):
    """The information sheet in force, in the format that suits, before any question is asked."""

    permission = Permission.DECIDE
    template_name = "record/read.jinja"

    @property
    def title(self) -> str:  # type: ignore[override]
        return self.sheet.title

    def get_row(self) -> ConsentRecord:
        row = super().get_row()
        self.sheet = selectors.sheet_for(row.patient, self.request.GET.get("format", ""))
        return row

    def context(self) -> dict[str, Any]:
        return {"sheet": self.sheet, "sheets": self.row.sheets}


class Answer(OwnConsent, FormPage):
    """The questions, each on its own and none answered beforehand. What is recorded names the sheet that was
    read.
    """

    known_as = "record.asked"  # the same for every answer
    permission = Permission.DECIDE
    about = {"sheet": InformationSheet}
    template_name = "record/answer.jinja"
    title = gettext_lazy("Your answers")
    form_class = DecisionForm
    submit_label = gettext_lazy("Save my answers")
    edits_row = True

    def get_row(self) -> ConsentRecord:
        self.sheet: InformationSheet = selectors.sheet_shown(self.kwargs["sheet"])
        return super().get_row()

    def form_arguments(self) -> dict[str, Any]:
        # Decided on another device meanwhile: every answer that was sent is kept, still asked or not.
        is_stale = self.request.method == "POST" and self.version != self.row.version
        return {"asked": list(Purpose) if is_stale else self.row.asked, "joins": is_stale or self.row.joins}

    def initial(self) -> dict[str, Any]:
        return self.row.answers() if self.request.method == "POST" else {}

    def context(self) -> dict[str, Any]:
        return {"sheet": self.sheet, "who": who_is_who(self.row.patient.practice)}

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (self.sheet.title, reverse("record:read"))]

    def act(self, form: DecisionForm) -> str:  # type: ignore[override]
        patient = self.row.patient
        if form.says_not_now:
            not_now(patient, by=self.actor)
            return reverse("record:not_now_said")
        answers, version = form.answers(), self.version
        # A no to something that goes on stops it; one to what everything rests on is confirmed on the page for that.
        stopped = [
            purpose for purpose, yes in answers.items() if not yes and is_yes(self.row.standing[purpose])
        ]
        if set(stopped) & set(NEEDED_TO_BEGIN):
            self.say(
                _("Nothing is saved yet. You said no to what everything rests on: this is the page to stop.")
            )
            return reverse("record:stop")
        written: KeptReceipt | None = None
        if stopped:
            written = withdraw(patient, stopped, by=self.actor)
            answers = {purpose: yes for purpose, yes in answers.items() if purpose not in stopped}
            version = None if version is None else version + len(stopped)
        if answers:
            written = decide(
                patient, answers, sheet=self.sheet, how=form.how(), version=version, by=self.actor
            )
        return reverse("record:receipt", args=[written.pk]) if written else reverse("record:not_now_said")


class NotNow(OwnConsent, FormPage):
    """Not now, and no reason asked."""

    known_as = "record.asked"  # the same for every answer
    permission = Permission.DECIDE
    template_name = "record/not_now.jinja"
    title = gettext_lazy("Not now")
    submit_label = gettext_lazy("Do not ask me for now")

    def context(self) -> dict[str, Any]:
        return {"back": reverse("record:read")}

    def act(self, form: Form) -> str:
        not_now(self.row.patient, by=self.actor)
        return reverse("record:not_now_said")


class Stop(OwnConsent, FormPage):
    """The second of two clicks: what stops, what is kept, and the button. Nobody is asked why."""

    permission = Permission.DECIDE
    template_name = "record/stop.jinja"
    title = gettext_lazy("Stop taking part")
    submit_label = gettext_lazy("Stop taking part now")
    submit_variant = "warning"

    @property
    def asked_for(self) -> list[Purpose] | None:
        """Which purposes to stop; None for all."""
        return None

    def breadcrumbs(self) -> Crumbs:
        return Own.breadcrumbs(self)

    def context(self) -> dict[str, Any]:
        ending = what_would_stop(self.row.standing, self.asked_for)
        return {
            "ending": ending,
            "previews": consequences.previews(self.row.patient, ending) if ending else [],
            "kept": [line["text"] for line in kept()],
            "single": [purpose for purpose in self.row.stoppable if purpose not in NEEDED_TO_BEGIN],
            "all_of_it": self.asked_for is None,
        }

    def act(self, form: Form) -> str:
        written = withdraw(self.row.patient, self.asked_for, by=self.actor)
        self.say(_("It has stopped. You do not have to do anything else."))
        return reverse("record:receipt", args=[written.pk])


class StopOne(Stop):
    """The same for a single purpose. One that everything rests on is stopped with everything, on the page for
    that.
    """

    permission = Permission.DECIDE
    about = {"purpose": Purpose}
    submit_label = gettext_lazy("Stop this now")

    @property
    def title(self) -> _StrOrPromise:  # type: ignore[override]
        return _("Stop one thing")

    @property
    def asked_for(self) -> list[Purpose]:
        try:
            purpose = Purpose(self.kwargs["purpose"])
        except ValueError:
            raise Http404 from None
        if purpose in NEEDED_TO_BEGIN:
            raise Http404
        return [purpose]

    def breadcrumbs(self) -> Crumbs:
        return OwnConsent.breadcrumbs(self)


class Receipt(OwnConsent, ReceiptPage):
    """What was said after a decision: what begins or stops, what is kept, and why."""

    permission = Permission.DECIDE
    about = {"pk": KeptReceipt}
    template_name = "record/receipt.jinja"

    def get_row(self) -> ConsentRecord:
        row = super().get_row()
        self.receipt = receipt(self.actor, row.patient.pk, self.kwargs["pk"])
        return row

    def context(self) -> dict[str, Any]:
        if self.receipt.kind != KeptReceipt.Kind.WITHDRAWN:
            return super().context()
        # Nobody asks why. Whoever would like to say something does so to the guardian, never to the coach.
        hidden = hidden_fields(self.request, address=reverse("record:complain"))
        return {**super().context(), "box": AfterStoppingForm(), "box_hidden": hidden}
