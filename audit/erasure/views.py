"""The guardian's pages about records whose time is over: which they are, what would go, and what went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit import words
from audit.actions import record_look
from audit.erasure import selectors
from audit.erasure.actions import erase_after_retention
from audit.erasure.forms import EraseForm
from audit.erasure.retention import YEARS
from audit.models import Event
from pilot.access import Permission
from pilot.web.forms import Form
from pilot.web.views import FormPage, Page

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Records(Page):
    """Whose time is over, and what was erased."""

    permission = Permission.ERASE_RECORDS
    template_name = "audit/retention.jinja"
    title = _("Erasing records")

    def context(self) -> dict[str, Any]:
        due, total = selectors.due(self.actor)
        record_look([], [words.LOG])
        return {
            "due": due,
            "more": total - len(due),
            "stones": selectors.tombstones(self.actor),
            "years": YEARS,
            "key": words.key,
        }


class OneRecord(FormPage):
    """One record: until when it is kept, what would go and, once it is gone, what went: the receipt."""

    permission = Permission.ERASE_RECORDS
    about = {"patient_id": Event}
    template_name = "audit/retention_record.jinja"
    form_class = EraseForm
    submit_label = _("Erase this record")
    submit_variant = "warning"
    row: selectors.Fate

    @property
    def title(self) -> _StrOrPromise:  # type: ignore[override]
        return _("Record erased") if self.row.stone else _("Erase a record")

    def get_row(self) -> selectors.Fate:
        return selectors.fate(self.actor, self.kwargs["patient_id"])

    def context(self) -> dict[str, Any]:
        record_look([self.row.patient], [words.LOG])
        return {"key": words.key(self.row.patient), "years": YEARS}

    def act(self, form: Form) -> str:
        erase_after_retention(selectors.subject(self.row), by=self.actor)
        self.say(_("Erased. This page is the receipt."))
        return self.request.path

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Records.title, reverse("audit:retention"))]
