"""Lists of referrals as practices really export them, each case with its own file, through the real command."""

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from pilot.access import Actor, Role, acting
from pilot.people.models import Patient
from referrals.models import Referral
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

HEADER = "nhs_number,given_name,family_name,date_of_birth"
FIRST, SECOND, THIRD = "9990000018", "9990000026", "9990000034"


@pytest.fixture
def practice():
    return factories.make_pilot().practice


@pytest.fixture
def receptionist(practice: Any) -> Actor:
    return factories.make_staff(Role.RECEPTIONIST, practice)


class Import:
    """Runs the command and keeps what it said."""

    def __init__(self, practice: Any, by: Actor, folder: Path) -> None:
        self.practice, self.by, self.file = practice, by, folder / "list.csv"
        self.out, self.err = "", ""

    def __call__(self, content: str | bytes, *options: str) -> tuple[int, dict[str, Any]]:
        self.file.write_bytes(content.encode() if isinstance(content, str) else content)
        out, err = io.StringIO(), io.StringIO()
        email = factories.user_of(self.by).email
        with pytest.raises(SystemExit) as ended:
            call_command(
                "import_referrals", str(self.file), "--practice", self.practice.ods_code, "--by", email, "--json", *options,
                stdout=out, stderr=err,
            )  # fmt: skip
        self.out, self.err = out.getvalue(), err.getvalue()
        code = ended.value.code
        return code, json.loads(self.out) if self.out else {}

    def saved(self) -> list[Patient]:
        with acting(self.by, "test.looked"):
            patients = {p.pk: p for p in Patient.objects.visible_to(self.by)}
            referrals = Referral.objects.visible_to(self.by).order_by("logged_at", "reference")
            found = [patients[r.patient_id] for r in referrals]
        return sorted(found, key=lambda p: p.family_name)


@pytest.fixture
def run(practice: Any, receptionist: Actor, tmp_path: Path) -> Import:
    return Import(practice, receptionist, tmp_path)


def lines(*rows: str, header: str = HEADER) -> str:
    return "\r\n".join([header, *rows]) + "\r\n"


