"""Adding people: members of staff to organisations, patients to practices, accounts to patients."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from pilot.access import Actor, Permission, Role, acting, action
from pilot.access.grants import grant, revoke
from pilot.people.models import Membership, Organisation, Patient, User
from pilot.people.policies import (
    check_age,
    check_can_close,
    check_can_serve,
    check_can_stay_open,
    check_is_not_double,
    check_is_part_of_the_pilot,
)


class StaleVersion(Exception):  # noqa: N818 (what is the matter, not an error of ours)
    """Somebody else changed the row since the form was opened."""


@dataclass(frozen=True)
class PatientDetails:
    """What a practice knows of a patient. An empty NHS number means it is not known."""

    given_name: str
    family_name: str
    date_of_birth: dt.date
    nhs_number: str | None = None
    preferred_name: str = ""
    pronouns: str = ""
    address: str = ""
    phone: str = ""
    email: str = ""
    message_is_safe: bool = False
    preferred_contact: str = "1"
    needs: list[str] = field(default_factory=list)
    needs_note: str = ""
    language: str = ""

    def columns(self) -> dict[str, Any]:
        """The columns of `Patient` that say this."""
        number = self.nhs_number or None
        return {
            **vars(self),
            "needs": list(self.needs),
            "nhs_number": number,
            "nhs_number_unknown": number is None,
        }


@action("patient.registered", Permission.REGISTER_PATIENTS, about_patient=False)
def register_patient(practice: Organisation, details: PatientDetails, *, by: Actor) -> Patient:
    """Add a patient to the practice. Refused for somebody under 16 and for an NHS number the practice has already."""
    check_age(details.date_of_birth)
    patient = Patient(practice=practice, **details.columns())
    with acting(by, "patient.registered", patients=[patient.id]):
        patient.full_clean(exclude=["practice", "account"])
        _save(patient, force_insert=True)
    return patient


@action("patient.details_changed", Permission.REGISTER_PATIENTS)
def change_details(patient: Patient, details: PatientDetails, *, version: int, by: Actor) -> Patient:
    """Correct what is known of a patient. Refused with `StaleVersion` if it changed since `version` was shown."""
    check_age(details.date_of_birth)
    fresh = Patient.objects.select_for_update(of=("self",)).get(pk=patient.pk)
    if fresh.version != version:
        raise StaleVersion
    check_is_not_double(fresh)
    for name, value in details.columns().items():
        setattr(fresh, name, value)
    fresh.move_on()
    fresh.full_clean(exclude=["practice", "account"])
    _save(fresh, force_update=True)
    return fresh


@action("patient.account_opened", Permission.INVITE_PATIENTS)
def open_account(patient: Patient, email: str, password: str | None, *, by: Actor) -> User:
    """Give the patient an account that opens their own record. Refused if they have one, or the address has one.

    Without a password they sign in some other way.
    """
    # Read again: the record may have been closed, or given an account, since it was looked up.
    fresh = Patient.objects.select_for_update(of=("self",)).get(pk=patient.pk)
    check_is_not_double(fresh)
    if fresh.account_id:
        raise ValidationError(_("This record has an account already. Sign in, or ask for a new password."))
    if User.objects.filter(email__iexact=email).exists():
        raise ValidationError(
            {
                "email": _(
                    "This e-mail address is in use. Sign in with it, or give another one. If it opens your record at a "
                    "practice where you were before, give another one here: that record stays yours to read."
                )
            }
        )
    user = User.objects.create_user(email, password, display_name=fresh.name)
    fresh.account = patient.account = user
    fresh.save(update_fields=["account"])
    grant(user, Role.PATIENT, patient)
    return user


def close_account(patient: Patient, *, by: Actor) -> None:
    """Nobody opens the record by the patient's account any more, as part of an action. The account itself stays."""
    if patient.account:
        revoke(patient.account, Role.PATIENT, patient)


def reopen_account(patient: Patient, *, by: Actor) -> None:
    """The account opens the record again, as part of an action."""
    if patient.account:
        grant(patient.account, Role.PATIENT, patient)


