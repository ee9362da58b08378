"""A record of the patient's that was closed because they had two: everything in it, to read."""

from __future__ import annotations

from itertools import islice
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy

from pilot.access import Permission
from pilot.people.models import Patient
from pilot.record import selectors
from pilot.record.copies import contents
from pilot.record.views import Own
from pilot.web.formats import date_and_time
from pilot.web.views import Page

# Who looked is told up to here; all of it is in the copy that they can take away.
LINES = 100


class OtherRecord(Own, Page):
    """Part by part, as in the patient's copy, and who looked."""

    permission = Permission.SEE_OWN_RECORD
    about = {"double": Patient}
    about_self = None
    template_name = "record/other.jinja"
    title = gettext_lazy("Your other record, which is closed")

    def get_row(self) -> Patient:
        return selectors.own_double(self.actor, self.kwargs["double"])

    def context(self) -> dict[str, Any]:
        found = ((part.title, list(part.rows)) for part in contents.parts(self.actor, self.row))
        log = islice(contents.log(self.actor, self.row), LINES)
        return {
            "notes": selectors.clinical_notes(self.actor, self.row),
            "parts": [
                (title, [{**row, "when": _when(row["written_at"])} for row in rows])
                for title, rows in found
                if rows
            ],
            "log": [{**line, "when": _when(line["at"])} for line in log],
        }


def _when(at: str) -> str:
    moment = parse_datetime(at)
    return date_and_time(timezone.localtime(moment)) if moment else at
