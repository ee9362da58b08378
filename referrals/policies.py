"""When something may happen to a referral: its states, who moves it between them, how allocation opens it."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.erasure.retention import register_support
from consent.models import STANDS_AFTER_CHANGE
from pilot.access import Actor, Role
from pilot.access.projections import Projection, register_projection
from pilot.access.transitions import StateMachine, Transition
from pilot.access.walls import ReferralRelation, register_referral_relation
from pilot.people.models import Membership, Organisation, Patient
from referrals.models import OPEN_STATUSES, Invitation, Referral, ReferralGrant, Status

# A referral opens to somebody while they hold a grant in the acting role, the allocation is current, so is their
# membership of the provider, provider and practice exist (no practice, no clinician to call when someone is in
# distress), and the patient's consents to take part and to share both stand: not lapsed, nor resting on information that
# was materially changed too long ago (`DecisionQuerySet.with_end` says the same). (SELECT …) is asked once, not row by row.
_ALLOCATED = f"""
    FROM public.referrals_referralgrant g
    JOIN public.auth_permission p ON p.id = g.permission_id AND p.codename = 'act_as_' || (SELECT pilot.role())
    JOIN public.referrals_allocation a ON a.referral_id = g.content_object_id AND a.person_id = g.user_id
        AND a.role = (SELECT pilot.role()) AND a.ended_at IS NULL
    JOIN public.people_membership m ON m.user_id = g.user_id AND m.organisation_id = a.provider_id
        AND m.role = (SELECT pilot.role()) AND m.valid_from <= (SELECT pilot.today())
        AND (m.valid_until IS NULL OR m.valid_until > (SELECT pilot.today()))
    JOIN public.people_organisation o ON o.id = m.organisation_id AND o.valid_from <= (SELECT pilot.today())
        AND (o.valid_until IS NULL OR o.valid_until > (SELECT pilot.today()))
    JOIN public.people_organisation practice ON practice.id = a.practice_id AND practice.valid_from <= (SELECT pilot.today())
        AND (practice.valid_until IS NULL OR practice.valid_until > (SELECT pilot.today()))
    JOIN public.people_user u ON u.id = g.user_id AND u.is_active
    WHERE g.user_id = (SELECT pilot.user_id())
        AND 2 = (SELECT count(*) FROM (
            SELECT DISTINCT ON (d.purpose) d.answer, d.lapses_on, d.sheet_id FROM public.consent_decision d
            WHERE d.patient_id = a.patient_id AND d.purpose IN ('take_part', 'share_with_coach')
            ORDER BY d.purpose, d.created_at DESC, d.id DESC) latest
            WHERE latest.answer = 'given' AND latest.lapses_on > (SELECT pilot.today())
                AND latest.sheet_id <> ALL (ARRAY(
                    SELECT old.id FROM public.consent_informationsheet old
                    JOIN public.consent_informationsheet later ON later.version > old.version
                        AND (later.language, later.readers) = (old.language, old.readers)
                        AND later.change = 'material'
                        AND (later.published_at AT TIME ZONE '{settings.TIME_ZONE}')::date + {STANDS_AFTER_CHANGE.days}
                            <= (SELECT pilot.today()))))
"""  # noqa: S608 (SQL of our own)

# Everybody whose referral is allocated to them, whether it is open to them or not: cheap to find, by an index.
_ALLOCATED_AT_ALL = """
    SELECT a.patient_id FROM public.people_membership m
    JOIN public.referrals_allocation a ON a.provider_id = m.organisation_id AND a.person_id = m.user_id
        AND a.role = m.role AND a.ended_at IS NULL
    WHERE m.user_id = (SELECT pilot.user_id()) AND m.role = (SELECT pilot.role())
"""

register_referral_relation(
    ReferralRelation(
        referrals=f"SELECT g.content_object_id {_ALLOCATED}",
        patients=f"SELECT a.patient_id {_ALLOCATED}",
        allocated=_ALLOCATED_AT_ALL,
    ),
    ReferralGrant,
)
register_projection(
    Projection(
        ReferralGrant,
        "SELECT a.person_id, a.referral_id, a.role FROM public.referrals_allocation a WHERE a.ended_at IS NULL",
        "SELECT patient_id FROM public.referrals_referral WHERE id = %s",
    )
)
# Somebody on a list that nobody has decided on yet may be about to be referred again.
_NAMED_ON_A_LIST = """
    SELECT FROM public.people_patient p JOIN public.referrals_importbatch b ON b.practice_id = p.practice_id
    WHERE p.id = whom AND (strpos(b.rows::text || b.report::text, p.nhs_number) > 0
        OR (strpos(lower(b.rows::text), lower(p.family_name)) > 0 AND strpos(b.rows::text, p.date_of_birth::text) > 0))