def hand_over_account(double: Patient, kept: Patient, *, by: Actor) -> None:
    """Let the account of a record that is closed open the one that is kept, unless that has an account of its own: then
    it opens nothing any more. Part of an action, which saves both rows, the closed one first.
    """
    if double.account is None:
        return
    revoke(double.account, Role.PATIENT, double)
    if kept.account_id is None:
        kept.account, double.account = double.account, None
        grant(kept.account, Role.PATIENT, kept)


@action("membership.begun", Permission.MANAGE_PILOT, about_patient=False)
def appoint(
    organisation: Organisation,
    user: User,
    role: Role,
    *,
    valid_from: dt.date | None = None,
    valid_until: dt.date | None = None,
    caseload_limit: int | None = None,
    is_named_clinician: bool = False,
    by: Actor,
) -> Membership:
    """Let the user act in a role at an organisation from a day on. Refused where the role does not belong there."""
    membership = Membership(
        user=user,
        organisation=organisation,
        role=role.value,
        valid_from=valid_from or timezone.localdate(),
        valid_until=valid_until,
        caseload_limit=caseload_limit,
        is_named_clinician=is_named_clinician,
    )
    membership.full_clean()
    membership.save(force_insert=True)
    grant(user, role, organisation)
    return membership


@action("membership.ended", Permission.MANAGE_PILOT, about_patient=False)
def end_membership(membership: Membership, *, on: dt.date | None = None, by: Actor) -> Membership:
    """End the role on that day (today unless told). From then on it opens nothing."""
    membership.valid_until = on or timezone.localdate()
    membership.full_clean(exclude=["user", "organisation"])
    membership.save(update_fields=["valid_until"])
    if membership.valid_until <= timezone.localdate():
        revoke(membership.user, Role(membership.role), membership.organisation)
    return membership


@action("organisation.added", Permission.MANAGE_PILOT, about_patient=False)
def add_organisation(organisation: Organisation, *, by: Actor) -> Organisation:
    """Make it part of the pilot. Refused for an ODS code that another one has."""
    organisation.full_clean()
    organisation.save(force_insert=True)
    return organisation


@action("organisation.details_changed", Permission.MANAGE_PILOT, about_patient=False)
def change_organisation(
    organisation: Organisation, *, name: str, phone: str, version: int, by: Actor
) -> Organisation:
    """Correct what is known of it. Refused with `StaleVersion` if it changed since `version` was shown."""
    current = _unchanged(organisation, version)
    current.name, current.phone = name, phone
    current.full_clean()
    current.save(update_fields=["name", "phone"], force_update=True)
    return current


@action("organisation.provider_changed", Permission.MANAGE_PILOT, about_patient=False)
def change_provider(
    practice: Organisation, provider: Organisation | None, *, version: int, by: Actor
) -> Organisation:
    """Say whose coaches work at the practice from now on; None for nobody's.

    Referrals follow within a minute (`referrals.tasks`): who waits, waits with the new provider; who has a coach keeps
    the coach until handed back. Nobody's place in the queue changes. Refused with `StaleVersion` as above.
    """
    current = _unchanged(practice, version)
    check_can_serve(provider, current)
    current.served_by = provider
    current.save(update_fields=["served_by"], force_update=True)
    return current


@action("organisation.closed", Permission.MANAGE_PILOT, about_patient=False)
def close_organisation(
    organisation: Organisation, *, on: dt.date | None = None, version: int, by: Actor
) -> Organisation:
    """Let it be part of the pilot no longer, from that day on (today unless told).

    From then on no role there opens anything, and no coach sees anybody through it. Refused with `StaleVersion` as above.
    """
    current = _unchanged(organisation, version)
    day = on or timezone.localdate()
    check_can_close(current, day)
    current.valid_until = day
    current.save(update_fields=["valid_until"], force_update=True)
    return current


