"""Nobody but the practice's clinicians, and the patient unless it is withheld, can tell that there is a clinical note.

The same pilot twice, row by row and key by key, once with notes and once without: everybody else takes the same way
through both, and whatever they get is the same to the letter, in as many queries that found as many rows.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.contenttypes.models import ContentType
from django.core import mail
from django.db import connection, connections
from django.http import HttpResponse
from django.test import override_settings
from django.utils import timezone

from coaching.tasks import email_clinicians
from pilot.outbox.tasks import send_due
from referrals.notes.actions import withhold_note
from referrals.notes.policies import Grounds
from referrals.patients.views import PatientPage
from tests import factories
from tests.access.crawling import Crawl
from tests.access.world import World, make_world
from tests.databases import Cloner

# Everybody but the practice's clinicians, whoever may read the notes, and the guardian, of whom a test below speaks.
UNAWARE = (
    "receptionist", "coach", "supervisor", "patient kept from", "clinician elsewhere", "commissioner", "pilot manager",
    "Speak Up guardian", "invited",
)  # fmt: skip
TEXT = "zqnote1x"
# Their keys are settled beforehand, so that they can be guessed where there are none.
SHOWN, CAPACITY, WITHHELD = (UUID(int=number) for number in (0xA1, 0xA2, 0xA3))
# Pages about no case. The second step's would show another secret every time.
LEFT_OUT = (
    "/account/",
    "/admin/",
    "/office/people/",
    "/charter/",
    "/information/",
    "/help/",
    "/privacy/",
    "/accessibility/",
)
GUESSES = ("/notes/{}/withhold/", "/notes/{}/show/", "/notes/{}/review/")


@dataclass
class Answer:
    """What came back, without what is another every time, and what it cost."""

    asked: str
    status: int
    said: str
    rows: list[int]


@dataclass
class Told(Crawl):
    """A crawl that keeps every answer."""

    answers: list[Answer] = field(default_factory=list)

    def ask(
        self, method: str, address: str, data: dict[str, Any] | None = None, said: str = ""
    ) -> HttpResponse:
        with counting() as rows:
            response = super().ask(method, address, data, said)
        headers = "\n".join(f"{name}: {_in_order(value)}" for name, value in sorted(response.items()))
        told = _alike(f"{headers}\n{response.content.decode(errors='replace')}")
        self.answers.append(Answer(_alike(f"{method} {address}"), response.status_code, told, rows))
        return response


@contextmanager
def counting() -> Iterator[list[int]]:
    """For each query of the block, how many rows it found or changed."""
    rows: list[int] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = execute(sql, params, many, context)
        rows.append(context["cursor"].rowcount)
        return found

    with connection.execute_wrapper(count):
        yield rows


# What is another at every request, whatever is shown.
_EVERY_TIME = (
    (r'(name="(?:csrfmiddlewaretoken|form_key)" value=)"[^"]*"', r"\1"),
    (r"search(=|%3D)[\w%=-]+", "search="),
    # Events have one row of numbers for all: how far it has come tells of everything that everybody does.
    (r"before(=|%3D)\d+", "before="),
    (r"/who-looked/\d+/", "/who-looked/then/"),
    # The database's own clock, which cannot be stopped.
    (r"\b\d{1,2}(:\d\d)?[ap]m\b|\bmidnight\b|\bmidday\b", "then"),
    (r"Content-Length: \d+", ""),
)


def _alike(text: str) -> str:
    for pattern, instead in _EVERY_TIME:
        text = re.sub(pattern, instead, text)
    return text


def _in_order(header: str) -> str:
    """The content security policy names its parts in another order every time."""
    return "; ".join(sorted(header.split("; ")))


def differences(one: str, other: str) -> list[str]:
    """The lines in which two answers differ, the first few."""
    if one == other:
        return []
    found = difflib.unified_diff(one.splitlines(), other.splitlines(), lineterm="", n=0)
    return [line for line in found if not line.startswith(("---", "+++", "@@"))][:6]


@dataclass
class Tale:
    """What everybody was told, one way through, and what went out and stayed behind."""

    answers: dict[str, list[Answer]]
    sessions: dict[str, list[str]]
    mails: list[str]
    faults: list[str]


@pytest.fixture(scope="module")
def world(module_database: str) -> World:
    return make_world(small=True)


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where texts to patients go."""
    return tmp_path_factory.mktemp("texts") / "texts.jsonl"


@pytest.fixture(scope="module")
def moment(world: World) -> dt.datetime:
    """When all of it happens, both times: what hangs on the clock is then no difference."""
    return timezone.now()


@pytest.fixture(scope="module")
def without_notes(
    world: World, moment: dt.datetime, spool: Path, module_database: str, cloner: Cloner
) -> Tale:
    with cloner.clone(of=module_database), time_machine.travel(moment, tick=False):
        return tell(world, spool)


@pytest.fixture(scope="module")
def with_notes(world: World, moment: dt.datetime, spool: Path, module_database: str, cloner: Cloner) -> Tale:
    with cloner.clone(of=module_database), time_machine.travel(moment, tick=False):
        write_notes(world)
        return tell(world, spool)


def write_notes(world: World) -> None:
    clinician = world.people["clinician"].actor
    assert clinician
    for patient, key, kind in (
        ("mine", SHOWN, "note"),
        ("mine", CAPACITY, "capacity"),
        ("kept from", WITHHELD, "note"),
    ):
        note = factories.make_note(
            world.patients[patient], clinician, pk=key, kind=kind, text=f"{TEXT} depression, sertraline 50 mg"
        )
        if key == WITHHELD:
            withhold_note(note, Grounds("serious_harm", f"{TEXT} a reason"), by=clinician)


