"""Who is connected to whom, and who may be the person that a provider vouches for."""

from __future__ import annotations

from allauth.socialaccount.models import SocialAccount
from django.conf import settings

from pilot.access import Actor, Permission, Role
from pilot.people.models import Organisation, Patient, User
from pilot.sign_in.oidc.configuration import Provider
from pilot.sign_in.oidc.policies import ProvenPatient


def providers() -> list[Provider]:
    """Those that people may sign in through here, NHS login first."""
    return list(settings.SIGN_IN_PROVIDERS.values())


def provider_for(role: Role) -> Provider | None:
    """The provider that somebody in this role could connect, where one is configured."""
    return next((one for one in providers() if one.is_for_patients == (role is Role.PATIENT)), None)


def connected_to(provider: Provider, subject: str) -> User | None:
    """Whose account this person at this provider is connected to."""
    link = SocialAccount.objects.filter(provider=provider.issuer, uid=subject).select_related("user").first()
    return link.user if link else None


def is_connected(user: User, provider: Provider) -> bool:
    return bool(SocialAccount.objects.filter(user=user, provider=provider.issuer).exists())


def own_record(actor: Actor, user: User) -> Patient | None:
    """The patient whose account this is."""
    return Patient.objects.visible_to(actor).not_doubles().filter(account=user).first()


def kept_record(actor: Actor, user: User) -> Patient | None:
    """Where this is the account of a record that was closed, since the same person has another: that one."""
    closed = Patient.objects.visible_to(actor).filter(account=user, merged_into__isnull=False)
    return Patient.objects.visible_to(actor).filter(pk__in=closed.values("merged_into")).first()


def may_be(actor: Actor, proven: ProvenPatient) -> list[Patient]:
    """Every patient, at whichever practice, with this number and birthday. The name is compared by `policies.fits`."""
    # Asked practice by practice, since the index begins with the practice.
    practices = (
        Organisation.objects.in_force().filter(kind=Organisation.Kind.PRACTICE).values_list("id", flat=True)
    )
    found = (
        Patient.objects.visible_to(actor, Permission.INVITE_PATIENTS)
        .not_doubles()
        .filter(practice__in=list(practices), nhs_number=proven.nhs_number, date_of_birth=proven.born)
    )
    return list(found.order_by("id"))


def is_member_of_staff(user: User) -> bool:
    """Whether the account has, or had, a role at an organisation."""
    return user.memberships.exists()
