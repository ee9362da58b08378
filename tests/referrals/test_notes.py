"""Clinical notes: for the practice's clinicians and the patient. Nobody else learns that one exists."""

import ast
import datetime as dt
import re

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, IntegrityError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from consent.policies import months_after
from pilot.access import Actor, NotVisible, Role, acting
from pilot.people.models import Patient
from referrals.models import ClinicalNote, Status, Withholding
from referrals.notes.actions import disclose_note, go_on_withholding, withhold_note, write_note
from referrals.notes.policies import Grounds
from referrals.notes.selectors import decisions_on, notes_of
from tests import factories
from tests.architecture.test_source import ROOT, sources
from tests.forms import send

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

SECRET = "Unmistakable clinical text"
REASON = "Unmistakable reason for withholding"
THIRD_PARTY = Grounds("third_party", REASON)
OTHERS = [role for role in Role if role not in (Role.CLINICIAN, Role.PATIENT, Role.SYSTEM)]


@pytest.fixture
def surgery(clinician: Actor) -> Client:
    """The clinician's browser."""
    return factories.sign_in(Client(), clinician)


def url(name: str, row: object) -> str:
    return reverse(f"referrals:{name}", args=[row.pk])  # type: ignore[attr-defined]


def read_by(actor: Actor, patient: Patient) -> list[str]:
    with acting(actor, "test.looked"):
        return [note.text for note in notes_of(actor, patient)]


def in_months(months: int) -> str:
    return months_after(timezone.localdate(), months).isoformat()


def only_note(clinician: Actor) -> ClinicalNote:
    with acting(clinician, "test.looked"):
        return ClinicalNote.objects.get()


def test_a_clinician_writes_a_note_that_colleagues_and_the_patient_read(
    surgery: Client, patient: Patient, pilot: factories.Pilot
) -> None:
    send(surgery, url("note-write", patient), kind="note", text=SECRET, readable="yes")
    assert SECRET in surgery.get(url("notes", patient)).content.decode()
    colleague = factories.make_staff(Role.CLINICIAN, pilot.practice)
    assert read_by(colleague, patient) == [SECRET]
    assert read_by(factories.patient_actor(patient), patient) == [SECRET]


def test_a_note_has_a_kind_and_a_text(surgery: Client, patient: Patient) -> None:
    page = send(surgery, url("note-write", patient))
    assert page.status_code == 422
    assert "Write the note" in page.content.decode()


def test_a_clinician_of_another_practice_does_not_find_the_patient(
    pilot: factories.Pilot, patient: Patient, clinician: Actor
) -> None:
    note = write_note(patient, SECRET, by=clinician)
    other = factories.make_staff(Role.CLINICIAN, pilot.other_practice)
    browser = factories.sign_in(Client(), other)
    for name, row in (
        ("notes", patient),
        ("note-write", patient),
        ("note-withhold", note),
        ("note-disclose", note),
        ("note-review", note),
    ):
        assert browser.get(url(name, row)).status_code == 404
    assert read_by(other, patient) == []
    with pytest.raises(NotVisible):
        write_note(patient, "Not mine to write", by=other)


@pytest.mark.parametrize("role", OTHERS)
def test_no_other_role_can_tell_a_patient_with_notes_from_one_without(
    pilot: factories.Pilot, clinician: Actor, role: Role
) -> None:
    coach = factories.make_staff(Role.COACH, pilot.provider)
    actor = coach if role is Role.COACH else factories.make_staff_of_every_role(pilot)[role]
    noted, bare = (factories.make_patient(pilot.practice) for _ in range(2))
    for patient in (noted, bare):
        factories.allocate_to(factories.make_referral(patient, status=Status.WAITING), coach)
    note = write_note(noted, SECRET, by=clinician)
    browser = factories.sign_in(Client(), actor)
    answers = []
    for patient in (noted, bare):
        page = browser.get(url("notes", patient))
        answers.append((page.status_code, page.content.decode().replace(str(patient.pk), "")))
        assert SECRET not in page.content.decode()
    assert _without_tokens(answers[0]) == _without_tokens(answers[1])
    assert answers[0][0] in (403, 404)
    assert browser.get(url("note-withhold", note)).status_code in (403, 404)
    assert read_by(actor, noted) == []
    with pytest.raises((PermissionDenied, NotVisible)):
        write_note(noted, "Not mine to write", by=actor)


def _without_tokens(answer: tuple[int, str]) -> tuple[int, str]:
    """Without what differs between two requests for the very same page."""
    return answer[0], re.sub(r'(value|data-ends-in)="[^"]*"|Reference: \w+', "", answer[1])


