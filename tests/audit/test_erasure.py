"""Erasure: after its time a record's content is nowhere, what stands still adds up, and nobody can have it sooner."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit import merkle
from audit.actions import record_disclosure, record_look
from audit.checking import Check
from audit.erasure import selectors
from audit.erasure.actions import erase_after_retention
from audit.models import Answer, Erasure, Event
from audit.questions.models import Question
from audit.sealing.bound import check_bound
from audit.sealing.check_proof import check
from audit.sealing.findings import Report
from audit.sealing.leaves import SELECT, hashed, key_of
from audit.sealing.proofs import prove
from audit.sealing.snapshot import opened
from audit.sealing.verification import verify
from pilot.access import Actor, NotVisible, Role, acting
from pilot.people.models import Patient
from referrals.importing.actions import discard, stage
from referrals.importing.reading import Candidate, Reading
from referrals.models import Status
from tests import factories
from tests.access.world import World, make_world
from tests.audit.aged import age, end_support
from tests.audit.tampering import seal_all
from tests.forms import hidden_in

pytestmark = pytest.mark.usefixtures("module_database")


class Office:
    """A practice with its staff, and old patients on demand."""

    def __init__(self) -> None:
        self.pilot = factories.make_pilot()
        self.staff = factories.make_staff_of_every_role(self.pilot)
        self.guardian = self.staff[Role.CALDICOTT_GUARDIAN]

    def patient(self, years: float = 9, *, account: bool = False) -> Patient:
        """Somebody whose support ended so many years ago."""
        patient = factories.make_patient(self.pilot.practice, account=account)
        factories.give_consent(patient)
        factories.make_referral(patient, status=Status.ENDED)
        age(patient, years)
        return patient

    def day(self, patient: Patient) -> selectors.KeptUntil:
        with acting(self.guardian, "tests.asked"):
            return selectors.kept_until(patient.pk)


@pytest.fixture(scope="module")
def office(module_database: str) -> Office:
    return Office()


def rows(query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def everything() -> str:
    """All that stands in any column of any table, as text; sessions opened."""
    tables = rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    texts = [row for (table,) in tables for (row,) in rows(f'SELECT t::text FROM public."{table}" t')]
    texts += [str(session.get_decoded()) for session in Session.objects.all()]
    return "\n".join(texts)


def leaves() -> dict[int, bytes]:
    """What is sealed of every event."""
    query = f"SELECT {SELECT} FROM public.audit_event e ORDER BY e.epoch, e.transaction, e.id"
    with opened() as moment:
        found = [bytes(each) for each in moment.copied(query)]
    keys = [key_of(key)[2] for key in hashed(map(memoryview, found))[1]]
    return dict(zip(keys, found, strict=True))


@pytest.fixture(scope="module")
def world(module_database: str) -> World:
    return make_world(small=True)


def assert_proofs_hold(before: dict[int, bytes]) -> None:
    """Each event of an erased patient is proved to be in the tree that stood before."""
    hashes = [merkle.leaf_hash(data) for data in before.values()]
    root, now = merkle.root(hashes), leaves()
    erased = rows(
        "SELECT e.id FROM audit_event e JOIN audit_erasure t ON t.patient_id = e.patient_id AND e.id < t.event_id"
    )
    assert len(erased) > 20
    for index, number in enumerate(before):
        if (number,) in erased:
            proof = merkle.inclusion_proof(hashes, index)
            assert merkle.verify_inclusion(index, len(hashes), merkle.leaf_hash(now[number]), proof, root)


def bound() -> list[str]:
    """What `audit verify` says of reasons, subjects and the ledger."""
    report = Report()
    with opened() as snapshot:
        check_bound(snapshot, report)
    return [each.says for each in report.findings]


class TestWhatIsGone:
    def test_nothing_of_the_patients_is_left_anywhere_and_all_of_everybody_elses(self, world: World) -> None:
        gone = world.patients["mine"]
        client = world.client("patient mine")
        assert client.get("/", follow=True).status_code == 200
        with acting(factories.TESTS, "tests.given", reason="zqsecondx, and so on"):
            record_look([gone.pk, world.patients["elsewhere"].pk], ["identity"])
        end_support(gone)
        age(gone, 9)
        telling = re.compile(r"zq\w+x|999\d{7}|07700900\d{3}|(19|20|21)\d\d-\d\d-\d\d")
        canaries = {key: each for key, each in world.aviary.canaries.items() if telling.fullmatch(key)}
        before = everything()
        there = {key for key in canaries if key in before}
        his = {key for key in there if canaries[key].patient == gone.pk}
        fields = {canaries[key].where for key in his}
        assert len(his) > 40
        assert {"audit.Event.reason", "audit.Disclosure.recipient", "people.User.email"} <= fields
        events = leaves()

        erase_after_retention(gone, by=world.people["Caldicott Guardian"].actor)  # type: ignore[arg-type]

        after = everything()
        assert not {canaries[key].where for key in his if key in after}
        assert "zqsecondx" not in after
        assert str(gone.account_id) not in {str(key) for (key,) in rows("SELECT id FROM people_user")}
        assert {key for key in there - his if key not in after} == set()
        # The log stands as it stood, and proofs made before it still hold of what stands now.
        assert {number: data for number, data in leaves().items() if number in events} == events
        assert_proofs_hold(events)
        assert list(Check()) == []
        assert bound() == []

    def test_the_sealed_log_verifies_as_a_whole_and_proofs_are_made_as_before(
        self, office: Office, log_place: Path
    ) -> None:
        patient = office.patient(account=True)
        with acting(office.guardian, "tests.looked", reason="A complaint"):
            look = record_look([patient.pk], ["identity"])
        seal_all()
        assert verify().is_well
        before = prove(look)
        erase_after_retention(patient, by=office.guardian)
        seal_all()
        report = verify()
        assert report.is_well, report.in_words()
        after = prove(look)
        assert (after["leaf"], after["event"]) == (before["leaf"], before["event"])
        for proof in (before, after):
            assert check(json.dumps(proof).encode()).event["patient_id"] == str(patient.pk)
        assert rows("SELECT reason, reason_nonce FROM audit_event WHERE id = %s", look) == [(None, None)]

    def test_a_tombstone_stands_and_says_how_much_went(self, office: Office) -> None:
        patient = office.patient(account=True)
        number = erase_after_retention(patient, by=office.guardian)
        stone = Erasure.objects.using("auditor").get(patient_id=patient.pk)
        event = Event.objects.using("auditor").get(pk=number)
        assert (stone.event_id, stone.account_id) == (number, patient.account_id)
        assert stone.rows["people_patient"] == 1
        assert stone.rows["consent_decision"] == 2
        assert stone.rows["people_historicaluser"] == 1
        assert (event.kind, event.actor, event.action) == ("erased", office.guardian.label, "record.erased")
        assert event.patient_id == patient.pk
        assert list(Check()) == []

    def test_what_is_missing_of_somebody_else_is_still_named(self, office: Office) -> None:
        patient, other = office.patient(), office.patient()
        erase_after_retention(patient, by=office.guardian)
        rows("DELETE FROM people_historicalpatient WHERE id = %s", other.pk)
        named = {each.key for each in Check()}
        assert named == {str(other.pk)}
        _restore_by_erasing(office, other)

    def test_what_a_guardian_was_told_about_a_look_at_the_record_goes_with_it(self, office: Office) -> None:
        patient, other = office.patient(), office.patient()
        day = timezone.localdate()
        with acting(office.guardian, "tests.answered"):
            for whose in (patient.pk, other.pk, None):
                Answer.objects.create(
                    question=Question.RELATION, actor=office.staff[Role.RECEPTIONIST].label, day=day,
                    organisation_id=office.pilot.practice.pk, about_patient=whose, text=f"zqtold{whose}x",
                    answered_by=UUID(office.guardian.label),
                )  # fmt: skip
        with acting(office.guardian, "tests.asked"):
            assert selectors.fate(office.guardian, patient.pk).goes
        erase_after_retention(patient, by=office.guardian)
        left = everything()
        assert f"zqtold{patient.pk}x" not in left
        assert left.count(f"zqtold{other.pk}x") == left.count("zqtoldNonex") == 2
        assert Erasure.objects.using("auditor").get(patient_id=patient.pk).rows["audit_answer"] == 1
        assert list(Check()) == []
        assert bound() == []
        # What is missing of another's is still named, also where its row is gone as well.
        rows("DELETE FROM audit_historicalanswer WHERE about_patient = %s", other.pk)
        assert {(each.table, each.what) for each in Check()} == {
            ("audit_answer", "no history"),
            ("audit_answer", "history removed"),
        }
        _restore_by_erasing(office, other)

    def test_the_account_of_somebody_who_also_works_here_stays(self, office: Office) -> None:
        patient = office.patient(account=True)
        user = patient.account
        assert user is not None
        factories.make_staff(Role.RECEPTIONIST, office.pilot.practice, user=user)
        erase_after_retention(patient, by=office.guardian)
        assert rows("SELECT count(*) FROM people_user WHERE id = %s", user.pk) == [(1,)]
        assert Erasure.objects.using("auditor").get(patient_id=patient.pk).account_id is None
        assert list(Check()) == []

    def test_words_given_as_a_reason_for_erasing_are_not_kept(self, office: Office) -> None:
        patient = office.patient()
        with acting(office.guardian, "tests.erased", patients=[patient.pk], reason="because of zqreasonx"):
            erase_after_retention(patient, by=office.guardian)
        assert "zqreasonx" not in everything()


def _restore_by_erasing(office: Office, patient: Patient) -> None:
    """What a test has spoilt goes with its record, so that the next begins without a difference."""
    erase_after_retention(patient, by=office.guardian)
    assert list(Check()) == []


class TestNotBeforeItsTime:
    def test_eight_years_after_support_ended(self, office: Office) -> None:
        patient = office.patient(7.99)
        with pytest.raises(ValidationError, match="has to be kept"):
            erase_after_retention(patient, by=office.guardian)
        age(patient, 0.02)
        erase_after_retention(patient, by=office.guardian)

    def test_not_while_support_goes_on(self, office: Office) -> None:
        patient = office.patient()
        factories.make_referral(patient)
        age(patient, 20)
        assert office.day(patient).day is None
        with pytest.raises(ValidationError, match="support goes on"):
            erase_after_retention(patient, by=office.guardian)

    def test_the_clock_begins_again_when_somebody_writes_in_the_record(self, office: Office) -> None:
        patient = office.patient()
        assert office.day(patient).is_over
        desk = office.staff[Role.RECEPTIONIST]
        with acting(desk, "tests.corrected", patients=[patient.pk]):
            Patient.objects.filter(pk=patient.pk).update(phone="020 7946 0001")
        day = office.day(patient).day
        assert day is not None
        assert rows("SELECT %s::date = (pilot.today() + interval '8 years')::date", day) == [(True,)]

    def test_what_the_clock_does_by_itself_does_not_begin_it_again(self, office: Office) -> None:
        patient = office.patient()
        day = office.day(patient)
        with acting(factories.TESTS, "tests.lapsed", patients=[patient.pk]):
            Patient.objects.filter(pk=patient.pk).update(phone="020 7946 0001")
        assert office.day(patient) == day

    def test_a_look_does_not_begin_it_again(self, office: Office) -> None:
        patient = office.patient()
        day = office.day(patient)
        with acting(office.staff[Role.RECEPTIONIST], "tests.looked"):
            record_look([patient.pk], ["identity"])
        assert office.day(patient) == day

    def test_not_while_a_list_names_them(self, office: Office) -> None:
        patient = office.patient()
        details = factories.PatientDetailsFactory(nhs_number=patient.nhs_number)
        reading = Reading(candidates=[Candidate(2, details, ["find_work"], "", [])])
        batch = stage(office.pilot.practice, "list.csv", reading, by=office.staff[Role.RECEPTIONIST])
        assert office.day(patient).day is None
        discard(batch, by=office.staff[Role.RECEPTIONIST])
        assert office.day(patient).is_over

    def test_once(self, office: Office) -> None:
        patient = office.patient()
        erase_after_retention(patient, by=office.guardian)
        with pytest.raises(NotVisible):
            erase_after_retention(patient, by=office.guardian)

    @pytest.mark.parametrize("role", [role for role in Role if role is not Role.CALDICOTT_GUARDIAN])
    def test_nobody_but_the_guardian_may(self, office: Office, role: Role) -> None:
        patient = office.patient()
        actor = _in_role(office, role, patient)
        with pytest.raises((PermissionDenied, NotVisible)):
            erase_after_retention(patient, by=actor)
        # And not by asking the database itself.
        with (
            pytest.raises(DatabaseError, match="not for this role"),
            acting(actor, "record.erased", patients=[patient.pk]),
        ):
            _erase_in_sql(patient)


def _in_role(office: Office, role: Role, patient: Patient) -> Actor:
    if role is Role.SYSTEM:
        return Actor.system("tests")
    return factories.patient_actor(patient) if role is Role.PATIENT else office.staff[role]


def _erase_in_sql(patient: Patient) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pilot.erase(%s, 'retention')", [patient.pk])


class TestWhoeverTalksToTheDatabase:
    """What the application role could try, were it to send any SQL it likes in the guardian's name."""

    def test_is_refused_before_the_time_is_over(self, office: Office) -> None:
        patient = office.patient(7)
        with (
            pytest.raises(DatabaseError, match="is kept until"),
            acting(office.guardian, "record.erased", patients=[patient.pk]),
        ):
            _erase_in_sql(patient)

    def test_is_refused_somebody_who_is_not_the_subject(self, office: Office) -> None:
        patient, other = office.patient(), office.patient()
        for subjects in ([], [other.pk], [patient.pk, other.pk]):
            with (
                pytest.raises(DatabaseError, match="not the one subject"),
                acting(office.guardian, "record.erased", patients=subjects),
            ):
                _erase_in_sql(patient)

    def test_cannot_make_a_record_older(self, office: Office) -> None:
        patient = office.patient(7)
        with acting(office.guardian, "record.erased", patients=[patient.pk]):
            Patient.objects.filter(pk=patient.pk).update(created_at="2001-01-01T00:00Z")
        day = office.day(patient)
        assert not day.is_over
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            acting(office.guardian, "record.erased", patients=[patient.pk]),
            connection.cursor() as cursor,
        ):
            cursor.execute("UPDATE audit_event SET at = '2001-01-01'")

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO audit_erasure (event_id, patient_id, at, transaction, ground, retained_until, rows) VALUES"
            " (1, %s, transaction_timestamp(), pg_current_xact_id()::text::bigint, 'retention', '2001-01-01', '{}')",
            "UPDATE audit_erasure SET patient_id = %s",
            "DELETE FROM audit_erasure WHERE patient_id <> %s",
            "DELETE FROM consent_decision WHERE patient_id = %s",
            "DELETE FROM people_patient WHERE id = %s",
            "UPDATE audit_event SET reason = NULL, reason_nonce = NULL WHERE patient_id = %s",
            "DELETE FROM audit_disclosure WHERE patient_id = %s",
            "DELETE FROM people_historicalpatient WHERE id = %s",
        ],
    )
    def test_cannot_put_up_a_tombstone_or_take_rows_away(self, office: Office, statement: str) -> None:
        patient = office.patient()
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            acting(office.guardian, "record.erased", patients=[patient.pk]),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, [patient.pk])

    def test_cannot_use_one_erasure_for_another(self, office: Office) -> None:
        """Not even the owner of the tables can, while the triggers stand: nor an hour later, for the same patient."""
        patient, other = office.patient(), office.patient()
        with transaction.atomic("owner"), connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT set_config('pilot.user', %s, true), set_config('pilot.role', 'caldicott_guardian', true),"
                " set_config('pilot.action', 'record.erased', true), set_config('pilot.patients', %s, true)",
                [office.guardian.label, str(patient.pk)],
            )
            cursor.execute("SELECT pilot.erase(%s, 'retention')", [patient.pk])
            for statement in (
                "DELETE FROM consent_decision WHERE patient_id = %s",
                "UPDATE consent_decision SET witness = '' WHERE patient_id = %s",
                "DELETE FROM audit_event WHERE patient_id = %s",
                "UPDATE audit_event SET reason = 'another' WHERE patient_id = %s",
            ):
                with pytest.raises(DatabaseError, match="only ever grows"), transaction.atomic("owner"):
                    cursor.execute(statement, [other.pk])
            with pytest.raises(DatabaseError, match="only ever grows"), transaction.atomic("owner"):
                cursor.execute("UPDATE audit_event SET actor = 'x' WHERE patient_id = %s", [patient.pk])
        later = office.patient()
        erase_after_retention(later, by=office.guardian)
        with acting(office.guardian, "tests.sent", patients=[later.pk]):
            record_disclosure(
                later.pk, recipient_kind="other", recipient="A court", purpose="order", classes=["case"]
            )
        with pytest.raises(DatabaseError, match="only ever grows"):
            rows("DELETE FROM audit_disclosure WHERE patient_id = %s", later.pk)
        with pytest.raises(DatabaseError, match="only ever grows"):
            rows("DELETE FROM audit_erasure WHERE patient_id = %s", later.pk)
        with pytest.raises(DatabaseError, match="only ever grows"):
            rows("UPDATE audit_event SET reason = 'another' WHERE patient_id = %s", later.pk)
        assert rows("SELECT count(*) FROM consent_decision WHERE patient_id = %s", other.pk) == [(2,)]

    def test_learns_nothing_about_time_in_another_role(self, office: Office) -> None:
        patient = office.patient()
        with acting(office.staff[Role.COACH], "tests.asked"), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pilot.retained_until(%s), pilot.what_would_go(%s)::text, (SELECT count(*) FROM pilot.records_due())",
                [patient.pk, patient.pk],
            )
            assert cursor.fetchone() == (None, "{}", 0)


