"""Writing, publishing and throwing away information sheets. What is published can never be altered."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from consent.models import InformationSheet
from pilot.access import Actor, Permission, action
from pilot.charter.drafts import hold_draft
from pilot.charter.models import Charter


@action("sheet.drafted", Permission.MANAGE_PILOT, about_patient=False)
def write_sheet(sheet: InformationSheet, *, seen: int = 0, by: Actor) -> InformationSheet:
    """Keep a draft, new or changed. Refused once it is published, and if it changed since `seen` was shown."""
    if not sheet._state.adding:
        hold_draft(sheet, seen)
    sheet.charter, sheet.published_at = _charter_in_force(), None
    sheet.full_clean()
    sheet.save()
    return sheet


@action("sheet.published", Permission.MANAGE_PILOT, about_patient=False)
def publish_sheet(sheet: InformationSheet, *, seen: int | None = None, by: Actor) -> InformationSheet:
    """Make this draft what patients are shown from now on, under the charter in force. It can never be
    altered.

    Refused while there is no charter: an agreement points at what the pilot is for. Refused if it was published before,
    and if it changed since `seen` was shown to whoever decides.
    """
    if not sheet._state.adding:
        hold_draft(sheet, seen)
    sheet.charter = _charter_in_force()
    sheet.published_at, sheet.declared_by = timezone.now(), by.name
    sheet.full_clean()
    sheet.save(force_insert=sheet._state.adding)
    return sheet


@action("sheet.discarded", Permission.MANAGE_PILOT, about_patient=False)
def discard_sheet(sheet: InformationSheet, *, by: Actor) -> None:
    """Throw a draft away. Refused once it is published."""
    hold_draft(sheet, None)
    sheet.delete()


def _charter_in_force() -> Charter:
    charter = Charter.objects.in_force()
    if charter is None:
        raise ValidationError(_("Publish a charter first: an agreement points at what the pilot is for."))
    return charter
