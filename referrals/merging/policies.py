"""When two records may be brought together as one person's."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from pilot.outbox.models import Message
from pilot.outbox.policies import address_for, written_channel
from pilot.people.models import Patient
from pilot.people.policies import check_is_in_use
from pilot.people.restrictions.policies import is_restricted
from referrals.consequences import holds_coaching, waits_for_correction
from referrals.models import Referral


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
                "The names differ. If this is one person, put the wrong one right first. Two of a family may have a birthday"
                " in common: then leave both as they are."
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
    """A number for all that both are compared by, as far as it is shown to whoever acts: it is another one as soon as any
    of that is. Of the details it counts these rows as they are here, so that it is the number of what is shown."""
    both = sorted((one, other), key=lambda each: each.pk)
    keys = [each.pk for each in both]
    shown = [
        *((each.pk, each.version, each.account_id, each.do_not_raise_until) for each in both),
        *Referral.objects.filter(patient_id__in=keys).order_by("pk").values_list("pk", "status"),
        *map(is_restricted, keys),
    ]
    return int.from_bytes(sha256(repr(shown).encode()).digest()[:6])


@dataclass(frozen=True)
class Way:
    """By which channel, and where to. However an address is typed, it is the same way."""

    channel: Message.Channel
    address: str = field(compare=False)
    plain: str = ""

    @classmethod
    def of(cls, channel: Message.Channel, address: str) -> Way:
        return cls(channel, address, _plain(address))


def way_to(patient: Patient) -> Way:
    """The way in which they like to hear from us, but never by text."""
    channel = written_channel(patient)
    return Way.of(channel, address_for(patient, channel))


def ways_to(closed: Patient) -> list[Way]:
    """Where whoever the closed one is about is told of it, in case they are somebody else: in the way in which they like to
    hear from us, but never by text, and at the e-mail address that they sign in with."""
    signed_in = [Way.of(Message.Channel.EMAIL, closed.account.email)] if closed.account else []
    return [each for each in dict.fromkeys([way_to(closed), *signed_in]) if each.plain]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _names(patient: Patient) -> tuple[str, ...]:
    return _plain(patient.given_name), _plain(patient.family_name)


def check_can_merge(double: Patient, kept: Patient) -> None:
    """Pass, or say why the one cannot be closed in favour of the other: above all, where the patient would lose something.

    Ask in an action about both, which sees what is written in them.
    """
    check_can_be_one(double, kept)
    why_keep = _why_keep(double, other=kept)
    # Sent from the one to the other and back, whoever decides would find no end.
    if why_keep and _why_keep(kept, other=double):
        raise ValidationError(
            _(
                "Neither of these can be closed: each is restricted, has sessions or goals written in it, or has been"
                " brought together with another record before. Change nothing, and ask the pilot’s office."
            )
        )
    if why_keep:
        raise ValidationError({"keep": why_keep})
    if waits_for_correction(double):
        raise ValidationError(
            {
                "keep": _(
                    "The patient waits for an answer to what should be corrected in this record. Answer first."
                )
            }
        )


def _why_keep(record: Patient, *, other: Patient) -> str:
    """Why this one of the two is to be kept. Empty where it may be closed."""
    if Patient.objects.filter(merged_into=record).exists():
        return _("A third record was brought together with this one before. Keep this one.")
    if is_restricted(record.pk) and not is_restricted(other.pk):
        return _("This record is restricted, as the patient asked, and that stands. Keep this one.")
    if holds_coaching(record):
        return _("Sessions or goals are written in this record, and are read there. Keep this one.")
    return ""