def test_good_rows_are_registered_and_referred(run: Import) -> None:
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984", f"{SECOND},Bo,Birch,1990-12-01"))
    assert (code, report) == (0, {"accepted": 2, "refused": [], "duplicates": []})
    assert [(p.nhs_number, p.family_name, p.date_of_birth) for p in run.saved()] == [
        (FIRST, "Arbor", dt.date(1984, 3, 27)),
        (SECOND, "Birch", dt.date(1990, 12, 1)),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_every_usual_encoding_is_read(run: Import, encoding: str) -> None:
    code, _ = run(lines(f"{FIRST},Zoë,O’Brien-Müller,27/03/1984").encode(encoding))
    assert code == 0
    [patient] = run.saved()
    assert (patient.given_name, patient.family_name) == ("Zoë", "O’Brien-Müller")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_usual_separator_is_read(run: Import, separator: str) -> None:
    code, _ = run(lines(f"{FIRST},Ann,Arbor,27/03/1984").replace(",", separator))
    assert code == 0
    assert len(run.saved()) == 1


def test_quoted_line_breaks_stay_in_their_cell(run: Import) -> None:
    code, _ = run(lines(f'{FIRST},Ann,Arbor,27/03/1984,"1 High Road\nLondon"', header=HEADER + ",address"))
    assert code == 0
    assert run.saved()[0].address == "1 High Road\nLondon"


def test_columns_may_come_in_any_order_and_under_other_names(run: Import) -> None:
    code, _ = run(lines(f"27/03/1984,Arbor,{FIRST},Ann", header="DOB,Surname,NHS No,First name"))
    assert code == 0
    assert run.saved()[0].given_name == "Ann"


def test_unknown_columns_are_named_and_left_alone(run: Import) -> None:
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984,x", header=HEADER + ",Usual doctor"))
    assert (code, report["accepted"]) == (0, 1)
    assert "Usual doctor" in run.err


def test_a_missing_column_is_named(run: Import) -> None:
    code, report = run("nhs_number,given_name\r\n")
    assert (code, report) == (2, {})
    assert "family_name" in run.err
    assert "date_of_birth" in run.err


def test_spaced_nhs_numbers_are_understood(run: Import) -> None:
    code, _ = run(lines("999 000 0018,Ann,Arbor,27/03/1984"))
    assert code == 0
    assert run.saved()[0].nhs_number == FIRST


def test_an_unknown_nhs_number_is_said_to_be_unknown(run: Import) -> None:
    code, _ = run(lines(",Ann,Arbor,27/03/1984"))
    assert code == 0
    assert run.saved()[0].nhs_number_unknown


def test_blank_trailing_rows_are_nothing(run: Import) -> None:
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984", ",,,", "", ",,,,,,"))
    assert (code, report["accepted"]) == (0, 1)


def test_a_row_that_is_there_twice_is_saved_once(run: Import) -> None:
    row = f"{FIRST},Ann,Arbor,27/03/1984"
    code, report = run(lines(row, row))
    assert (code, report["accepted"]) == (0, 1)
    assert report["duplicates"] == [{"row": 3, "of": "row 2"}]


def test_a_list_sent_twice_adds_nothing_the_second_time(run: Import) -> None:
    content = lines(f"{FIRST},Ann,Arbor,27/03/1984")
    run(content)
    code, report = run(content)
    assert (code, report["accepted"]) == (0, 0)
    [duplicate] = report["duplicates"]
    assert duplicate["row"] == 2
    assert duplicate["of"].startswith("referral ")
    assert len(run.saved()) == 1


def test_one_number_with_two_names_is_refused(run: Import) -> None:
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984", f"{FIRST},Bo,Birch,01/01/1990"), "--partial")
    assert (code, report["accepted"]) == (1, 1)
    assert [(p["row"], p["column"]) for p in report["refused"]] == [(3, "nhs_number")]


def test_one_bad_row_means_that_nothing_is_saved(run: Import) -> None:
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984", "9991234560,Bo,Birch,31/02/1990"))
    assert (code, report["accepted"]) == (1, 0)
    assert [(p["row"], p["column"]) for p in report["refused"]] == [(3, "nhs_number"), (3, "date_of_birth")]
    assert run.saved() == []


def test_an_address_is_no_longer_than_on_the_form(run: Import) -> None:
    header = HEADER + ",address"
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984,{'1 Long Road ' * 30}", header=header))
    assert (code, report["accepted"]) == (1, 0)
    assert [(p["row"], p["column"]) for p in report["refused"]] == [(2, "address")]


@pytest.mark.parametrize("unseen", ["\x1b[31m", "\x07", "\x7f", "\x9b"])
def test_characters_that_nobody_types_are_refused_wherever_they_stand(run: Import, unseen: str) -> None:
    code, report = run(lines(f"{FIRST},Ann{unseen},Arbor,27/03/1984"))
    assert (code, report["accepted"]) == (1, 0)
    assert [(p["row"], p["column"]) for p in report["refused"]] == [(2, "given_name")]


def test_with_partial_the_good_rows_are_saved(run: Import) -> None:
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984", f"{SECOND},,Birch,01/01/1990"), "--partial")
    assert (code, report["accepted"]) == (1, 1)
    assert [p.family_name for p in run.saved()] == ["Arbor"]


def test_a_dry_run_keeps_nothing(run: Import) -> None:
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984"), "--dry-run")
    assert (code, report["accepted"]) == (0, 1)
    assert run.saved() == []


@pytest.mark.parametrize(
    "column",
    ["Diagnosis", "Current medication", "PHQ-9 score", "Read code", "Fit note", "Past medical history"],
)
def test_a_clinical_column_is_refused_with_an_explanation_and_nothing_is_read(
    run: Import, column: str
) -> None:
    code, report = run(
        lines(f"{FIRST},Ann,Arbor,27/03/1984,secret", header=f"{HEADER},{column}"), "--partial"
    )
    assert (code, report["accepted"]) == (1, 0)
    [refusal] = report["refused"]
    assert (refusal["row"], refusal["column"]) == (1, column)
    assert "clinical" in refusal["problem"]
    assert "secret" not in run.out + run.err
    assert run.saved() == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"PK\x03\x04rest of a workbook", "Excel"),
        (b"\x00\x01\x02\x03", "not a text file"),
        (b'nhs_number,given_name,family_name,date_of_birth\n1,"Ann,Arbor,x', "breaks off"),
        (b"a" * (10 * 1024 * 1024 + 1), "larger than"),
    ],
    ids=["empty", "workbook", "binary", "broken off", "too large"],
)
def test_what_is_no_list_at_all_is_refused_in_one_sentence(run: Import, content: bytes, says: str) -> None:
    code, report = run(content)
    assert (code, report) == (2, {})
    assert says in run.err


