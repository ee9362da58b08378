"""The second wall by itself: raw SQL in each role's context, with no check of ours in the way."""

import datetime as dt

import pytest
from django.db import DatabaseError, connection, connections, models, transaction
from django.utils import timezone

from audit.privacy import personal_models, privacy_of
from coaching.models import Goal, Session
from consent.models import Decision
from pilot.access import Actor, Role, acting
from pilot.access.grants import grant
from pilot.people.models import Patient
from referrals.models import ClinicalNote, Referral
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


@pytest.fixture
def world():
    """Two practices, each with a patient who is being coached and has a clinical note."""
    return factories.make_pilot()


def count(table: type[models.Model] | str) -> int:
    name = table if isinstance(table, str) else table._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM public."{name}"')
        return cursor.fetchone()[0]


def ids(model: type[models.Model]) -> set[object]:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT id FROM public."{model._meta.db_table}"')
        return {row[0] for row in cursor.fetchall()}


def case(world: factories.Pilot, coach: Actor, practice=None) -> Referral:
    patient = factories.make_patient(practice or world.practice, account=True)
    factories.give_consent(patient)
    referral = factories.make_referral(patient, status="waiting")
    factories.allocate_to(referral, coach)
    return referral


def test_a_coach_never_reads_a_clinical_note_nor_its_history(world: factories.Pilot) -> None:
    coach = factories.make_staff(Role.COACH, world.provider)
    referral = case(world, coach)
    clinician = factories.make_staff(Role.CLINICIAN, world.practice)
    factories.make_note(referral.patient, clinician)
    with acting(coach, "caseload.opened"):
        assert count(ClinicalNote) == count("referrals_historicalclinicalnote") == 0
    # Not even inside an action about that very patient, which shows whoever acts the rest of the case.
    with acting(coach, "session.booked", patients=[referral.patient_id]):
        assert count(Referral) == 1
        assert count(ClinicalNote) == count("referrals_historicalclinicalnote") == 0
    with acting(clinician, "notes.opened"):
        assert count(ClinicalNote) == count("referrals_historicalclinicalnote") == 1


def test_a_coach_cannot_write_a_clinical_note(world: factories.Pilot) -> None:
    coach = factories.make_staff(Role.COACH, world.provider)
    referral = case(world, coach)
    with (
        pytest.raises(DatabaseError, match="row-level security"),
        acting(coach, "note.written", patients=[referral.patient_id]),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO referrals_clinicalnote"
            " (id, created_at, patient_id, practice_id, author_id, kind, text, withheld_on)"
            " VALUES (gen_random_uuid(), now(), %s, %s, %s, 'note', 'forged', '')",
            [referral.patient_id, referral.practice_id, coach.user_id],
        )


def test_clinicians_of_another_practice_and_reception_read_no_note(world: factories.Pilot) -> None:
    coach = factories.make_staff(Role.COACH, world.provider)
    referral = case(world, coach)
    factories.make_note(referral.patient, factories.make_staff(Role.CLINICIAN, world.practice))
    for actor in (
        factories.make_staff(Role.CLINICIAN, world.other_practice),
        factories.make_staff(Role.RECEPTIONIST, world.practice),
        factories.make_staff(Role.SUPERVISOR, world.provider),
        factories.make_staff(Role.CALDICOTT_GUARDIAN, world.office),
        factories.make_staff(Role.PILOT_MANAGER, world.office),
        factories.make_staff(Role.COMMISSIONER, world.commissioner),
        Actor.system("anything"),
    ):
        with acting(actor, "notes.opened", patients=[referral.patient_id]):
            assert count(ClinicalNote) == 0, actor


def test_a_note_that_is_withheld_is_hidden_from_the_patient_by_the_database(world: factories.Pilot) -> None:
    coach = factories.make_staff(Role.COACH, world.provider)
    referral = case(world, coach)
    clinician = factories.make_staff(Role.CLINICIAN, world.practice)
    shown = factories.make_note(referral.patient, clinician)
    factories.make_note(referral.patient, clinician, withheld_at=timezone.now(), withheld_on="serious_harm")
    patient = factories.patient_actor(referral.patient)
    with acting(patient, "record.opened"):
        assert ids(ClinicalNote) == {shown.pk}
        # Its past would tell what it said before it was withheld.
        assert count("referrals_historicalclinicalnote") == 0


