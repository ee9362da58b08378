"""The second wall by itself: raw SQL in each role's context, with no check of ours in the way."""

import datetime as dt
import re
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, connections, models, transaction
from django.test.utils import isolate_apps
from django.utils import timezone

from audit.privacy import Impersonal, Personal, personal_models, privacy_of
from coaching.models import Goal, Session
from consent.models import Decision
from pilot.access import Actor, Reach, Role, acting, walls
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


# All that `install` makes: who may do what to which table, sequence, function and schema, and the policies.
WALL = """
    SELECT 'table', c.oid::regclass::text, coalesce(a.grantee::regrole::text, ''), a.privilege_type,
            c.relrowsecurity::text || c.relforcerowsecurity::text
        FROM pg_class c LEFT JOIN LATERAL aclexplode(c.relacl) a ON true
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S')
    UNION ALL SELECT 'schema', n.nspname, a.grantee::regrole::text, a.privilege_type, ''
        FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname IN ('pilot', 'public')
    UNION ALL SELECT 'function', p.oid::regprocedure::text, a.grantee::regrole::text, a.privilege_type,
            md5(pg_get_functiondef(p.oid))
        FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        WHERE p.pronamespace = to_regnamespace('pilot')
    UNION ALL SELECT 'policy', tablename || '.' || policyname, roles::text, cmd || permissive,
            coalesce(qual, '') || ' / ' || coalesce(with_check, '') FROM pg_policies
"""

ROLES = "PUBLIC, pilot_app, pilot_auditor, pilot_sealer"
WRECK = f"""
    DROP SCHEMA pilot CASCADE;
    REVOKE ALL ON SCHEMA public FROM {ROLES};
    GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLES};
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {ROLES};
    DO $$ DECLARE t regclass; BEGIN
        FOR t IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', t);
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', t);
            EXECUTE format('CREATE POLICY friendly ON %s USING (true)', t);
        END LOOP; END $$;
"""


