"""Opening, connecting and finding an account by a provider's word. What is decided stands in `policies`."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from pilot.access import Actor, Permission, action
from pilot.access.context import hold
from pilot.people.actions import open_account
from pilot.people.models import Patient, User
from pilot.sign_in.oidc import policies, selectors
from pilot.sign_in.oidc.configuration import Provider
from pilot.sign_in.oidc.policies import ProvenPatient, Refused, Why
from pilot.sign_in.oidc.tokens import Answer
from pilot.sign_in.selectors import works_here


def recognise(answer: Answer, *, by: Actor) -> User:
    """The account that a provider's word signs in to; for a patient without one, a new account that has no password.

    Raises `Refused` for everybody else, and for an account that is suspended or of the other kind: no patient becomes
    a member of staff through a provider, and no member of staff a patient.
    """
    user = selectors.connected_to(answer.provider, answer.subject)
    if answer.provider.is_for_patients:
        return _recognise_patient(user, answer, by=by)
    if user is None:
        raise Refused(Why.NOT_CONNECTED)
    if not user.is_active:
        raise Refused(Why.SUSPENDED)
    if not works_here(user) or selectors.own_record(by, user):
        raise Refused(Why.WRONG_KIND)
    return user


def _recognise_patient(user: User | None, answer: Answer, *, by: Actor) -> User:
    proven = policies.proven_patient(answer)
    if user is None:
        patient = policies.only_match(selectors.may_be(by, proven), proven)
        return open_account_by_nhs_login(patient, proven, answer, by=by)
    if not user.is_active:
        raise Refused(Why.SUSPENDED)
    own = selectors.own_record(by, user) or selectors.kept_record(by, user)
    if own is None or own.account is None or selectors.is_member_of_staff(user):
        raise Refused(Why.WRONG_KIND)
    if not policies.is_same_person(own, proven):
        raise Refused(Why.CHANGED)
    # Another one, where they had two records and this was the account of the one that is closed.
    if not own.account.is_active:
        raise Refused(Why.SUSPENDED)
    return own.account


@action("sign_in.account_opened", Permission.INVITE_PATIENTS, exclusive=True)
def open_account_by_nhs_login(patient: Patient, proven: ProvenPatient, answer: Answer, *, by: Actor) -> User:
    """Give the patient an account without a password, connected to the NHS login that proved who they are.

    Refused where they have one by now, and for an address that is not confirmed or that another account has.
    """
    fresh = Patient.objects.select_for_update(of=("self",)).get(pk=patient.pk)
    policies.only_match([fresh], proven)
    if not proven.email:
        raise Refused(Why.NO_ADDRESS)
    try:
        user = open_account(fresh, proven.email, None, by=by)
    except ValidationError as in_use:
        raise Refused(Why.NO_ADDRESS) from in_use
    _connect(user, answer)
    return user


def connect(user: User, answer: Answer, *, by: Actor) -> None:
    """Let the person who is signed in to this account sign in through the provider from now on.

    Refused unless the provider vouches for what we know: for a patient number, birthday and last name of their own
    record; for a member of staff the confirmed address of the account. And where either side is connected already.
    """
    if answer.provider.is_for_patients:
        own = selectors.own_record(by, user)
        if own is None or selectors.is_member_of_staff(user):
            raise Refused(Why.WRONG_KIND)
        if not policies.fits(own, policies.proven_patient(answer)):
            raise Refused(Why.NOBODY)
    else:
        if not works_here(user):
            raise Refused(Why.WRONG_KIND)
        policies.check_address(user, answer)
    # Two ways back at once, of one person or of one account: the second one sees the first.
    hold(user.pk, uuid5(NAMESPACE_URL, f"{answer.provider.issuer} {answer.subject}"), exclusive=True)
    if selectors.connected_to(answer.provider, answer.subject) or selectors.is_connected(
        user, answer.provider
    ):
        raise Refused(Why.TAKEN)
    _connect(user, answer)


def disconnect(user: User, provider: Provider, *, by: Actor) -> None:
    """End it. Refused while it is the only way in."""
    if not user.has_usable_password():
        raise ValidationError(_("This is your only way to sign in. Set a password first."))
    SocialAccount.objects.filter(user=user, provider=provider.issuer).delete()


def _connect(user: User, answer: Answer) -> None:
    # The issuer and its name for the person, and nothing else that it said.
    SocialAccount.objects.create(
        user=user, provider=answer.provider.issuer, uid=answer.subject, extra_data={}
    )
