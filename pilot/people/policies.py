"""Who may be registered at all, and when an organisation may change, close and open again."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.erasure.retention import register_account, register_support
from pilot.people.models import Organisation, Patient

# A patient's account goes with their record, and all that signing in keeps of it; not where it is a member of staff's too.
register_account(
    "SELECT p.account_id FROM public.people_patient p WHERE p.id = whom"
    " AND NOT EXISTS (SELECT FROM public.people_membership m WHERE m.user_id = p.account_id)",
    (
        "django_session",
        "session_key IN (SELECT s.session_key FROM public.usersessions_usersession s WHERE s.user_id = account)",
    ),
    ("usersessions_usersession", "user_id = account"),
    ("mfa_authenticator", "user_id = account"),
    (
        "account_emailconfirmation",
        "email_address_id IN (SELECT m.id FROM public.account_emailaddress m WHERE m.user_id = account)",
    ),
    ("account_emailaddress", "user_id = account"),
    (
        "socialaccount_socialtoken",
        "account_id IN (SELECT a.id FROM public.socialaccount_socialaccount a WHERE a.user_id = account)",
    ),
    ("socialaccount_socialaccount", "user_id = account"),
    ("people_user", "id = account"),
    ("people_historicaluser", "id = account"),
)

# A record that was closed because the same person has another is kept as long as that one: the patient reads both.
register_support(
    under_way="EXISTS (SELECT FROM public.people_patient double JOIN public.people_patient own"
    " ON own.id = double.merged_into_id WHERE double.id = whom)",
    ended="NULL::timestamptz",
)

YOUNGEST, OLDEST = 16, 120


def check_age(born: dt.date) -> None:
    """Pass for somebody of 16 or over who may be alive, or refuse with what to check."""
    today = timezone.localdate()
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if born > today:
        problem = _("Date of birth must be in the past.")
    elif age < YOUNGEST:
        problem = _("This service is for people aged 16 and over.")
    elif age > OLDEST:
        problem = _("Check the year of birth.")
    else:
        return
    raise ValidationError({"date_of_birth": problem})


def check_is_not_double(patient: Patient) -> None:
    """Pass, or refuse what would be written about a record that was closed: the person has another."""
    if patient.merged_into_id is not None:
        raise ValidationError(
            _("This record is closed: the same person has another one here. Open that one, and go on there.")
        )


def check_is_in_use(patient: Patient) -> None:
    """Pass, or refuse what cannot be begun: for somebody who has died or moved, or with a record that is closed."""
    check_is_not_double(patient)
    if patient.moved_on is not None:
        raise ValidationError(
            _(
                "It is written down that this person has moved to another practice. If that is wrong, put it right first."
            )
        )
    if patient.died_on is not None:
        raise ValidationError(
            _("It is written down that this person has died. If that is wrong, put it right first.")
        )


def check_can_serve(provider: Organisation | None, practice: Organisation) -> None:
    """Pass if the provider's coaches may work at the practice from today on; None stands for nobody's."""
    if practice.kind != Organisation.Kind.PRACTICE:
        raise ValidationError(_("Coaches work at GP practices only."))
    if provider and not (provider.kind == Organisation.Kind.PROVIDER and provider.is_open):
        raise ValidationError({"provider": _("Choose a provider that is part of the pilot today.")})


def can_close(organisation: Organisation) -> bool:
    """Whether a last day may be set. The pilot's own office stays: nobody could open it again, or watch over the rest."""
    return organisation.valid_until is None and organisation.kind != Organisation.Kind.PILOT_OFFICE


def check_can_close(organisation: Organisation, on: dt.date) -> None:
    """Pass, or say why it cannot close on that day."""
    if not can_close(organisation):
        raise ValidationError(
            _("This organisation cannot be closed: it is the pilot’s own, or is closing already.")
        )
    if on < timezone.localdate():
        raise ValidationError({"on": _("Choose today or a day to come: what was done meanwhile stays done.")})
    if on <= organisation.valid_from:
        raise ValidationError({"on": _("Choose a day after its first day in the pilot.")})


def can_stay_open(organisation: Organisation) -> bool:
    """Whether a last day is set and has not come yet."""
    return organisation.valid_until is not None and organisation.valid_until > timezone.localdate()


def check_can_stay_open(organisation: Organisation) -> None:
    """Pass until the day comes. Afterwards what it ended has ended: coaches changed, and people were told."""
    if not can_stay_open(organisation):
        raise ValidationError(_("This can be undone only before the day has come."))


def check_is_part_of_the_pilot(organisation: Organisation) -> None:
    """Pass unless it has closed."""
    if organisation.valid_until is not None and not can_stay_open(organisation):
        raise ValidationError(_("This organisation is closed."))
