"""Who may do what: permissions, roles, and through which relation a role holds each permission.

This table is the only statement of it. Row policies, page checks, navigation and the documentation are generated from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import TextChoices


class Permission(TextChoices):
    """What can be allowed. The label completes the sentence "can …"."""

    SEE_PATIENTS = "see_patients", "see a patient's name, contact details and needs"
    REGISTER_PATIENTS = "register_patients", "add a patient and correct their details"
    MERGE_RECORDS = "merge_records", "bring two records of one person together"
    SEE_WORDS_ON_DETAILS = "see_words_on_details", "see what a patient says about the details kept of them"
    SEE_REFERRALS = "see_referrals", "see referrals and how they stand"
    LOG_REFERRALS = "log_referrals", "log a referral"
    IMPORT_REFERRALS = "import_referrals", "import referrals from a file"
    SEE_CONSENT = "see_consent", "see what the patient has agreed to"
    RECORD_CONSENT = (
        "record_consent",
        "record what the patient says about consent, withdrawal included",
    )
    DECIDE = "decide", "give, refuse and withdraw consent"
    INVITE_PATIENTS = "invite_patients", "invite a patient to decide for themselves"
    SEE_MESSAGES = "see_messages", "see the messages sent to a patient"
    SEND_MESSAGES = "send_messages", "send messages and print letters"
    SEE_WAITING = (
        "see_waiting",
        "see who is waiting and each coach's load, without names",
    )
    ALLOCATE = "allocate", "allocate a referral to a coach"
    CHANGE_SUPPORT = "change_support", "pause, resume or end somebody's coaching"
    SEE_CASELOAD = "see_caseload", "open the caseload"
    SEE_SESSIONS = "see_sessions", "read coaching sessions"
    RECORD_SESSIONS = "record_sessions", "book sessions and record what was agreed"
    KEEP_GOALS = "keep_goals", "write down the patient's goals"
    RAISE_DISTRESS = (
        "raise_distress",
        "call the named clinician when someone is in distress",
    )
    SEE_DISTRESS = "see_distress", "see calls about someone in distress"
    ACCEPT_DISTRESS = "accept_distress", "accept responsibility for someone in distress"
    READ_CLINICAL_NOTES = "read_clinical_notes", "read clinical notes"
    WRITE_CLINICAL_NOTES = "write_clinical_notes", "write clinical notes"
    SEE_OWN_RECORD = "see_own_record", "read everything that is held about them"
    SEE_DASHBOARDS = "see_dashboards", "see published figures"
    COMPUTE_RELEASES = "compute_releases", "count what is published"
    SEE_EVENTS = "see_events", "read who did and saw what, and when"
    REVIEW_AUDIT = "review_audit", "review the whole audit log"
    ERASE_RECORDS = "erase_records", "erase a record that has been kept for as long as it had to be"
    SEE_REQUESTS = "see_requests", "see what patients asked about their record"
    MAKE_REQUESTS = (
        "make_requests",
        "ask and complain about their record, and say where they see it differently",
    )
    ANSWER_REQUESTS = "answer_requests", "answer what patients asked about their record"
    ANSWER_CORRECTIONS = (
        "answer_corrections",
        "answer what a patient asks them to correct, and see no other request",
    )
    RESTRICT_USE = "restrict_use", "begin or end that a record is kept and not used"
    TAKE_COPY = "take_copy", "make and wipe a copy of a record, which the patient takes away"
    MANAGE_PILOT = (
        "manage_pilot",
        "set up organisations, people, the charter and information sheets",
    )
    HEAR_CONCERNS = "hear_concerns", "receive concerns from staff"
    USE_OWN_ACCOUNT = "use_own_account", "manage their own account and choose a role"


class Reach(TextChoices):
    """Through which relation a permission is held. The label completes "… of/at …"."""

    PRACTICE = "practice", "at their own practice"
    PROVIDER = "provider", "at their own provider"
    REFERRAL = "referral", "for the people allocated to them, while consent lasts"
    SELF = "self", "about themselves"
    EVERYWHERE = "everywhere", "across the pilot"


class Role(TextChoices):
    RECEPTIONIST = "receptionist", "Receptionist"
    CLINICIAN = "clinician", "Clinician"
    COACH = "coach", "Coach"
    SUPERVISOR = "supervisor", "Supervisor"
    PATIENT = "patient", "Patient"
    COMMISSIONER = "commissioner", "Commissioner"
    PILOT_MANAGER = "pilot_manager", "Pilot manager"
    CALDICOTT_GUARDIAN = "caldicott_guardian", "Caldicott Guardian"
    SPEAK_UP_GUARDIAN = "speak_up_guardian", "Speak Up guardian"
    SYSTEM = "system", "The system itself"


@dataclass(frozen=True)
class Duties:
    """What a role is for, in a sentence, and what it can do through each relation."""

    sentence: str
    can: dict[Reach, tuple[Permission, ...]]


P = Permission
_EVERYONE = (P.USE_OWN_ACCOUNT,)

ROLES: dict[Role, Duties] = {
    Role.RECEPTIONIST: Duties(
        "Logs referrals, gives out information and records what patients of their practice say.",
        {
            Reach.PRACTICE: (
                P.SEE_PATIENTS,
                P.SEE_WORDS_ON_DETAILS,
                P.REGISTER_PATIENTS,
                P.SEE_REFERRALS,
                P.LOG_REFERRALS,
                P.IMPORT_REFERRALS,
                P.CHANGE_SUPPORT,
                P.SEE_CONSENT,
                P.RECORD_CONSENT,
                P.INVITE_PATIENTS,
                P.SEE_MESSAGES,
                P.SEND_MESSAGES,
                P.SEE_REQUESTS,
                P.ANSWER_CORRECTIONS,
            ),
            Reach.EVERYWHERE: _EVERYONE,
        },
    ),
    Role.CLINICIAN: Duties(
        "Suggests coaching, writes clinical notes that no coach can see, and answers when someone is in distress.",
        {
            Reach.PRACTICE: (
                P.SEE_PATIENTS,
                P.SEE_WORDS_ON_DETAILS,
                P.REGISTER_PATIENTS,
                P.SEE_REFERRALS,
                P.LOG_REFERRALS,
                P.CHANGE_SUPPORT,
                P.SEE_CONSENT,
                P.RECORD_CONSENT,
                P.INVITE_PATIENTS,
                P.SEE_MESSAGES,
                P.SEND_MESSAGES,
                P.READ_CLINICAL_NOTES,
                P.WRITE_CLINICAL_NOTES,
                P.MERGE_RECORDS,
                P.SEE_DISTRESS,
                P.ACCEPT_DISTRESS,
                P.SEE_REQUESTS,
                P.ANSWER_CORRECTIONS,
            ),
            Reach.EVERYWHERE: _EVERYONE,
        },
    ),
    Role.COACH: Duties(
        "Supports the people allocated to them, and nobody else. Never receives a clinical record.",
        {
            Reach.REFERRAL: (
                P.SEE_PATIENTS,
                P.SEE_REFERRALS,
                P.CHANGE_SUPPORT,
                P.SEE_CASELOAD,
                P.SEE_CONSENT,
                P.SEE_SESSIONS,
                P.RECORD_SESSIONS,
                P.KEEP_GOALS,
                P.RAISE_DISTRESS,
                P.SEE_DISTRESS,
                P.SEE_REQUESTS,
                P.ANSWER_CORRECTIONS,
            ),
            Reach.EVERYWHERE: _EVERYONE,
        },
    ),
    Role.SUPERVISOR: Duties(
        "Allocates referrals and keeps caseloads safe. Reads sessions only of referrals assigned for supervision.",
        {
            Reach.PROVIDER: (P.SEE_REFERRALS, P.SEE_WAITING, P.ALLOCATE),
            Reach.REFERRAL: (P.SEE_SESSIONS, P.SEE_CASELOAD),
            Reach.EVERYWHERE: _EVERYONE,
        },
    ),
    Role.PATIENT: Duties(
        "Reads everything held about them and decides, at any time, what happens with it.",
        {
            Reach.SELF: (
                P.SEE_OWN_RECORD,
                P.SEE_PATIENTS,
                P.SEE_WORDS_ON_DETAILS,
                P.SEE_REFERRALS,
                P.CHANGE_SUPPORT,
                P.SEE_CONSENT,
                P.DECIDE,
                P.SEE_SESSIONS,
                P.KEEP_GOALS,
                P.READ_CLINICAL_NOTES,
                P.SEE_MESSAGES,
                P.SEE_DISTRESS,
                P.SEE_EVENTS,
                P.SEE_REQUESTS,
                P.MAKE_REQUESTS,
                P.RESTRICT_USE,
                P.TAKE_COPY,
            ),
            Reach.EVERYWHERE: _EVERYONE,
        },
    ),
    Role.COMMISSIONER: Duties(
        "Sees published figures, and never a person.",
        {Reach.EVERYWHERE: (P.SEE_DASHBOARDS, *_EVERYONE)},
    ),
    Role.PILOT_MANAGER: Duties(
        "Sets up practices, providers, people, the charter and the information sheets. Sees no case.",
        {Reach.EVERYWHERE: (P.MANAGE_PILOT, P.SEE_DASHBOARDS, *_EVERYONE)},
    ),
    Role.CALDICOTT_GUARDIAN: Duties(
        "Watches over the pilot independently: who did and saw what, of which kind, and when.",
        {
            Reach.EVERYWHERE: (
                P.SEE_EVENTS,
                P.REVIEW_AUDIT,
                P.ERASE_RECORDS,
                P.SEE_REQUESTS,
                P.ANSWER_REQUESTS,
                P.RESTRICT_USE,
                P.SEE_DASHBOARDS,
                *_EVERYONE,
            )
        },
    ),
    Role.SPEAK_UP_GUARDIAN: Duties(
        "Receives concerns that staff raise. Sees no case.",
        {Reach.EVERYWHERE: (P.HEAR_CONCERNS, *_EVERYONE)},
    ),
    Role.SYSTEM: Duties(
        "Does what the clock asks for, under a name of its own for each task.",
        {
            Reach.EVERYWHERE: (
                P.SEE_PATIENTS,
                P.SEE_WORDS_ON_DETAILS,
                P.REGISTER_PATIENTS,
                P.SEE_REFERRALS,
                P.LOG_REFERRALS,
                P.IMPORT_REFERRALS,
                P.CHANGE_SUPPORT,
                P.SEE_CONSENT,
                P.RECORD_CONSENT,
                P.DECIDE,
                P.INVITE_PATIENTS,
                P.SEE_MESSAGES,
                P.SEND_MESSAGES,
                P.ALLOCATE,
                P.SEE_SESSIONS,
                P.SEE_DISTRESS,
                P.COMPUTE_RELEASES,
                P.MANAGE_PILOT,
                P.TAKE_COPY,
            )
        },
    ),
}


def in_words() -> Iterator[tuple[Role, str, list[tuple[Reach, list[str]]]]]:
    """What each role can do, for the page and the document that say so: (role, sentence, [(through which relation,
    what)]). What everybody with an account can do is left out."""
    for role, duties in ROLES.items():
        telling = (
            (reach, [str(permission.label) for permission in permissions if permission not in _EVERYONE])
            for reach, permissions in duties.can.items()
        )
        yield role, duties.sentence, [(reach, labels) for reach, labels in telling if labels]


SIGNED_IN_ROLES = tuple(role for role in Role if role is not Role.SYSTEM)


def reach_of(role: Role, permission: Permission) -> Reach | None:
    """The one relation through which the role holds the permission, or None where it does not."""
    for reach, permissions in ROLES[role].can.items():
        if permission in permissions:
            return reach
    return None


def roles_with(permission: Permission, reach: Reach) -> Iterator[Role]:
    return (role for role in ROLES if reach_of(role, permission) is reach)


def reaches_of(permission: Permission) -> tuple[Reach, ...]:
    """Every relation through which somebody holds the permission, in the order of `Reach`."""
    return tuple(reach for reach in Reach if any(roles_with(permission, reach)))
