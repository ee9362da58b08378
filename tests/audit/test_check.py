"""`audit check`: whatever is changed behind the log's back is named, where it is and what is wrong; nothing else is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from audit.checking import SAYS, CannotCheckError, Check, Difference, first_event
from audit.erasure.actions import erase_after_retention
from audit.privacy import declared, privacy_of
from audit.triggers import kept_columns
from pilot.access import Role, acting
from pilot.outbox.models import Message
from pilot.people.models import Patient
from referrals.models import Status
from tests import factories
from tests.audit.aged import age

pytestmark = pytest.mark.usefixtures("module_database")

SECRET = "zqsecretx"


def as_owner(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What somebody who owns the tables can do, with every trigger off."""
    with connections["owner"].cursor() as cursor:
        for table in ("people_patient", "audit_event", "audit_erasure", "audit_shape"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []
        finally:
            for table in ("people_patient", "audit_event", "audit_erasure", "audit_shape"):
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


class Case:
    """A practice, and patients on demand whose first and second state are in history."""

    def __init__(self) -> None:
        self.pilot = factories.make_pilot()
        self.staff = factories.make_staff_of_every_role(self.pilot)

    def patient(self) -> Patient:
        patient = factories.make_patient(self.pilot.practice, given_name="Before")
        with acting(self.staff[Role.RECEPTIONIST], "tests.changed", patients=[patient.pk], reason="A reason"):
            Patient.objects.filter(pk=patient.pk).update(given_name="After", address=SECRET)
        return patient


@pytest.fixture(scope="module")
def case(module_database: str) -> Case:
    return Case()


def versions(patient: Patient) -> list[tuple[int, int]]:
    """(history_id, event_id) of each state, the first first."""
    return as_owner(
        "SELECT history_id, event_id FROM people_historicalpatient WHERE id = %s ORDER BY history_id",
        patient.pk,
    )


_known: set[Difference] = set()


def named_by(tampering: Callable[[], object]) -> set[Difference]:
    """What is named after it that was not named before, by any test of this module."""
    before = set(_known) or set(Check())
    tampering()
    after = set(Check())
    _known.clear()
    _known.update(after)
    return after - before


def test_an_honest_database_has_no_difference(case: Case) -> None:
    coach = case.staff[Role.COACH]
    referral = factories.make_case(case.pilot, coach, account=True)
    factories.make_session(referral, coach)
    factories.GoalFactory(referral=referral)
    message = factories.MessageFactory(patient=referral.patient)
    factories.make_note(referral.patient, case.staff[Role.CLINICIAN])
    with acting(factories.TESTS, "tests.changed", patients=[referral.patient_id]):
        Message.objects.filter(pk=message.pk).update(text="Another text")
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT set_config('pilot.user', 'system:tests', false),"
            " set_config('pilot.role', 'system', false), set_config('pilot.action', 'tests.deleted', false)"
        )
        cursor.execute("DELETE FROM outbox_message WHERE id = %s", [message.pk])
    check = Check()
    assert list(check) == []
    assert check.rows > 20
    assert check.versions > check.rows
    assert check.events > check.versions
    assert check.older == 0


