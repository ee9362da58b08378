"""What coaches type in: when and where a session is, what was agreed, goals, and a call for help."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from coaching.models import Goal, Session
from pilot.web import fields
from pilot.web.forms import Form
from referrals.models import Referral
from referrals.screening.forms import ScreenedForm

LENGTHS = [
    (30, _("30 minutes")),
    (45, _("45 minutes")),
    (60, _("1 hour")),
    (90, _("1 hour 30 minutes")),
]


class SessionForm(ScreenedForm):
    """When and where. Cleaned to `begins_at` (aware), `minutes`, `place` and `where`."""

    screened = {"where": "coaching.Session.where"}

    starts_on = fields.DateField(label=_("Day"), future=True)
    starts_at = fields.TimeField(label=_("Start time"))
    minutes = fields.RadioField(
        label=_("How long?"), choices=LENGTHS, inline=True, missing=_("Choose how long the session is")
    )
    place = fields.RadioField(
        label=_("Where will you meet?"),
        choices=Session.Place.choices,
        missing=_("Choose where you will meet"),
    )
    where = fields.TextField(
        label=_("Room, phone number or link"), required=False, help_text=_("The patient can read this.")
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("starts_on") and cleaned.get("starts_at"):
            wanted = dt.datetime.combine(cleaned["starts_on"], cleaned["starts_at"])
            cleaned["begins_at"] = timezone.make_aware(wanted)
            # Asked in UTC in between: an hour of the night on which the clocks go forward comes back as another.
            if timezone.make_naive(cleaned["begins_at"].astimezone(dt.UTC)) != wanted:
                self.add_error("starts_at", _("The clocks go forward then: there is no such time that night"))
        return cleaned


def as_initial(session: Session) -> dict[str, Any]:
    """What the form says of a session that is booked."""
    begins = timezone.localtime(session.starts_at)
    return {
        "starts_on": begins.date(),
        "starts_at": begins.time(),
        "minutes": session.minutes,
        "place": session.place,
        "where": session.where,
    }


class AgreedForm(ScreenedForm):
    screened = {"agreed": "coaching.Session.agreed"}

    agreed = fields.TextAreaField(
        label=_("What did you agree?"),
        help_text=_(
            "The patient can read this at once. Write it to them, and leave out anything about health."
        ),
        missing=_("Write down what you agreed. If it was only to meet again, say that"),
        max_length=4000,
        rows=8,
    )


class DidNotHappenForm(Form):
    rearranged_by = fields.RadioField(
        label=_("Who will arrange another time?"),
        choices=Session.Rearranger.choices,
        missing=_("Choose who will arrange another time"),
    )


class GoalForm(ScreenedForm):
    screened = {"words": "coaching.Goal.words"}

    words = fields.TextAreaField(
        label=_("The goal, in the patient's own words"),
        help_text=_("It need not be about a job. The patient can read this at once."),
        missing=_("Write down the goal as the patient says it"),
        max_length=1000,
        rows=4,
    )


class ChangeGoalForm(GoalForm):
    standing = fields.RadioField(label=_("How does it stand?"), choices=Goal.Standing.choices)


class CallForSomebodyForm(Form):
    """For whom to call, on a page that is about nobody in particular."""

    person = fields.RadioField(
        label=_("Who is in distress?"), choices=(), missing=_("Choose who is in distress")
    )

    def __init__(self, *args: Any, people: list[Referral], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].choices = [(str(each.pk), each.patient.name) for each in people]  # type: ignore[attr-defined]


class DetailsForm(Form):
    """What helps the clinician, once they are called: nothing that the call has to wait for."""

    immediate_danger = fields.TickField(
        label=_("Someone is in danger now, and an ambulance or the police have been called"), required=False
    )
    safe_place = fields.TextField(label=_("Where is the person?"), required=False)
