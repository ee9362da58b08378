"""When a note may be withheld from the patient, and until when before somebody looks again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from consent.policies import months_after
from referrals.models import ClinicalNote

USUAL_MONTHS = 3
MOST_MONTHS = 12


def usual_review() -> dt.date:
    """When a note that is withheld today is looked at again, unless the clinician says sooner or later."""
    return months_after(timezone.localdate(), USUAL_MONTHS)


def latest_review() -> dt.date:
    return months_after(timezone.localdate(), MOST_MONTHS)


@dataclass(frozen=True)
class Grounds:
    """Why a note is withheld: one of the two grounds that allow it, the reason in the clinician's words, which
    clinicians alone read, and by when somebody looks again.
    """

    ground: str
    because: str
    review_on: dt.date | None = None

    def check(self) -> None:
        """Pass, or say what is missing."""
        if self.ground not in ClinicalNote.Ground.values:
            raise ValidationError(
                {"ground": _("Choose the ground. Without one of these the patient has a right to read it")}
            )
        if not self.because.strip():
            raise ValidationError({"because": _("Write why. Only clinicians of this practice read it")})
        if not timezone.localdate() <= self.looked_at_again <= latest_review():
            raise ValidationError({"review_on": _("Choose a day within the next 12 months")})

    @property
    def looked_at_again(self) -> dt.date:
        return self.review_on or usual_review()


def check_can_withhold(note: ClinicalNote) -> None:
    """Pass for a note that the patient can read."""
    if note.withheld_at:
        raise ValidationError(_("This note is withheld already. Go back to see on which ground."))


def check_is_withheld(note: ClinicalNote) -> None:
    """Pass for a note that the patient cannot read."""
    if not note.withheld_at:
        raise ValidationError(_("The patient can read this note: nothing is withheld. Go back to see it."))


def is_due(note: ClinicalNote, on: dt.date | None = None) -> bool:
    """Whether somebody has to look again at a withheld note by that day. One without a day is due."""
    return note.review_on is None or note.review_on <= (on or timezone.localdate())