ROW = {
    "UPDATE people_patient SET phone = '07700 900999' WHERE id = %(patient)s": ("differs", ("phone",)),
    "UPDATE people_patient SET given_name = given_name || ' ', version = version + 1 WHERE id = %(patient)s": (
        "differs", ("version", "given_name"),
    ),
    "DELETE FROM people_patient WHERE id = %(patient)s": ("gone", ()),
    "DELETE FROM people_historicalpatient WHERE history_id = %(first)s": ("history removed", ()),
    "UPDATE people_historicalpatient SET given_name = 'Forged' WHERE history_id = %(first)s": ("altered", ()),
    "UPDATE people_historicalpatient SET nonce = gen_random_uuid() WHERE history_id = %(first)s": ("altered", ()),
    "UPDATE people_historicalpatient SET nonce = NULL WHERE history_id = %(first)s": ("altered", ()),
    "UPDATE audit_event SET digest = NULL WHERE id = %(created)s": ("no digest", ()),
    "UPDATE audit_event SET digest = sha256('x') WHERE id = %(created)s": ("altered", ()),
    "UPDATE audit_event SET shape = 'x' WHERE id = %(created)s": ("unknown columns", ()),
    "UPDATE audit_event SET kind = 'changed' WHERE id = %(created)s": ("not the same", ("kind",)),
    "UPDATE audit_event SET actor = 'system:x' WHERE id = %(changed)s": ("not the same", ("actor",)),
    "UPDATE audit_event SET role = 'coach' WHERE id = %(changed)s": ("not the same", ("role",)),
    "UPDATE audit_event SET action = 'x' WHERE id = %(changed)s": ("not the same", ("action",)),
    "UPDATE audit_event SET reason = 'x' WHERE id = %(changed)s": ("not the same", ("reason",)),
    "UPDATE audit_event SET reason = NULL WHERE id = %(changed)s": ("not the same", ("reason",)),
    "UPDATE audit_event SET row_id = gen_random_uuid()::text WHERE id = %(changed)s": ("not the same", ("row_id",)),
    "UPDATE audit_event SET patient_id = NULL WHERE id = %(changed)s": ("not the same", ("patient_id",)),
    "UPDATE audit_event SET practice_id = NULL WHERE id = %(changed)s": ("not the same", ("practice_id",)),
    "UPDATE audit_event SET at = at - interval '1 day' WHERE id = %(changed)s": ("not the same", ("at",)),
    "UPDATE people_historicalpatient SET history_type = '~' WHERE history_id = %(first)s": (
        "not the same", ("kind",),
    ),
    "UPDATE people_historicalpatient SET history_user_id = NULL WHERE history_id = %(last)s": (
        "not the same", ("actor",),
    ),
    "UPDATE people_historicalpatient SET history_change_reason = NULL WHERE history_id = %(last)s": (
        "not the same", ("reason",),
    ),
    "UPDATE people_historicalpatient SET history_date = now() - interval '1 day' WHERE history_id = %(last)s": (
        "not the same", ("at",),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def named(case: Case) -> dict[str, tuple[Patient, list[Difference]]]:
    """What is named after each of these, all of them done to patients of their own and looked at together."""
    patients = {}
    for statement in ROW:
        patient = case.patient()
        (first, created), (last, changed) = versions(patient)
        names = {"patient": patient.pk, "first": first, "last": last, "created": created, "changed": changed}
        spelt = statement
        for name, value in names.items():
            spelt = spelt.replace(f"%({name})s", f"'{value}'")
        as_owner(spelt)
        patients[statement] = patient, {created, changed}
    found = list(Check())
    return {
        statement: (patient, [each for each in found if each.event in events])
        for statement, (patient, events) in patients.items()
    }


@pytest.mark.parametrize(("statement", "what", "columns"), [(each, *wrong) for each, wrong in ROW.items()])
def test_it_is_named_by_table_key_and_event(
    named: dict[str, tuple[Patient, list[Difference]]], statement: str, what: str, columns: tuple[str, ...]
) -> None:
    patient, [found] = named[statement]
    assert (found.table, found.what, found.columns) == ("people_patient", what, columns)
    assert found.key == str(patient.pk) or "row_id" in columns
    assert SECRET not in found.sentence


class TestMoreThanOneThingIsWrong:
    def whats(self, tampering: Callable[[], object]) -> set[tuple[str, str]]:
        return {(each.table, each.what) for each in named_by(tampering)}

    def test_a_row_added_with_the_triggers_off(self, case: Case) -> None:
        patient, key = case.patient(), uuid4()
        columns = ", ".join(
            f'"{c}"' for c in kept_columns(Patient) if c not in ("id", "nhs_number", "nhs_number_unknown")
        )
        [found] = named_by(
            lambda: as_owner(
                f"INSERT INTO people_patient (id, nhs_number_unknown, {columns}) SELECT %s, true, {columns}"
                " FROM people_patient WHERE id = %s",
                key,
                patient.pk,
            )
        )
        assert (found.what, found.key, found.event) == ("no history", str(key), None)

    def test_a_row_put_back(self, case: Case) -> None:
        patient = case.patient()
        as_owner("CREATE TABLE kept AS SELECT * FROM people_patient WHERE id = %s", patient.pk)
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT set_config('pilot.user', 'system:tests', false),"
                " set_config('pilot.role', 'system', false), set_config('pilot.action', 'tests.x', false)"
            )
            cursor.execute("DELETE FROM people_patient WHERE id = %s", [patient.pk])
        found = self.whats(lambda: as_owner("INSERT INTO people_patient SELECT * FROM kept"))
        as_owner("DROP TABLE kept")
        assert found == {("people_patient", "still there")}

    def test_an_event_removed(self, case: Case) -> None:
        created = versions(case.patient())[0][1]
        assert self.whats(lambda: as_owner("DELETE FROM audit_event WHERE id = %s", created)) == {
            ("people_patient", "no event")
        }

    def test_the_newest_line_of_history_removed(self, case: Case) -> None:
        last = versions(case.patient())[1][0]
        assert self.whats(
            lambda: as_owner("DELETE FROM people_historicalpatient WHERE history_id = %s", last)
        ) == {("people_patient", "history removed"), ("people_patient", "differs")}

    def test_all_of_a_row_s_history_removed_and_the_row_with_it(self, case: Case) -> None:
        patient = case.patient()

        def vanish() -> None:
            as_owner("DELETE FROM people_patient WHERE id = %s", patient.pk)
            as_owner("DELETE FROM people_historicalpatient WHERE id = %s", patient.pk)

        assert self.whats(vanish) == {("people_patient", "history removed")}

    def test_row_and_history_forged_alike(self, case: Case) -> None:
        patient = case.patient()

        def forge() -> None:
            as_owner("UPDATE people_patient SET phone = '1' WHERE id = %s", patient.pk)
            as_owner("UPDATE people_historicalpatient SET phone = '1' WHERE id = %s", patient.pk)

        assert self.whats(forge) == {("people_patient", "altered")}

    def test_two_states_swapped(self, case: Case) -> None:
        (first, _), (last, _) = versions(case.patient())

        def swap() -> None:
            for to, of in ((-1, first), (first, last), (last, -1)):
                as_owner("UPDATE people_historicalpatient SET history_id = %s WHERE history_id = %s", to, of)

        assert self.whats(swap) == {("people_patient", "order")}

    def test_a_state_of_another_row(self, case: Case) -> None:
        mine, others = versions(case.patient())[0][0], case.patient().pk
        found = self.whats(
            lambda: as_owner(
                "UPDATE people_historicalpatient SET id = %s WHERE history_id = %s", others, mine
            )
        )
        assert ("people_patient", "not the same") in found

    def test_a_line_of_history_doubled(self, case: Case) -> None:
        patient = case.patient()
        columns = ", ".join(
            f'"{each.column}"'
            for each in Patient.history.model._meta.local_concrete_fields
            if each.column != "history_id"
        )
        assert self.whats(
            lambda: as_owner(
                f"INSERT INTO people_historicalpatient ({columns}) SELECT {columns} FROM people_historicalpatient"
                " WHERE history_id = %s",
                versions(patient)[1][0],
            )
        ) == {("people_patient", "twice")}

    def test_a_line_of_history_invented(self, case: Case) -> None:
        patient = case.patient()
        columns = ", ".join(
            f'"{each.column}"'
            for each in Patient.history.model._meta.local_concrete_fields
            if each.column not in ("history_id", "event_id")
        )
        found = self.whats(
            lambda: as_owner(
                f"INSERT INTO people_historicalpatient ({columns}) SELECT {columns} FROM people_historicalpatient"
                " WHERE history_id = %s",
                versions(patient)[1][0],
            )
        )
        assert ("people_patient", "no event") in found

    def test_an_event_moved_to_a_table_that_keeps_no_history(self, case: Case) -> None:
        changed = versions(case.patient())[1][1]
        assert self.whats(
            lambda: as_owner("UPDATE audit_event SET relation = 'nowhere' WHERE id = %s", changed)
        ) == {("audit_event", "unknown table"), ("people_patient", "no event")}

    def test_shapes_that_somebody_wrote_to_mislead_the_check(self, case: Case) -> None:
        """What that table says is part of what the check asks the database: it cannot change the question."""
        event = versions(case.patient())[0][1]
        injected = "' OR true OR '"
        quoted = "x') THEN NULL WHEN (true OR e.relation IN ('"
        name = hashlib.sha256(f"{quoted}\0id".encode()).hexdigest()[:16]

        def spoil() -> None:
            as_owner("INSERT INTO audit_shape VALUES (%s, %s, '{id}')", name, quoted)
            as_owner("INSERT INTO audit_shape VALUES ('without', 'people_patient', '{NULL}')")
            as_owner("INSERT INTO audit_shape VALUES ('in rows', 'people_patient', '{{id,id},{id,id}}')")
            as_owner("INSERT INTO audit_shape VALUES (%s, 'people_patient', '{id}')", injected)
            as_owner("UPDATE audit_event SET relation = 'made_up' WHERE id = %s", event)

        try:
            found = {(each.key, each.what) for each in named_by(spoil) if each.table != "people_patient"}
        finally:
            as_owner("DELETE FROM audit_shape WHERE id = ANY(%s)", [name, injected, "without", "in rows"])
            as_owner("UPDATE audit_event SET relation = 'people_patient' WHERE id = %s", event)
            _known.clear()
        assert {
            ("without", "another shape"),
            ("in rows", "another shape"),
            (injected, "another shape"),
        } < found
        assert "unknown table" in {what for _, what in found}

    def test_what_the_columns_were(self, case: Case) -> None:
        case.patient()
        [name] = as_owner("SELECT id FROM audit_shape WHERE relation = 'people_patient' LIMIT 1")[0]
        found = self.whats(
            lambda: as_owner("UPDATE audit_shape SET columns = array_reverse(columns) WHERE id = %s", name)
        )
        assert ("audit_shape", "another shape") in found
        as_owner("UPDATE audit_shape SET columns = array_reverse(columns) WHERE id = %s", name)


class TestTombstones:
    FORGE = (
        "INSERT INTO audit_erasure (event_id, patient_id, at, transaction, ground, retained_until, rows)"
        " SELECT max(id) + 1000000, %s, now(), 1, 'retention', '2001-01-01', '{}' FROM audit_event"
    )

    def erased(self, case: Case) -> Patient:
        patient = factories.make_patient(case.pilot.practice)
        factories.make_referral(patient, status=Status.ENDED)
        age(patient, 9)
        erase_after_retention(patient, by=case.staff[Role.CALDICOTT_GUARDIAN])
        return patient

    def whats(self, tampering: Callable[[], object]) -> set[tuple[str, str]]:
        return {(each.table, each.what) for each in named_by(tampering)}

    def test_a_forged_one_excuses_nothing(self, case: Case) -> None:
        patient = case.patient()

        def forge() -> None:
            as_owner("DELETE FROM people_patient WHERE id = %s", patient.pk)
            as_owner("DELETE FROM people_historicalpatient WHERE id = %s", patient.pk)
            as_owner(self.FORGE, patient.pk)

        assert ("audit_erasure", "stone alone") in self.whats(forge)

    def test_one_that_is_forged_with_its_event_came_too_early(self, case: Case) -> None:
        """The log still says when somebody last wrote in the record."""
        patient = case.patient()

        def forge() -> None:
            as_owner(self.FORGE, patient.pk)
            as_owner(
                "INSERT INTO audit_event (id, at, transaction, kind, actor, role, action, relation, row_id, patient_id,"
                " columns, digest) SELECT t.event_id, t.at, 1, 'erased', 'x', 'caldicott_guardian', 'record.erased',"
                " 'people_patient', t.patient_id::text, t.patient_id, '{}', sha256(record_send(ROW(t.patient_id,"
                " t.account_id, t.at, t.transaction, t.ground::text, t.retained_until, t.rows)))"
                " FROM audit_erasure t WHERE t.patient_id = %s",
                patient.pk,
            )

        assert ("audit_erasure", "too early") in self.whats(forge)

    @pytest.mark.parametrize(
        ("statement", "what"),
        [
            ("UPDATE audit_erasure SET rows = '{}' WHERE patient_id = %s", "other stone"),
            ("UPDATE audit_erasure SET account_id = gen_random_uuid() WHERE patient_id = %s", "other stone"),
            ("DELETE FROM audit_erasure WHERE patient_id = %s", "no tombstone"),
        ],
    )
    def test_one_altered_or_removed(self, case: Case, statement: str, what: str) -> None:
        patient = self.erased(case)
        assert ("audit_erasure", what) in self.whats(lambda: as_owner(statement, patient.pk))

    def test_something_of_an_erased_record(self, case: Case) -> None:
        patient, other = self.erased(case), case.patient()
        found = self.whats(
            lambda: as_owner(
                "UPDATE people_historicalpatient SET id = %s WHERE id = %s", patient.pk, other.pk
            )
        )
        assert ("people_patient", "erased") in found


class TestOlderForms:
    def test_an_event_that_does_not_say_its_columns_is_tried_with_todays(self, case: Case) -> None:
        created = versions(case.patient())[0][1]
        before = Check()
        known = set(before)
        as_owner("UPDATE audit_event SET shape = NULL WHERE id = %s", created)
        after = Check()
        assert set(after) == known
        assert after.older == before.older

    def test_where_they_do_not_fit_it_is_counted_and_is_no_difference(self, case: Case) -> None:
        created = versions(case.patient())[0][1]
        before = Check()
        known = set(before)
        as_owner("UPDATE audit_event SET shape = NULL, digest = sha256('x') WHERE id = %s", created)
        after = Check()
        assert set(after) == known
        assert after.older == before.older + 1

    def test_events_of_other_columns_are_held_against_those(self, case: Case) -> None:
        """A column came or went since: the digest is made of the columns that there were."""
        patient = case.patient()
        (first, created), _ = versions(patient)
        columns = kept_columns(Patient)[:-3]
        name = hashlib.sha256("\0".join(["people_patient", *columns]).encode()).hexdigest()[:16]
        as_owner(
            "INSERT INTO audit_shape (id, relation, columns) VALUES (%s, 'people_patient', %s)", name, columns
        )
        row = ", ".join(f'h."{c}"' for c in columns)
        forge = (
            f"UPDATE audit_event SET shape = '{name}', digest = (SELECT sha256(uuid_send(h.nonce) ||"
            f" record_send(ROW({row}))) FROM people_historicalpatient h WHERE history_id = %s) WHERE id = %s"
        )
        assert named_by(lambda: as_owner(forge, first, created)) == set()
        spoil = "UPDATE people_historicalpatient SET given_name = 'Forged' WHERE history_id = %s"
        assert {each.what for each in named_by(lambda: as_owner(spoil, first))} == {"altered"}


class TestCommand:
    def run(self, *arguments: str) -> tuple[int, str]:
        out = StringIO()
        try:
            call_command("audit", "check", *arguments, stdout=out)
        except SystemExit as end:
            return int(str(end.code)), out.getvalue()
        return 0, out.getvalue()

    def test_it_ends_with_one_and_says_what_to_do(self, case: Case) -> None:
        patient = case.patient()
        as_owner("UPDATE people_patient SET address = %s WHERE id = %s", SECRET + "2", patient.pk)
        code, text = self.run()
        assert code == 1
        assert f"people_patient {patient.pk}, event {versions(patient)[1][1]}: The row is not what" in text
        assert "address changed while the triggers were off" in text
        assert "tell the Caldicott Guardian" in text
        assert SECRET not in text

    def test_as_data(self, case: Case) -> None:
        code, text = self.run("--json")
        found = json.loads(text)
        assert code == 1
        assert len(found["differences"]) == found["found"] > 0
        assert {each["what"] for each in found["differences"]} <= set(SAYS)

    def test_since_leaves_out_what_was_before_and_still_looks_at_every_row(self, case: Case) -> None:
        early, late = case.patient(), case.patient()
        begin = versions(late)[0][1]

        def spoil() -> None:
            as_owner("UPDATE people_patient SET phone = '1' WHERE id = %s", early.pk)
            for patient in (early, late):
                as_owner(
                    "UPDATE people_historicalpatient SET given_name = 'x' WHERE history_id = %s",
                    versions(patient)[0][0],
                )

        before = set(Check(begin))
        spoil()
        found = {(each.key, each.what) for each in set(Check(begin)) - before}
        assert found == {(str(early.pk), "differs"), (str(late.pk), "altered")}

    def test_since_a_day(self) -> None:
        today = timezone.localdate().isoformat()
        assert (
            first_event(today)
            == as_owner("SELECT min(id) FROM audit_event WHERE at >= %s::date", today)[0][0]
        )
        assert first_event("12") == 12

    def test_since_a_day_as_it_is_where_the_pilot_is(self) -> None:
        """In summer it begins an hour before the one of the database."""
        [(oldest,)] = as_owner("SELECT min(id) FROM audit_event")
        [(was,)] = as_owner("SELECT at FROM audit_event WHERE id = %s", oldest)
        as_owner("UPDATE audit_event SET at = '2019-06-30 23:30+00' WHERE id = %s", oldest)
        try:
            assert first_event("2019-07-01") == oldest
            assert first_event("2019-07-02") > oldest
        finally:
            as_owner("UPDATE audit_event SET at = %s WHERE id = %s", was, oldest)

    @pytest.mark.parametrize(
        "nonsense",
        [
            "yesterday",
            "2026-02-30",
            "2026-11-2",
            "02/11/2026",
            "-5",
            "1.5",
            "1e3",
            "NaN",
            "٣",
            " ",
            "0x10",
            "12; DROP",
        ],
    )
    @pytest.mark.parametrize("arguments", [(), ("--json",)])
    def test_nonsense_is_refused(self, nonsense: str, arguments: tuple[str, ...]) -> None:
        with pytest.raises(CannotCheckError, match="neither a day"):
            first_event(nonsense)
        code, text = self.run(f"--since={nonsense}", *arguments)
        assert code == 2
        assert "neither a day" in (json.loads(text)["error"] if arguments else text)

    @pytest.mark.parametrize("beyond", ["20991102", "9" * 18, "9" * 19, "9" * 5000, "9999-12-31"])
    def test_what_has_not_come_yet_is_refused(self, beyond: str) -> None:
        """It would find nothing, and look as if all were well."""
        code, text = self.run("--since", beyond, "--json")
        assert code == 2
        assert re.search("is beyond it|is yet to come", json.loads(text)["error"])

    def test_what_it_prints_for_programs_is_one_object_whatever_happens(
        self, case: Case, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("audit.checking.ALIAS", "nobody")
            code, text = self.run("--json")
        assert (code, list(json.loads(text))) == (2, ["error"])
        # Something is found first, and then a table that may not be read.
        as_owner("UPDATE people_patient SET address = 'x' WHERE id = %s", case.patient().pk)
        as_owner("REVOKE SELECT ON referrals_referral FROM pilot_auditor")
        try:
            code, text = self.run("--json")
            _, told = self.run()
        finally:
            as_owner("GRANT SELECT ON referrals_referral TO pilot_auditor")
        found = json.loads(text)
        assert code == 1
        assert len(found["differences"]) == found["found"] > 0
        assert "permission denied" in found["error"]
        assert "The rest could not be checked. permission denied" in told

    def test_without_a_difference_it_is_one_object_too(self, own_database: str) -> None:
        code, text = self.run("--json")
        assert (code, json.loads(text)["differences"]) == (0, [])

    def test_without_the_role_that_reads_everything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("audit.checking.ALIAS", "nobody")
        code, text = self.run()
        assert code == 2
        assert "AUDITOR_DATABASE_URL" in text


def test_history_has_the_types_of_the_rows_so_that_digests_can_be_made_again() -> None:
    for model in declared():
        if not privacy_of(model).is_audited:
            continue
        types = [
            dict(
                as_owner(
                    "SELECT attname::text, atttypid::regtype::text FROM pg_attribute WHERE attrelid = %s::regclass"
                    " AND attnum > 0",
                    f'public."{table}"',
                )
            )
            for table in (model._meta.db_table, model.history.model._meta.db_table)
        ]
        for column in kept_columns(model):
            assert types[0][column] == types[1][column], (model, column)