def test_the_receptionists_page_of_a_patient_is_the_same_with_and_without_a_note(
    desk: Client, patient: Patient, clinician: Actor
) -> None:
    before = desk.get(url("patient", patient)).content.decode()
    write_note(patient, SECRET, by=clinician)
    after = desk.get(url("patient", patient)).content.decode()
    assert "Clinical notes" not in after
    assert _without_tokens((200, before)) == _without_tokens((200, after))


def test_the_patient_does_not_open_the_clinicians_page(patient: Patient) -> None:
    browser = factories.sign_in(Client(), factories.patient_actor(patient))
    assert browser.get(url("notes", patient)).status_code == 403


def test_a_receptionist_in_an_action_about_the_patient_reads_no_note_even_in_raw_sql(
    receptionist: Actor, patient: Patient, clinician: Actor
) -> None:
    write_note(patient, SECRET, by=clinician)
    with acting(receptionist, "test.looked", patients=[patient.pk]), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM referrals_clinicalnote")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM referrals_historicalclinicalnote")
        assert cursor.fetchone() == (0,)


def test_a_withheld_note_is_not_shown_to_the_patient_until_it_is_disclosed(
    surgery: Client, patient: Patient, clinician: Actor
) -> None:
    note = write_note(patient, SECRET, by=clinician)
    assert send(surgery, url("note-withhold", note)).status_code == 422
    page = send(
        surgery, url("note-withhold", note), ground="serious_harm", because=REASON, review_on=in_months(2)
    )
    assert "Withheld from the patient" in page.content.decode()
    assert only_note(clinician).withheld_on == "serious_harm"
    assert read_by(factories.patient_actor(patient), patient) == []
    assert read_by(clinician, patient) == [SECRET]
    send(surgery, url("note-disclose", note))
    assert only_note(clinician).withheld_at is None
    assert read_by(factories.patient_actor(patient), patient) == [SECRET]


def test_only_a_clinician_withholds_reviews_or_discloses(
    receptionist: Actor, patient: Patient, clinician: Actor
) -> None:
    note = write_note(patient, SECRET, by=clinician)
    withheld = write_note(patient, SECRET, withheld=THIRD_PARTY, by=clinician)
    for actor in (receptionist, factories.patient_actor(patient)):
        with pytest.raises((PermissionDenied, NotVisible)):
            withhold_note(note, THIRD_PARTY, by=actor)
        with pytest.raises((PermissionDenied, NotVisible)):
            disclose_note(withheld, by=actor)
        with pytest.raises((PermissionDenied, NotVisible)):
            go_on_withholding(withheld, THIRD_PARTY, by=actor)


# --- Withheld from the start -----------------------------------------------------------------------

# Every table in which a note, what was decided about it, or that something happened to it is kept.
TRACES = (
    "SELECT count(*) FROM referrals_clinicalnote",
    "SELECT count(*) FROM referrals_historicalclinicalnote",
    "SELECT count(*) FROM referrals_withholding",
    "SELECT count(*) FROM referrals_historicalwithholding",
    "SELECT count(*) FROM audit_event WHERE relation IN ('referrals_clinicalnote', 'referrals_withholding')",
)


def traces_for(actor: Actor) -> list[int]:
    with acting(actor, "test.looked"), connection.cursor() as cursor:
        return [cursor.execute(query).fetchone()[0] for query in TRACES]  # type: ignore[attr-defined]


def test_a_note_withheld_as_it_is_written_was_never_there_for_the_patient(
    surgery: Client, patient: Patient, clinician: Actor
) -> None:
    reader = factories.patient_actor(patient)
    fields = {"kind": "note", "text": SECRET, "readable": "no", "ground": "third_party", "because": REASON}
    send(surgery, url("note-write", patient), review_on=in_months(3), **fields)
    assert read_by(clinician, patient) == [SECRET]
    assert traces_for(reader) == [0, 0, 0, 0, 0]
    assert all(traces_for(clinician)[:4])
    # One row from the first: no earlier version of it was ever shown.
    with acting(clinician, "test.looked"):
        [first] = ClinicalNote.history.all()
    assert first.withheld_at is not None
    home = factories.sign_in(Client(), reader)
    for address in ("record:notes", "record:home", "record:who_looked", "record:details", "record:messages"):
        page = home.get(reverse(address)).content.decode()
        assert SECRET not in page
        assert REASON not in page
        assert "notes by your clinicians" not in page
        assert "a note by your clinician" not in page


@pytest.mark.parametrize(
    "missing", ["readable", "ground", "because", "review_on"], ids=lambda name: f"without {name}"
)
def test_withholding_at_the_start_is_not_saved_without_its_answers(
    surgery: Client, patient: Patient, clinician: Actor, missing: str
) -> None:
    fields = {
        "kind": "note",
        "text": SECRET,
        "readable": "no",
        "ground": "third_party",
        "because": REASON,
        "review_on": in_months(3),
    }
    page = send(surgery, url("note-write", patient), **{**fields, missing: ""})
    assert page.status_code == 422
    assert SECRET in page.content.decode()
    assert read_by(clinician, patient) == []