"""
_OPEN = ", ".join(f"'{status.value}'" for status in OPEN_STATUSES)
register_support(
    under_way="EXISTS (SELECT FROM public.referrals_referral r WHERE r.patient_id = whom"
    f" AND r.status IN ({_OPEN})) OR EXISTS ({_NAMED_ON_A_LIST})",
    ended="SELECT max(greatest(r.logged_at, r.ended_at)) FROM public.referrals_referral r WHERE r.patient_id = whom",
)


_PRACTICE = (Role.RECEPTIONIST, Role.CLINICIAN)
_LIVE = (Status.WAITING, Status.WITH_COACH, Status.PAUSED)

TRANSITIONS: tuple[Transition[Status], ...] = (
    Transition("logged", (None,), Status.AWAITING_DECISION, (*_PRACTICE, Role.SYSTEM)),
    Transition(
        "agreed", (Status.AWAITING_DECISION,), Status.WAITING, (*_PRACTICE, Role.PATIENT, Role.SYSTEM)
    ),
    Transition(
        "set aside", (Status.AWAITING_DECISION,), Status.SET_ASIDE, (*_PRACTICE, Role.PATIENT, Role.SYSTEM)
    ),
    Transition("allocated", (Status.WAITING,), Status.WITH_COACH, (Role.SUPERVISOR, Role.SYSTEM)),
    Transition(
        "handed back", (Status.WITH_COACH, Status.PAUSED), Status.WAITING, (Role.SUPERVISOR, Role.SYSTEM)
    ),
    Transition("paused", (Status.WITH_COACH,), Status.PAUSED, (Role.COACH, *_PRACTICE, Role.PATIENT)),
    Transition("resumed", (Status.PAUSED,), Status.WITH_COACH, (Role.COACH, *_PRACTICE, Role.PATIENT)),
    Transition("ended", _LIVE, Status.ENDED, (Role.COACH, *_PRACTICE, Role.PATIENT, Role.SYSTEM)),
)
_MACHINE = StateMachine(
    Status,
    TRANSITIONS,
    gettext_lazy("This cannot be done now: the referral stands at “%(status)s”. Open it again to see why."),
)
transition, can_move, check_can_move = _MACHINE.transition, _MACHINE.can_move, _MACHINE.check_can_move


def is_at_practice(actor: Actor) -> bool:
    """Whether it is somebody of a practice, who has the practice's pages to go back to."""
    return actor.role in _PRACTICE


def provider_for(practice: Organisation) -> UUID | None:
    """With which provider people of this practice wait for a coach today: None where there is none, or no practice."""
    provider = practice.served_by
    return provider.pk if provider and provider.is_open and practice.is_open else None


def check_provider(referral: Referral) -> None:
    """Pass while the referral is with the provider whose coaches work at its practice today."""
    if referral.provider_id is None or referral.provider_id != provider_for(referral.practice):
        raise ValidationError(_("Your organisation no longer works with this practice."))


# What somebody can say when they end the support. Every other ending has a page of its own, which ends more than this.
SAID_BY_HAND = (
    Referral.Ending.SUPPORT_COMPLETE,
    Referral.Ending.HEALTH_FIRST,
    Referral.Ending.PATIENTS_CHOICE,
    Referral.Ending.MOVED,
)
# The most that IPS fidelity still calls a good caseload; a membership may set its own limit.
USUAL_CASELOAD = 25


def places_of(coach: Membership) -> int:
    """How many people the coach may support at once."""
    return USUAL_CASELOAD if coach.caseload_limit is None else coach.caseload_limit


def free_places(limit: int, taken: set[int]) -> list[int]:
    """The numbers of the places still free, lowest first: never more than the limit leaves.

    Whoever takes the first one and loses a race for it has to ask again, so that a limit lowered below the
    highest place in use holds too.
    """
    free = [number for number in range(1, limit + 1) if number not in taken]
    return free[: max(limit - len(taken), 0)]


MOST_TRIES = 5


def check_can_invite(referral: Referral, patient: Patient) -> None:
    """Pass, or say why an invitation would be no use to them."""
    if patient.account_id:
        raise ValidationError(_("They have an account already. They can sign in and decide there."))
    if Status(referral.status) not in OPEN_STATUSES:
        raise ValidationError(_("This referral has ended. Log a new one first."))


def is_open(invitation: Invitation, at: dt.datetime | None = None) -> bool:
    """Whether the invitation still lets somebody in, if the date of birth fits."""
    return (
        invitation.used_at is None
        and invitation.cancelled_at is None
        and invitation.expires_at > (at or timezone.now())
        and invitation.attempts < MOST_TRIES
    )


def check_is_open(invitation: Invitation) -> None:
    """Pass, or refuse in the same words whatever closed it."""
    if not is_open(invitation):
        raise ValidationError(_("This invitation cannot be used any more. Ask your practice for a new one."))
