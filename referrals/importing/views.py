"""Uploading a practice's list: choose a file, look at what is in it, then save or forget it."""

from __future__ import annotations

import csv
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from pilot.access import Permission
from pilot.web.forms import Form
from pilot.web.views import FormPage, PilotView
from referrals.importing import actions, selectors
from referrals.importing.columns import COLUMNS
from referrals.importing.forms import UploadForm
from referrals.importing.reading import Candidate
from referrals.models import ImportBatch

# A page of a thousand refusals helps nobody: the file has to be mended first.
SHOWN = 100


class UploadList(FormPage):
    """Choose a file. What was read of it waits on the next page."""

    permission = Permission.IMPORT_REFERRALS
    template_name = "referrals/importing/upload.jinja"
    title = gettext_lazy("Import referrals from a file")
    form_class = UploadForm
    submit_label = gettext_lazy("Look at the list")

    def context(self) -> dict[str, Any]:
        return {"columns": COLUMNS, "kept_days": selectors.KEPT_DAYS}

    def act(self, form: Form) -> str:
        reading = cast(UploadForm, form).reading
        batch = actions.stage(self.organisation, form.cleaned_data["file"].name, reading, by=self.actor)
        return reverse("referrals:review-list", args=[batch.pk])


class ReviewList(FormPage):
    """What would become of each row, before anything is saved."""

    permission = Permission.IMPORT_REFERRALS
    about = {"pk": ImportBatch}
    template_name = "referrals/importing/review.jinja"
    title = gettext_lazy("Look at the list before it is saved")
    submit_label = gettext_lazy("Save the good rows")

    def get_row(self) -> Any:
        return selectors.uploaded_list(self.actor, self.kwargs["pk"])

    def context(self) -> dict[str, Any]:
        return {
            "report": self.row.report,
            "kept_days": selectors.KEPT_DAYS,
            "shown": SHOWN,
            "rows": [Candidate.from_json(row) for row in self.row.rows[:SHOWN]],
            "more": max(0, len(self.row.rows) - SHOWN),
        }

    def breadcrumbs(self) -> list[Any]:
        return [(_("Import referrals"), reverse("referrals:upload-list"))]

    def act(self, form: Form) -> str:
        report = actions.confirm(self.row, by=self.actor)
        saved = ngettext("%(n)s referral was logged.", "%(n)s referrals were logged.", report.accepted)
        self.say(saved % {"n": report.accepted})
        return reverse("web:home")


class DiscardList(FormPage):
    """Forget a list."""

    permission = Permission.IMPORT_REFERRALS
    about = {"pk": ImportBatch}
    title = gettext_lazy("Forget this list?")
    submit_label = gettext_lazy("Forget the list")
    submit_variant = "warning"

    def get_row(self) -> Any:
        return selectors.uploaded_list(self.actor, self.kwargs["pk"])

    def breadcrumbs(self) -> list[Any]:
        return [(_("Look at the list"), reverse("referrals:review-list", args=[self.row.pk]))]

    def act(self, form: Form) -> str:
        actions.discard(self.row, by=self.actor)
        self.say(_("The list was forgotten. Nothing was saved."))
        return reverse("referrals:upload-list")


class Template(PilotView):
    """An empty list with the right columns and one invented row."""

    permission = Permission.IMPORT_REFERRALS

    def get(self, request: HttpRequest) -> HttpResponse:
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="referrals-template.csv"'
        # Excel takes a file for UTF-8 only if it begins with a byte order mark.
        response.write("\ufeff")
        writer = csv.writer(response)
        writer.writerow([column.name for column in COLUMNS])
        writer.writerow([column.example for column in COLUMNS])
        return response