def test_a_note_that_the_patient_reads_asks_for_no_ground(surgery: Client, patient: Patient) -> None:
    page = send(
        surgery, url("note-write", patient), kind="note", text=SECRET, readable="yes", review_on_day="40"
    )
    assert page.status_code == 200
    assert read_by(factories.patient_actor(patient), patient) == [SECRET]


@pytest.mark.parametrize(
    ("grounds", "names"),
    [
        (Grounds("inconvenient", REASON), "ground"),
        (Grounds("serious_harm", "  "), "because"),
        (Grounds("serious_harm", REASON, dt.date(2020, 1, 1)), "review_on"),
        (Grounds("serious_harm", REASON, dt.date(2099, 1, 1)), "review_on"),
    ],
)
def test_nothing_is_withheld_without_a_ground_a_reason_and_a_review(
    patient: Patient, clinician: Actor, grounds: Grounds, names: str
) -> None:
    note = write_note(patient, SECRET, by=clinician)
    with pytest.raises(ValidationError) as refusal:
        withhold_note(note, grounds, by=clinician)
    assert names in refusal.value.error_dict
    assert read_by(factories.patient_actor(patient), patient) == [SECRET]


def test_the_database_keeps_no_decision_without_a_reason(patient: Patient, clinician: Actor) -> None:
    note = write_note(patient, SECRET, withheld=THIRD_PARTY, by=clinician)
    bare = Withholding(
        patient=patient,
        practice_id=patient.practice_id,
        note=note,
        outcome="withheld",
        ground="third_party",
        review_on=timezone.localdate(),
        decided_by_id=clinician.user_id,
    )
    with (
        pytest.raises(IntegrityError, match="withholding_has_a_ground_a_reason_and_a_review"),
        acting(clinician, "test.tried", patients=[patient.pk]),
    ):
        bare.save(force_insert=True)


def test_decisions_about_withholding_only_ever_grow(patient: Patient, clinician: Actor) -> None:
    write_note(patient, SECRET, withheld=THIRD_PARTY, by=clinician)
    for change in (
        lambda: Withholding.objects.update(because="Something else"),
        lambda: Withholding.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), acting(clinician, "test.tried", patients=[patient.pk]):
            change()


# --- Reviews ---------------------------------------------------------------------------------------


def decisions(clinician: Actor, note: ClinicalNote) -> list[tuple[str, str, object]]:
    with acting(clinician, "test.looked"):
        return [(each.outcome, each.ground, each.decided_by_id) for each in decisions_on(clinician, note)]


def test_a_review_keeps_a_note_withheld_on_a_confirmed_ground_until_the_next_one(
    surgery: Client, patient: Patient, clinician: Actor
) -> None:
    note = write_note(patient, SECRET, withheld=THIRD_PARTY, by=clinician)
    assert only_note(clinician).review_on == months_after(timezone.localdate(), 3)
    assert send(surgery, url("note-review", note), outcome="yes").status_code == 422
    page = send(
        surgery,
        url("note-review", note),
        outcome="yes",
        ground="serious_harm",
        because="Looked at again.",
        review_on=in_months(6),
    )
    assert page.redirect_chain[-1][0] == reverse("referrals:notes-to-review")
    now = only_note(clinician)
    assert (now.withheld_on, now.review_on) == ("serious_harm", months_after(timezone.localdate(), 6))
    assert decisions(clinician, note) == [
        ("still_withheld", "serious_harm", clinician.user_id),
        ("withheld", "third_party", clinician.user_id),
    ]
    assert traces_for(factories.patient_actor(patient)) == [0, 0, 0, 0, 0]


def test_a_review_may_show_the_note_and_the_reason_stays_with_the_clinicians(
    surgery: Client, patient: Patient, clinician: Actor
) -> None:
    note = write_note(patient, SECRET, withheld=THIRD_PARTY, by=clinician)
    send(surgery, url("note-review", note), outcome="no")
    now = only_note(clinician)
    assert (now.withheld_at, now.withheld_on, now.review_on) == (None, "", None)
    assert [outcome for outcome, _, _ in decisions(clinician, note)] == ["shown", "withheld"]
    reader = factories.patient_actor(patient)
    assert read_by(reader, patient) == [SECRET]
    assert traces_for(reader)[2:4] == [0, 0]
    with acting(reader, "test.looked"):
        assert not Event.objects.filter(relation="referrals_withholding").exists()
    assert REASON not in factories.sign_in(Client(), reader).get(reverse("record:notes")).content.decode()
    assert REASON in surgery.get(url("notes", patient)).content.decode()


