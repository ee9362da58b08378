"""What stops in coaching when a patient withdraws, or when a coach stops helping for another reason."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from coaching import selectors
from coaching.actions import cancel_booked
from coaching.models import Goal, Session
from consent.consequences import Consequence, register
from consent.models import NEEDED_TO_BEGIN, Purpose
from pilot.access import Actor
from pilot.people.models import Patient
from pilot.web import formats
from referrals.consequences import on_coaching_stopped, tells_of_coaching
from referrals.models import Referral


def preview(patient: Patient, purposes: Collection[Purpose]) -> str | None:
    """What becomes of the patient's sessions; for whoever may not see them, only that they end."""
    if not _ends_coaching(purposes):
        return None
    dates = _dates(selectors.booked_with(patient))
    if not dates:
        return _("Any session that is booked will be cancelled.")
    text = ngettext(
        "Your session on %(dates)s will be cancelled.",
        "Your sessions will be cancelled: %(dates)s.",
        len(dates),
    )
    return text % {"dates": "; ".join(dates)}


def apply(patient: Patient, purposes: Collection[Purpose], *, by: Actor) -> str | None:
    """Cancel what is booked. A call for help stays with the practice: somebody may still need it."""
    if not _ends_coaching(purposes):
        return None
    dates = _dates(cancel_booked(patient, by=by))
    if not dates:
        return None
    text = ngettext(
        "Your session on %(dates)s is cancelled.", "Your sessions are cancelled: %(dates)s.", len(dates)
    )
    return text % {"dates": "; ".join(dates)}


register(Consequence("sessions", preview, apply))


@on_coaching_stopped
def cancel_what_is_booked(referral: Referral, *, by: Actor) -> None:
    """Cancel what is booked, and tell the patient if they agreed to reminders."""
    cancel_booked(referral.patient, tell_patient=True, by=by)


@tells_of_coaching
def has_sessions_or_goals(patient: Patient) -> bool:
    return Session.objects.filter(patient=patient).exists() or Goal.objects.filter(patient=patient).exists()


def _ends_coaching(purposes: Collection[Purpose]) -> bool:
    return bool(set(purposes) & set(NEEDED_TO_BEGIN))


def _dates(sessions: Collection[Session]) -> list[str]:
    now = timezone.now()
    return [formats.date_and_time(each.starts_at) for each in sessions if each.starts_at > now]
