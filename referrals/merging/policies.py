"""When two records may be brought together as one person's."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from pilot.outbox.models import Message
from pilot.people.models import Patient
from pilot.people.policies import check_is_in_use
from pilot.people.restrictions.policies import is_restricted
from referrals.consequences import holds_coaching, waits_for_correction


def check_can_be_one(one: Patient, other: Patient) -> None:
    """Pass, or say why these two cannot be one person's records here, whichever is kept."""
    if one.pk == other.pk:
        raise ValidationError(_("This is one and the same record. Choose the other one."))
    if one.practice_id != other.practice_id:
        raise ValidationError(_("Only records of one practice can be brought together."))
    if one.merged_into_id or other.merged_into_id:
        raise ValidationError(
            _(
                "One of these records is closed already: somebody has brought it together with another. Look at both again."
            )
        )
    for each in (one, other):
        check_is_in_use(each)
    if one.date_of_birth != other.date_of_birth:
        raise ValidationError(
            _("The dates of birth differ. If this is one person, put the wrong one right first.")
        )
    # Twins have a birthday, a last name and an address in common.
    if _names(one) != _names(other):
        raise ValidationError(
            _(
                "The names differ. If this is one person, and not two of a family, write the same first and last name in"
                " both first."
            )
        )
    if one.nhs_number and other.nhs_number and one.nhs_number != other.nhs_number:
        raise ValidationError(
            _(
                "The NHS numbers differ, and everybody has only one. If this is one person, find out which number is"
                " theirs. In the other record tick “NHS number not known” first."
            )
        )


def version_of(one: Patient, other: Patient) -> int:
    """What moves on whenever either does."""
    return one.version + other.version


def ways_of_one_only(one: Patient, other: Patient) -> list[tuple[Message.Channel, str]]:
    """Where the one can be written to and the other cannot: by letter, and by the e-mail address that they sign in with.

    To another e-mail address only where there is no other way, and never by text: either may be read by others.
    """
    email = one.account.email if one.account else "" if one.address else one.email
    known = {other.email.casefold(), other.account.email.casefold() if other.account else ""}
    ways = [(Message.Channel.EMAIL, email)] if email and email.casefold() not in known else []
    if one.address and _plain(one.address) != _plain(other.address):
        ways.append((Message.Channel.LETTER, one.address))
    return ways


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _names(patient: Patient) -> tuple[str, ...]:
    return _plain(patient.given_name), _plain(patient.family_name)


def check_can_merge(double: Patient, kept: Patient) -> None:
    """Pass, or say why the one cannot be closed in favour of the other: above all, where the patient would lose something.

    Ask in an action about both, which sees what is written in them.
    """
    check_can_be_one(double, kept)
    if Patient.objects.filter(merged_into=double).exists():
        raise ValidationError(
            {"keep": _("A third record was brought together with this one before. Keep this one.")}
        )
    if is_restricted(double.pk) and not is_restricted(kept.pk):
        raise ValidationError(
            {"keep": _("This record is restricted, as the patient asked, and that stands. Keep this one.")}
        )
    if waits_for_correction(double):
        raise ValidationError(
            {
                "keep": _(
                    "The patient waits for an answer to what should be corrected in this record. Answer first."
                )
            }
        )
    if holds_coaching(double):
        if holds_coaching(kept):
            raise ValidationError(
                _(
                    "Sessions or goals are written in both records. Change nothing, and ask the pilot’s office."
                )
            )
        raise ValidationError(
            {"keep": _("Sessions or goals are written in this record, and are read there. Keep this one.")}
        )