@action("organisation.kept_open", Permission.MANAGE_PILOT, about_patient=False)
def keep_open(organisation: Organisation, *, by: Actor) -> Organisation:
    """Let it go on after all. Refused once the day on which it was to close has come."""
    current: Organisation = Organisation.objects.select_for_update(of=("self",)).get(pk=organisation.pk)
    check_can_stay_open(current)
    current.valid_until = None
    current.save(update_fields=["valid_until"], force_update=True)
    return current


@action("person.added", Permission.MANAGE_PILOT, about_patient=False)
def add_person(
    organisation: Organisation,
    email: str,
    name: str,
    role: Role,
    *,
    valid_from: dt.date | None = None,
    caseload_limit: int | None = None,
    is_named_clinician: bool = False,
    by: Actor,
) -> Membership:
    """Let whoever signs in with this address act in the role here; they get an account if they have none.

    Nobody gives themselves a role. A member of staff keeps the account and the name they have; an account that was
    opened in any other way is refused, since its address is unproved.
    """
    check_is_part_of_the_pilot(organisation)
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        user = User.objects.create_user(email, display_name=name)
    elif not user.memberships.exists():
        # Whoever opened this account chose the address, and nobody proved that it is theirs: it could be anybody's,
        # a patient's too. The answer says no more than that.
        raise ValidationError(
            {
                "email": _(
                    "This address cannot be given a role. Ask the person for another e-mail address of theirs."
                )
            }
        )
    if user.pk == by.user_id:
        raise ValidationError(_("Somebody else has to give you a role."))
    if user.memberships.in_force().filter(organisation=organisation, role=role.value).exists():
        raise ValidationError({"role": _("They have this role here already.")})
    return appoint(
        organisation,
        user,
        role,
        valid_from=valid_from,
        caseload_limit=caseload_limit,
        is_named_clinician=is_named_clinician,
        by=by,
    )


@action("sign_in.suspended", Permission.MANAGE_PILOT, about_patient=False)
def suspend_sign_in(user: User, *, reason: str, by: Actor) -> User:
    """Keep a member of staff out, from their next click on, until `restore_sign_in`. The reason is in the log.

    Refused for oneself, and for anybody who is no member of staff.
    """
    if user.pk == by.user_id:
        raise ValidationError(_("Somebody else has to do this."))
    memberships = _memberships_to_come(user)
    if not memberships:
        raise ValidationError(_("This person has no role that could be suspended."))
    user.is_active = False
    user.sessions_valid_from = timezone.now()
    user.save(update_fields=["is_active", "sessions_valid_from"])
    with acting(by, "sign_in.suspended", reason=reason):
        for membership in memberships:
            revoke(user, Role(membership.role), membership.organisation)
    return user


@action("sign_in.restored", Permission.MANAGE_PILOT, about_patient=False)
def restore_sign_in(user: User, *, by: Actor) -> User:
    """Let them sign in again, in every role that has not ended meanwhile."""
    user.is_active = True
    user.save(update_fields=["is_active"])
    for membership in _memberships_to_come(user):
        grant(user, Role(membership.role), membership.organisation)
    return user


def _unchanged(organisation: Organisation, version: int) -> Organisation:
    """The row as it stands, locked, if nobody changed it since `version` was shown."""
    current: Organisation = Organisation.objects.select_for_update(of=("self",)).get(pk=organisation.pk)
    if current.version != version:
        raise StaleVersion
    return current


def _memberships_to_come(user: User) -> list[Membership]:
    """Those in force, and those that are yet to begin."""
    ahead = Q(valid_until__isnull=True) | Q(valid_until__gt=timezone.localdate())
    return list(Membership.objects.filter(ahead, user=user).select_related("organisation"))


def _save(patient: Patient, **how: Any) -> None:
    """Save, or refuse a number that is another patient's: only the database knows that for certain."""
    try:
        with transaction.atomic():
            patient.save(**how)
    except IntegrityError as clash:
        if "nhs_number_once_per_practice" not in str(clash):
            raise
        raise ValidationError(
            {"nhs_number": _("A patient of this practice has this NHS number already.")}
        ) from clash