def test_when_consent_ends_nothing_of_the_patient_is_left_for_the_coach(world: factories.Pilot) -> None:
    coach = factories.make_staff(Role.COACH, world.provider)
    ended, standing = case(world, coach), case(world, coach)
    for referral in (ended, standing):
        factories.make_session(referral, coach)
    with acting(coach, "caseload.opened"):
        assert ids(Referral) == {ended.pk, standing.pk}
    # The ledger alone is enough: neither the grant nor the allocation has been touched yet.
    factories.give_consent(ended.patient, "share_with_coach", answer="withdrawn")
    with acting(coach, "caseload.opened"):
        assert ids(Referral) == {standing.pk}
        assert ids(Patient) == {standing.patient_id}
        for model in personal_models():
            column = privacy_of(model).patient
            if column and privacy_of(model).keeps_history:
                for table in (model._meta.db_table, model.history.model._meta.db_table):
                    with connection.cursor() as cursor:
                        cursor.execute(
                            f'SELECT count(*) FROM "{table}" WHERE "{column}" = %s', [ended.patient_id]
                        )
                        assert cursor.fetchone()[0] == 0, table


def test_consent_that_has_lapsed_closes_the_case_without_anybody_doing_anything(
    world: factories.Pilot,
) -> None:
    coach = factories.make_staff(Role.COACH, world.provider)
    referral = case(world, coach)
    factories.give_consent(
        referral.patient, "take_part", lapses_on=timezone.localdate() - dt.timedelta(days=1)
    )
    with acting(coach, "caseload.opened"):
        assert count(Referral) == count(Patient) == 0


def test_a_supervisor_sees_the_queue_and_nobody_in_it(world: factories.Pilot) -> None:
    coach = factories.make_staff(Role.COACH, world.provider)
    referral = case(world, coach)
    factories.make_session(referral, coach)
    supervisor = factories.make_staff(Role.SUPERVISOR, world.provider)
    stranger = factories.make_staff(Role.SUPERVISOR, world.other_provider)
    with acting(supervisor, "queue.opened"):
        assert ids(Referral) == {referral.pk}
        assert count(Patient) == count(Session) == count(Goal) == count(Decision) == 0
    with acting(stranger, "queue.opened"):
        assert count(Referral) == 0


@pytest.mark.parametrize("role", [Role.COMMISSIONER, Role.PILOT_MANAGER, Role.SPEAK_UP_GUARDIAN])
def test_roles_without_cases_see_nobody(world: factories.Pilot, role: Role) -> None:
    case(world, factories.make_staff(Role.COACH, world.provider))
    home = world.commissioner if role is Role.COMMISSIONER else world.office
    actor = factories.make_staff(role, home)
    with acting(actor, "page.opened"):
        for model in personal_models():
            assert count(model) == 0, model
            if privacy_of(model).keeps_history:
                assert count(model.history.model) == 0, model


def test_a_membership_that_has_ended_opens_nothing(world: factories.Pilot) -> None:
    factories.make_patient(world.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, world.practice)
    membership = factories.membership_of(receptionist)
    with acting(receptionist, "patients.listed"):
        assert count(Patient) == 1
    with acting(Actor.system("tests"), "membership.ended"):
        membership.valid_until = timezone.localdate()
        membership.save()
    with acting(receptionist, "patients.listed"):
        assert count(Patient) == 0


def test_a_forged_grant_opens_nothing(world: factories.Pilot) -> None:
    coach, stranger = (factories.make_staff(Role.COACH, world.provider) for _ in range(2))
    referral = case(world, coach)
    with acting(Actor.system("tests"), "grant.forged", patients=[referral.patient_id]):
        grant(factories.user_of(stranger), Role.COACH, referral)
    with acting(stranger, "caseload.opened"):
        assert count(Referral) == count(Patient) == 0


@pytest.mark.parametrize("table", ["audit_event", "audit_subject"])
def test_the_app_cannot_write_change_or_remove_an_event(world: factories.Pilot, table: str) -> None:
    factories.make_patient(world.practice)
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, world.office)
    for statement in (f"UPDATE {table} SET patient_id = NULL", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            acting(guardian, "log.edited"),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_a_decision_is_never_altered_not_even_by_the_owner(own_database: str) -> None:
    world = factories.make_pilot()
    factories.give_consent(factories.make_patient(world.practice))
    for statement in (
        "UPDATE consent_decision SET answer = 'refused'",
        "DELETE FROM consent_decision",
        "TRUNCATE consent_decision CASCADE",
        "UPDATE audit_event SET actor = 'somebody else'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
    ):
        with pytest.raises(DatabaseError, match="Refused"):
            as_owner(statement)


def as_owner(statement: str) -> None:
    """Run it as the owner of the tables, who says who they are."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        for name, value in (("user", "system:owner"), ("role", "system"), ("action", "table.altered")):
            cursor.execute("SELECT set_config(%s, %s, true)", [f"pilot.{name}", value])
        cursor.execute(statement)