def test_a_file_that_is_not_there_is_said_so(practice: Any, receptionist: Actor) -> None:
    err = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(
            "import_referrals", "/nowhere/list.csv", practice=practice.ods_code, by=factories.user_of(receptionist).email,
            stderr=err,
        )  # fmt: skip
    assert ended.value.code == 2
    assert "cannot be opened" in err.getvalue()


def test_only_a_receptionist_of_the_practice_imports(run: Import) -> None:
    run.by = factories.make_staff(Role.CLINICIAN, run.practice)
    code, _ = run(lines(f"{FIRST},Ann,Arbor,27/03/1984"))
    assert code == 2
    assert "not a receptionist" in run.err


def test_somebody_known_is_not_registered_again(run: Import) -> None:
    patient = factories.make_patient(
        run.practice, nhs_number=FIRST, family_name="Arbor", date_of_birth=dt.date(1984, 3, 27)
    )
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984"))
    assert (code, report["accepted"]) == (0, 1)
    assert [p.pk for p in run.saved()] == [patient.pk]


def test_somebody_of_another_practice_is_no_hindrance_and_not_told(run: Import) -> None:
    other = factories.make_pilot().practice
    factories.make_patient(other, nhs_number=FIRST, family_name="Arbor", date_of_birth=dt.date(1984, 3, 27))
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984"))
    assert (code, report) == (0, {"accepted": 1, "refused": [], "duplicates": []})


def test_nobody_is_raised_before_the_day_they_named(run: Import) -> None:
    patient = factories.make_patient(
        run.practice, nhs_number=FIRST, family_name="Arbor", date_of_birth=dt.date(1984, 3, 27)
    )
    with acting(factories.TESTS, "test.made", patients=[patient.pk]):
        patient.do_not_raise_until = timezone.localdate() + dt.timedelta(days=30)
        patient.save()
    code, report = run(lines(f"{FIRST},Ann,Arbor,27/03/1984"))
    assert (code, report["accepted"]) == (1, 0)
    assert run.saved() == []


def test_somebody_without_a_number_who_may_be_known_is_left_to_a_person(run: Import) -> None:
    factories.make_patient(
        run.practice, given_name="Ann", family_name="ARBOR", date_of_birth=dt.date(1984, 3, 27)
    )
    code, report = run(lines(",Ann,Arbor,27/03/1984"))
    assert (code, report["accepted"], len(report["duplicates"])) == (0, 0, 1)


def test_a_child_is_refused(run: Import) -> None:
    born = timezone.localdate() - dt.timedelta(days=365 * 15)
    code, report = run(lines(f"{FIRST},Ann,Arbor,{born:%d/%m/%Y}"))
    assert code == 1
    assert report["refused"][0]["column"] == "date_of_birth"


def test_every_import_leaves_its_events_under_the_receptionists_name(run: Import) -> None:
    from audit.models import Event

    run(lines(f"{FIRST},Ann,Arbor,27/03/1984"))
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, factories.make_pilot().office)
    with acting(guardian, "log.read"):
        kinds = set(
            Event.objects.filter(actor=run.by.label, kind="created").values_list("relation", flat=True)
        )
    assert kinds == {"people_patient", "referrals_referral"}