def tell(world: World, spool: Path) -> Tale:
    """The clinician looks at everybody's notes, messages go out, and then everybody goes wherever they can get to."""
    mail.outbox = []
    spool.unlink(missing_ok=True)
    ContentType.objects.clear_cache()
    clinician = world.client("clinician")
    for patient in ("mine", "kept from"):
        for page in ("", "notes/"):
            assert clinician.get(f"/patients/{world.patients[patient].pk}/{page}").status_code == 200
    with override_settings(SMS_SPOOL_FILE=str(spool)):
        send_due()
        email_clinicians()
    guesses = [*_guessed(), f"/notes/{UUID(int=0xB1)}/withhold/"]
    guesses += [
        f"/patients/{patient.pk}/notes/{more}"
        for patient in world.patients.values()
        for more in ("", "write/")
    ]
    crawls = {}
    for name in UNAWARE:
        crawl = crawls[name] = Told(world.people[name], world.client(name), world.aviary, _terms(world))
        crawl.leaves_out += LEFT_OUT
        crawl.go("/")
        for guess in guesses:
            crawl.ask("GET", guess)
            crawl.ask("POST", guess)
    return Tale(
        {name: crawl.answers for name, crawl in crawls.items()},
        {name: sorted(crawl.client.session.keys()) for name, crawl in crawls.items()},
        sorted(_alike(f"{each.to} {each.subject} {each.body}") for each in mail.outbox)
        + sorted(spool.read_text().splitlines()),
        [fault for crawl in crawls.values() for fault in crawl.faults],
    )


def _guessed() -> list[str]:
    return [form.format(key) for key in (SHOWN, CAPACITY, WITHHELD) for form in GUESSES]


def _terms(world: World) -> list[dict[str, str]]:
    return [
        {"family_name": patient.family_name[:6], "nhs_number": str(patient.nhs_number), "note": TEXT}
        for patient in (world.patients["mine"], world.patients["kept from"])
    ]


@pytest.mark.parametrize("name", UNAWARE)
def test_whatever_anybody_else_is_told_is_the_same_with_notes_and_without(
    without_notes: Tale, with_notes: Tale, name: str
) -> None:
    """Pages, counts, searches, forms, errors, downloads, banners, and who looked, for a patient from whom it is withheld."""
    before, after = without_notes.answers[name], with_notes.answers[name]
    assert len(before) > 20
    assert [each.asked for each in after] == [each.asked for each in before]
    for one, other in zip(before, after, strict=True):
        assert other.status == one.status, one.asked
        assert not (said := differences(one.said, other.said)), f"{one.asked}: {said}"


@pytest.mark.parametrize("name", UNAWARE)
def test_it_takes_as_many_queries_that_find_as_many_rows(
    without_notes: Tale, with_notes: Tale, name: str
) -> None:
    """The clock is not asked: what takes another time does other work, and that shows here."""
    for one, other in zip(without_notes.answers[name], with_notes.answers[name], strict=True):
        assert other.rows == one.rows, one.asked


def test_a_note_that_is_there_is_refused_as_one_that_is_not(with_notes: Tale) -> None:
    """To whoever may not read notes, the address of one says neither that it is there nor that it is not."""
    never = f"/notes/{UUID(int=0xB1)}/withhold/"
    for name, answers in with_notes.answers.items():
        statuses = {each.status for each in answers if each.asked.split()[1] in {never, *_guessed()}}
        assert len(statuses) == 1, name
        assert statuses <= {302, 403, 404}, name


def test_messages_and_sessions_are_the_same(without_notes: Tale, with_notes: Tale) -> None:
    assert len(with_notes.mails) > 5
    assert with_notes.mails == without_notes.mails
    assert with_notes.sessions == without_notes.sessions


def test_no_text_of_a_note_is_shown_to_anybody_else(with_notes: Tale) -> None:
    assert with_notes.faults == []
    for answers in with_notes.answers.values():
        # What was searched for is said again; nothing else of it is.
        assert not [each.asked for each in answers if "sertraline" in each.said]


# --- A hint would be noticed -----------------------------------------------------------------------


def number_of_notes() -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM referrals_clinicalnote")
        return int(cursor.fetchone()[0])


def count_on_the_page(self: PatientPage) -> str:
    return f"Patient ({number_of_notes()})"


def one_more_query(self: PatientPage) -> str:
    if number_of_notes():
        self.row.refresh_from_db(fields=["language"])
    return "Patient"


@pytest.mark.parametrize("hint", [count_on_the_page, one_more_query])
def test_a_hint_is_noticed(
    world: World, module_database: str, cloner: Cloner, monkeypatch: pytest.MonkeyPatch, hint: Any
) -> None:
    monkeypatch.setattr(PatientPage, "title", property(hint))
    told = []
    for has_notes in (False, True):
        with cloner.clone(of=module_database):
            if has_notes:
                write_notes(world)
            crawl = Told(world.people["receptionist"], world.client("receptionist"), world.aviary)
            crawl.ask("GET", f"/patients/{world.patients['mine'].pk}/")
            told += crawl.answers
    one, other = told
    assert (one.said, one.rows) != (other.said, other.rows)


# --- Who watches over it ---------------------------------------------------------------------------


def test_the_guardian_reads_in_the_log_that_there_are_notes_and_nothing_of_them(
    world: World, module_database: str, cloner: Cloner
) -> None:
    """Who read or wrote one is what the guardian is there to see: by the patient's random key, never the text."""
    with cloner.clone(of=module_database):
        write_notes(world)
        crawl = Told(world.people["Caldicott Guardian"], world.client("Caldicott Guardian"), world.aviary)
        crawl.ask("GET", "/audit/log/")
        assert "clinical note" in crawl.answers[0].said
        assert "sertraline" not in crawl.answers[0].said
        assert crawl.faults == []