def test_what_is_shown_already_is_not_reviewed(surgery: Client, patient: Patient, clinician: Actor) -> None:
    note = write_note(patient, SECRET, by=clinician)
    page = surgery.get(url("note-review", note))
    assert "Nothing is withheld" in page.content.decode()
    assert send(surgery, url("note-review", note), outcome="no").status_code == 422
    for refused in (
        lambda: go_on_withholding(note, THIRD_PARTY, by=clinician),
        lambda: disclose_note(note, by=clinician),
    ):
        with pytest.raises(ValidationError, match="nothing is withheld"):
            refused()
    withheld = withhold_note(note, THIRD_PARTY, by=clinician)
    with pytest.raises(ValidationError, match="withheld already"):
        withhold_note(withheld, THIRD_PARTY, by=clinician)


def test_the_practices_clinicians_have_a_list_of_what_is_withheld_due_first(
    surgery: Client, pilot: factories.Pilot, clinician: Actor
) -> None:
    today = timezone.localdate()
    due_on = {"Later": months_after(today, 5), "Soon": months_after(today, 1), "Sooner": today}
    for name, day in due_on.items():
        somebody = factories.make_patient(pilot.practice, family_name=name)
        write_note(somebody, SECRET, withheld=Grounds("serious_harm", REASON, day), by=clinician)
    # Withheld before there were reviews: nobody has set a day.
    dateless = factories.make_patient(pilot.practice, family_name="Dateless")
    factories.make_note(dateless, clinician, withheld_at=timezone.now(), withheld_on="serious_harm")
    shown = factories.make_patient(pilot.practice, family_name="Shown")
    write_note(shown, SECRET, by=clinician)
    elsewhere = factories.make_patient(pilot.other_practice, family_name="Elsewhere")
    colleague = factories.make_staff(Role.CLINICIAN, pilot.other_practice)
    write_note(elsewhere, SECRET, withheld=THIRD_PARTY, by=colleague)
    page = surgery.get(reverse("referrals:notes-to-review"))
    text = page.content.decode()
    assert [note.patient.family_name for note in page.context_data["page"]] == [
        "Dateless",
        "Sooner",
        "Soon",
        "Later",
    ]
    assert SECRET not in text
    assert REASON not in text
    assert text.count(">Due<") + text.count("Due\n") == 2


def test_reviews_that_are_due_are_counted_on_the_clinicians_first_page_and_on_nobody_elses(
    surgery: Client, desk: Client, pilot: factories.Pilot, clinician: Actor
) -> None:
    somebody = factories.make_patient(pilot.practice)
    home = reverse("referrals:home")
    bare = desk.get(home).content.decode()
    assert "looked at again" not in surgery.get(home).content.decode()
    write_note(somebody, SECRET, withheld=Grounds("serious_harm", REASON, timezone.localdate()), by=clinician)
    later = months_after(timezone.localdate(), 2)
    write_note(somebody, SECRET, withheld=Grounds("serious_harm", REASON, later), by=clinician)
    assert "1 note that is withheld" in surgery.get(home).content.decode()
    assert _without_tokens((200, desk.get(home).content.decode())) == _without_tokens((200, bare))
    assert desk.get(reverse("referrals:notes-to-review")).status_code == 403
    overdue = {
        "withheld_at": timezone.now(),
        "withheld_on": "serious_harm",
        "review_on": dt.date(2024, 2, 29),
    }
    factories.make_note(somebody, clinician, **overdue)
    assert "2 notes that are withheld" in surgery.get(home).content.decode()


# --- Nowhere else ----------------------------------------------------------------------------------

# Who may know of clinical notes at all. Messages, letters, coaching and supervisors' pages are not among them.
KNOWS = {
    "referrals/models.py",
    "referrals/screening/forms.py",
    "pilot/record/selectors.py",
    "pilot/record/views.py",
    "pilot/record/other_views.py",
    "pilot/record/looks.py",
    "pilot/record/copies/contents.py",
}


def test_no_message_letter_or_coaching_module_knows_of_clinical_notes() -> None:
    for path in sources():
        name = str(path.relative_to(ROOT))
        if name in KNOWS or name.startswith(("referrals/notes/", "pilot/record/notes/", "pilot/demo/")):
            continue
        tree = ast.parse(path.read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & {"ClinicalNote", "Withholding", "write_note", "notes_of", "clinical_notes"}, name


def test_no_template_of_messages_or_of_coaches_pages_draws_a_note() -> None:
    for folder in ("outbox", "coaching", "referrals/importing"):
        for path in (ROOT / "templates" / folder).rglob("*.jinja"):
            # "needs_note" is about access, and everybody who helps is shown it.
            words = set(re.findall(r"\w+", path.read_text()))
            assert not words & {"clinical_notes", "decisions", "get_withheld_on_display", "notes_due"}, path
            assert not re.search(r"\bnote\.|\bnotes\b(?! can wait)", path.read_text()), path