def wall() -> set[tuple[str, ...]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(WALL)
        return set(cursor.fetchall())


def test_installing_again_makes_good_whatever_became_of_the_wall() -> None:
    owner = connections["owner"]
    stands = wall()
    assert len(stands) > 1000
    with transaction.atomic(using="owner"), owner.cursor() as cursor:
        cursor.execute(WRECK)
        assert not any(kind == "function" for kind, *_ in wall())
        walls.install(owner)
        again = wall()
        transaction.set_rollback(True, using="owner")
    # Tables that nobody declares keep the policy: nothing is granted there.
    assert {row for row in again - stands if ".friendly" not in row[1]} == set()
    assert stands - again == set()


def test_a_wall_that_cannot_be_built_leaves_the_old_one_standing(own_database: str) -> None:
    owner = connections["owner"]
    with owner.cursor() as cursor:
        cursor.execute("ALTER TABLE referrals_clinicalnote RENAME COLUMN practice_id TO somewhere")
    before = wall()
    with pytest.raises(DatabaseError, match="practice_id"):
        walls.install(owner)
    assert wall() == before


def test_a_wall_is_built_only_round_the_tables_that_are_there() -> None:
    """In the middle of a migration some are not."""
    said = "\n".join(walls.statements({"people_patient", "people_historicalpatient", "mfa_authenticator"}))
    assert 'ON public."people_patient"' in said
    assert 'ON public."mfa_authenticator"' in said
    for missing in ("referrals_referral", "usersessions_usersession", "django_session"):
        assert f'ON public."{missing}"' not in said
    kept = 'INSERT INTO public."audit_shape"'
    assert kept not in said
    assert kept in "\n".join(walls.statements({"audit_shape"}))


EVERY = Personal(
    see="see_referrals", patient="p", practice="pr", provider="pv", referral="r",
    hidden_from_patient="h", provider_until="u", unless_patient="pilot.x()", also="extra",
)  # fmt: skip
ORGANISATIONS, REFERRALS, PATIENTS = (
    f"ANY(ARRAY(SELECT pilot.live_{kind}('see_referrals')))"
    for kind in ("organisations", "referrals", "patients")
)
THEMSELVES = "ANY(ARRAY(SELECT pilot.own_patients('see_referrals')))"
SUBJECT = "ANY((SELECT pilot.patients())::uuid[])"
ANYWHERE = "(SELECT pilot.everywhere('see_referrals'))"


def test_each_relation_is_a_condition_on_the_column_that_the_declaration_names() -> None:
    at_practice, at_provider = f'("pr" = {ORGANISATIONS})', f'("pv" = {ORGANISATIONS} AND "u" IS NULL)'
    allocated, own = f'("r" = {REFERRALS})', f'("p" = {THEMSELVES} AND "h" IS NULL AND NOT pilot.x())'
    assert walls._shown(EVERY) == " OR ".join(
        [f'"p" = {SUBJECT}', at_practice, at_provider, allocated, own, ANYWHERE, "(extra)"]
    )
    # Whoever is shown a row only while something stands is not shown its past.
    assert walls._shown(EVERY, {Reach.PROVIDER, Reach.SELF}) == " OR ".join(
        [f'"p" = {SUBJECT}', at_practice, allocated, ANYWHERE, "(extra)"]
    )
    # Being the subject of an action never reveals a sealed row; without the referral, the patient is who was allocated.
    sealed = Personal(see="see_referrals", patient="p", sealed=True)
    assert walls._shown(sealed) == f'("p" = {PATIENTS}) OR {ANYWHERE}'
    assert walls._shown(Personal(see="see_waiting", practice="pr")) == "false"


def test_a_row_is_written_in_an_action_about_its_patient_or_by_whoever_may() -> None:
    assert walls._written(Personal(see="see_referrals", patient="p")) == f'"p" = {SUBJECT}'
    of_practice = Personal(see="import_referrals", practice="pr")
    shown = walls._shown(of_practice)
    assert walls._written(of_practice) == f"(SELECT pilot.in_action()) AND ({shown})"
    narrowed = Personal(see="see_referrals", patient="p", practice="pr", write="write_clinical_notes")
    by_clinicians = "(\"pr\" = ANY(ARRAY(SELECT pilot.live_organisations('write_clinical_notes'))))"
    assert walls._written(narrowed) == f'"p" = {SUBJECT} AND ({by_clinicians})'
    by_many = Personal(see="see_referrals", practice="pr", referral="r", write="change_support")
    written = walls._written(by_many)
    assert written.startswith('(SELECT pilot.in_action()) AND (("pr" = ANY(')
    assert written.endswith(" OR (SELECT pilot.everywhere('change_support')))")
    assert walls._written(Personal(see="see_referrals", patient="p", write="see_waiting")) == (
        f'"p" = {SUBJECT} AND (false)'
    )


def test_altering_asks_the_same_as_adding_without_a_sub_query() -> None:
    narrowed = Personal(see="see_referrals", patient="p", practice="pr", write="write_clinical_notes")
    for declaration in (narrowed, Personal(see="see_referrals", patient="p")):
        added, altered = walls._written(declaration), walls._written(declaration, few=True)
        assert altered == added.replace(SUBJECT, "ANY(pilot.patients())") != added
    without_patient = Personal(see="import_referrals", practice="pr")
    assert walls._written(without_patient, few=True) == walls._written(without_patient)


def test_whose_record_an_action_is_about_is_seen_before_anything_else_is_asked() -> None:
    """The dearest question a write can put: who is related to the row. What an action writes needs no answer to it."""
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    by = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    with acting(by, "tests.update", patients=[patient.pk]), connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, VERBOSE, TIMING OFF, COSTS OFF) UPDATE people_patient SET given_name = 'B' WHERE id = %s",
            [patient.pk],
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    asked = re.findall(r"\(([^()]*)\)\n\s+Output: pilot\.(live_organisations|live_patients|everywhere)", plan)
    assert {name for _, name in asked} == {"live_organisations", "live_patients", "everywhere"}
    assert {how for how, _ in asked} == {"never executed"}


