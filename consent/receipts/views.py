"""A receipt to read, and as a file to keep."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext_lazy

from consent import selectors
from consent.models import Receipt as KeptReceipt
from consent.receipts.actions import take_receipt
from consent.receipts.paper import pages_of
from consent.selectors import ConsentRecord
from consent.views import PatientConsent
from pilot.access import Permission
from pilot.people.models import Patient
from pilot.web.forms import read_form_key
from pilot.web.paper import as_download
from pilot.web.views import FormPage


class ReceiptPage(FormPage):
    """What a patient was told, and a button for the same as a file. Looking hands nothing over: the button does.

    Set `receipt` in `get_row`.
    """

    is_base = True
    acts_with: ClassVar[Permission] = Permission.SEE_CONSENT
    submit_label = gettext_lazy("Download as PDF")
    receipt: KeptReceipt

    @property
    def title(self) -> str:  # type: ignore[override]
        return str(self.receipt.get_kind_display())

    def context(self) -> dict[str, Any]:
        return {"receipt": self.receipt}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # A file has no address to be led to. Sent again, it is another line in the ledger.
        if read_form_key(request) is None:
            return self.show_form(self._form(), status=422)
        file = pages_of(take_receipt(self.receipt, by=self.actor))
        day = timezone.localdate(self.receipt.created_at)
        return as_download(file, f"receipt-{day:%Y-%m-%d}.pdf")


class Receipt(PatientConsent, ReceiptPage):
    """The practice's page of it: to read out, to print, to hand over."""

    permission = Permission.RECORD_CONSENT
    about = {"patient": Patient, "receipt": KeptReceipt}
    template_name = "consent/receipt.jinja"

    def get_row(self) -> ConsentRecord:
        row = super().get_row()
        self.receipt = selectors.receipt(self.actor, self.kwargs["patient"], self.kwargs["receipt"])
        return row
