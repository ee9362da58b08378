"""Erasing a record when its time is over. The database itself decides whether it is."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _

from audit.erasure.selectors import kept_until
from audit.models import Erasure
from pilot.access import Actor, Permission, action
from pilot.people.models import Patient


@action("record.erased", Permission.ERASE_RECORDS, exclusive=True)
def erase_after_retention(patient: Patient, *, by: Actor) -> int:
    """Erase everything that is held of the patient but keys, and put up a tombstone. Cannot be undone.

    Afterwards no table and no history holds any of it; events, and proofs of them, stand as they were. Refused while
    support goes on and until the record has been kept for as long as it has to be. Returns the number of the event.
    """
    until = kept_until(patient.pk)
    if not until.is_over:
        raise ValidationError(_("This record has to be kept: %(why)s") % {"why": until.in_words})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pilot.erase(%s, %s)", [patient.pk, Erasure.Ground.RETENTION.value])
        return int(cursor.fetchone()[0])