def test_what_is_about_nobody_is_read_by_all_and_written_by_whoever_may() -> None:
    managed, own = (
        "(SELECT pilot.everywhere('manage_pilot'))",
        '("me" = (SELECT pilot.user_id()) AND (SELECT pilot.in_action()))',
    )
    found = walls._impersonal_policies(Impersonal("tests", write="manage_pilot", own="me"))
    assert found == {
        "SELECT": ("true", None),
        "INSERT": (None, f"{managed} OR {own}"),
        "UPDATE": (f"{managed} OR {own}", f"{managed} OR {own}"),
        "DELETE": (f"{managed} OR {own}", None),
    }
    # An owner is asked for only beside somebody who may.
    left = {"SELECT": ("true", None), "INSERT": (None, "true"), "UPDATE": ("true", "true")}
    assert walls._impersonal_policies(Impersonal("tests", own="me", deletable=False)) == left
    assert walls.own_policies("me") == {
        "SELECT": (f"{own} OR {managed}", None),
        "INSERT": (None, f"{own} OR {managed}"),
        "UPDATE": (f"{own} OR {managed}", f"{own} OR {managed}"),
        "DELETE": (f"{own} OR {managed}", None),
    }


@isolate_apps("pilot.people")
def test_the_app_may_do_to_a_table_what_its_declaration_says_and_no_more() -> None:
    def rights(declaration: Personal | Impersonal) -> tuple[str, ...]:
        meta = type("Meta", (), {"app_label": "people"})
        body = {"__module__": __name__, "privacy": declaration, "Meta": meta}
        model = type(f"Made{uuid4().hex}", (models.Model,), body)
        commands = walls.rights(model)
        assert {"SELECT", *walls.policies(model)} == {"SELECT", *commands} or isinstance(
            declaration, Impersonal
        )
        return commands

    of_patients = {"see": "see_patients", "patient": "id"}
    assert rights(Personal(**of_patients)) == ("SELECT", "INSERT", "UPDATE")
    assert rights(Personal(**of_patients, deletable=True)) == ("SELECT", "INSERT", "UPDATE", "DELETE")
    assert rights(Personal(**of_patients, append_only=True, deletable=True)) == ("SELECT", "INSERT")
    assert rights(Personal(**of_patients, keeps_history=False, deletable=True)) == ("SELECT",)
    assert rights(Impersonal("tests")) == ("SELECT", "INSERT", "UPDATE", "DELETE")
    assert rights(Impersonal("tests", deletable=False)) == ("SELECT", "INSERT", "UPDATE")
    assert rights(Impersonal("tests", reads_only=True)) == ("SELECT",)


def test_a_name_cannot_end_its_quotation_marks() -> None:
    assert walls.quoted('a"; DROP TABLE b; --') == '"a""; DROP TABLE b; --"'


def test_who_is_allocated_what_is_told_by_the_app_that_knows() -> None:
    relations, grants = list(walls._relations), list(walls._grant_models)
    told = walls.ReferralRelation("SELECT 'r1'", "SELECT 'p1'", "SELECT 'a1'")
    try:
        for _ in range(2):
            walls.register_referral_relation(told, ClinicalNote)
        assert walls._relations == [told]
        assert [*grants, ClinicalNote] == walls._grant_models
        said = walls._functions_sql()
        assert said.count("SELECT 'r1'") == said.count("SELECT 'p1'") == said.count("SELECT 'a1'") == 1
        walls._relations.clear()
        assert walls._functions_sql().count("SELECT NULL::uuid WHERE false") == 3
    finally:
        walls._relations[:], walls._grant_models[:] = relations, grants
    assert not re.search(r"\{[a-z_]+\}", walls._functions_sql())