def test_nothing_can_be_added_to_a_record_that_is_gone(office: Office) -> None:
    patient = office.patient()
    erase_after_retention(patient, by=office.guardian)
    with pytest.raises(DatabaseError, match="violates foreign key"):
        factories.DecisionFactory(patient=patient)


class TestPages:
    @pytest.fixture
    def guardian(self, office: Office, client: Client) -> Client:
        return factories.sign_in(client, office.guardian)

    def page_of(self, key: UUID) -> str:
        return reverse("audit:retention-record", args=[key])

    def test_from_the_list_to_the_receipt(self, office: Office, guardian: Client) -> None:
        patient = office.patient(account=True)
        with acting(office.guardian, "tests.sent", patients=[patient.pk]):
            record_disclosure(
                patient.pk,
                recipient_kind="employer",
                recipient="A baker",
                purpose="contact_employers",
                classes=["identity"],
            )
        age(patient, 0.1)
        address = self.page_of(patient.pk)
        listed = guardian.get(reverse("audit:retention")).content.decode()
        assert address in listed
        assert patient.family_name not in listed

        page = guardian.get(address)
        text = page.content.decode()
        for line in (
            "Patient",
            "Decision",
            "Lines of the ledger",
            "Who could open it",
            "What stays",
            "cannot be undone",
        ):
            assert line in text
        assert patient.family_name not in text
        assert patient.given_name not in text

        fields = hidden_in(page)
        assert guardian.post(address, fields).status_code == 422
        assert rows("SELECT count(*) FROM people_patient WHERE id = %s", patient.pk) == [(1,)]
        done = guardian.post(address, {**hidden_in(guardian.get(address)), "reviewed": "on"}, follow=True)
        receipt = done.content.decode()
        assert "Record erased" in receipt
        assert "Erase this record" not in receipt
        assert rows("SELECT count(*) FROM people_patient WHERE id = %s", patient.pk) == [(0,)]
        number = Erasure.objects.using("auditor").get(patient_id=patient.pk).event_id
        assert str(number) in receipt
        assert address in guardian.get(reverse("audit:retention")).content.decode()
        # The log's own pages still open on what is left.
        for way in (reverse("audit:event", args=[number]), f"{reverse('audit:log')}?patient={patient.pk}"):
            assert guardian.get(way).status_code == 200

    def test_a_record_that_has_to_be_kept_offers_no_button(self, office: Office, guardian: Client) -> None:
        patient = office.patient(3)
        address = self.page_of(patient.pk)
        text = guardian.get(address).content.decode()
        assert "This record has to be kept: until" in text
        assert "Erase this record" not in text
        assert address not in guardian.get(reverse("audit:retention")).content.decode()

    def test_sent_all_the_same_it_says_why_not(self, office: Office, guardian: Client) -> None:
        patient = office.patient()
        address = self.page_of(patient.pk)
        fields = hidden_in(guardian.get(address))
        factories.make_referral(patient)
        answer = guardian.post(address, {**fields, "reviewed": "on"})
        assert answer.status_code == 422
        assert "support goes on" in answer.content.decode()

    def test_a_key_that_the_log_does_not_know_is_not_found(self, guardian: Client) -> None:
        assert guardian.get(self.page_of(UUID(int=1))).status_code == 404
