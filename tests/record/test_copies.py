"""A copy of everything: complete, exactly what the patient may see, taken once, gone afterwards."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Disclosure
from audit.privacy import personal_models, privacy_of
from coaching.models import SessionStatus
from consent.actions import withdraw
from pilot.access import NotVisible, Reach, Role, acting, reach_of
from pilot.record import tasks
from pilot.record.copies import actions, contents, making, policies
from pilot.record.copies.models import Copy, Part, Status
from pilot.record.copies.policies import LONGEST_ATTEMPT, NO_EVIDENCE
from pilot.record.models import Kind
from pilot.record.notes.actions import reply_to_note
from pilot.record.replies.actions import reply_to_session
from pilot.record.requests.actions import open_request
from referrals.models import ClinicalNote
from referrals.notes.actions import withhold_note
from referrals.notes.policies import Grounds
from tests import factories
from tests.forms import hidden_in, send
from tests.record.cases import Case
from tests.record.test_own_pages import page

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


def copies_of(case: Case) -> list[Copy]:
    with acting(case.actor, "test.read"):
        return list(Copy.objects.visible_to(case.actor).order_by("created_at"))


def ask(case: Case) -> Copy:
    """Asked for, as one who has no worker yet."""
    return actions.ask_for_copy(case.patient, by=case.actor)


def make(case: Case, copy: Copy) -> bool:
    return tasks.make_copy(str(copy.pk), str(case.patient.pk), str(case.actor.user_id))


def ready(case: Case) -> Copy:
    copy = ask(case)
    assert make(case, copy)
    return copies_of(case)[-1]


def everything(case: Case) -> dict[str, Any]:
    return json.loads(actions.take(ready(case), Part.JSON, by=case.actor))


def texts(part: dict[str, Any]) -> list[str]:
    return [field["text"] for row in part["rows"] for field in row["fields"]]


# --- One click, and how it stands ------------------------------------------------------------------


def test_one_click_makes_a_copy_that_can_be_taken_once(
    case: Case, django_capture_on_commit_callbacks: Any
) -> None:
    browser, address = case.browser, reverse("record:copy")
    with django_capture_on_commit_callbacks(execute=False):
        assert send(browser, address, follow=False).url == address
    assert "waiting to be made" in page(browser, "copy")
    [copy] = copies_of(case)
    assert make(case, copy)
    shown = browser.get(address)
    assert "Your copy is ready" in shown.content.decode()
    for part, begins in ((Part.PDF, b"%PDF"), (Part.JSON, b'{"$schema"')):
        file = reverse("record:copy_file", args=[copy.pk, part.value])
        assert f'action="{file}"' in browser.get(address).content.decode()
        form = hidden_in(browser.get(file))
        taken = browser.post(file, form)
        assert taken.status_code == 200
        assert taken.content.startswith(begins)
        assert f".{part.value}" in taken["Content-Disposition"]
        again = browser.post(file, form)
        assert again.status_code == 409
        assert "You took this file on" in again.content.decode()
        assert reverse("record:copy") in again.content.decode()
    [copy] = copies_of(case)
    assert copy.status == Status.TAKEN
    assert "You took your last copy away" in page(browser, "copy")


def test_looking_at_the_address_takes_nothing(case: Case) -> None:
    copy = ready(case)
    address = reverse("record:copy_file", args=[copy.pk, "pdf"])
    assert "Download this file" in case.browser.get(address).content.decode()
    assert case.browser.post(address).status_code == 422
    assert copies_of(case)[0].pdf
    assert case.browser.get(reverse("record:copy_file", args=[copy.pk, "exe"])).status_code == 404


def test_two_clicks_are_one_copy(case: Case) -> None:
    first, second = ask(case), ask(case)
    assert first.pk == second.pk
    ready(case)
    assert ask(case).pk == first.pk
    assert len(copies_of(case)) == 1


def test_whoever_took_one_file_and_asks_again_gets_both_anew(case: Case) -> None:
    copy = ready(case)
    actions.take(copy, Part.PDF, by=case.actor)
    other = ask(case)
    assert other.pk != copy.pk
    assert [each.status for each in copies_of(case)] == [Status.EXPIRED, Status.WAITING]


def test_a_copy_waits_for_a_day_and_is_wiped_by_the_clock(case: Case) -> None:
    copy = ready(case)
    assert tasks.keep_copies() == 0
    with time_machine.travel(timezone.now() + dt.timedelta(hours=24, minutes=1)):
        with pytest.raises(ValidationError, match="waits for 24 hours"):
            actions.take(copy, Part.PDF, by=case.actor)
        assert tasks.keep_copies() == 1
        assert tasks.keep_copies() == 0
        assert "not taken in time" in page(case.browser, "copy")
    [copy] = copies_of(case)
    assert (copy.status, copy.pdf, copy.json) == (Status.EXPIRED, None, None)


# --- Whose it is -----------------------------------------------------------------------------------


def test_it_is_for_the_patient_alone(case: Case, other: Case) -> None:
    copy = ready(case)
    address = reverse("record:copy_file", args=[copy.pk, "pdf"])
    assert other.browser.get(address).status_code == 404
    assert other.browser.post(address).status_code == 404
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office)
    for actor in (case.coach, case.receptionist, case.clinician, guardian, other.actor):
        with acting(actor, "test.read", patients=[case.patient.pk]), connection.cursor() as cursor:
            for table in ("record_copy", "record_historicalcopy"):
                cursor.execute(f"SELECT count(*) FROM {table}")
                assert cursor.fetchone() == (0,), (actor.role, table)
    with pytest.raises(NotVisible):
        actions.take(copy, Part.PDF, by=other.actor)


def test_what_waits_in_the_database_cannot_be_read_there_and_leaves_no_trace_in_its_history(
    case: Case,
) -> None:
    ready(case)
    with acting(case.actor, "test.read"), connection.cursor() as cursor:
        cursor.execute("SELECT pdf, json FROM record_copy")
        for content in cursor.fetchone():
            assert bytes(content).startswith(b"gAAAA")
            assert case.patient.family_name.encode() not in bytes(content)
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'record_historicalcopy'"
        )
        assert not {"pdf", "json"} & {name for (name,) in cursor.fetchall()}


def test_taking_it_is_a_line_of_the_ledger_that_the_patient_reads(case: Case) -> None:
    actions.take(ready(case), Part.PDF, by=case.actor)
    with acting(case.actor, "test.read"):
        line = Disclosure.objects.get(purpose=actions.PURPOSE)
    assert line.recipient_kind == Disclosure.RecipientKind.PATIENT
    shown = page(case.browser, "who_looked", own="yes", show="sent")
    assert "Sent to you, by downloading their own copy (PDF)" in shown
    assert "because you took your copy away" in shown


# --- What is in it ---------------------------------------------------------------------------------


def test_it_fits_its_published_description(case: Case) -> None:
    reply_to_session(_session(case), "I see it otherwise.", by=case.actor)
    open_request(case.patient, Kind.COMPLAINT, "My worry.", by=case.actor)
    copy = everything(case)
    schema = Client().get(reverse("record:copy_schema")).json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(copy, schema)
    assert copy["$schema"].endswith(reverse("record:copy_schema"))
    assert copy["statement"] == str(NO_EVIDENCE)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**copy, "statement": ""}, schema)


def test_it_holds_every_kind_of_row_that_the_patient_may_see_and_every_row(case: Case) -> None:
    open_request(case.patient, Kind.COMPLAINT, "My worry.", by=case.actor)
    copy = everything(case)
    parts = {part["name"]: part for part in copy["parts"]}
    for model in personal_models():
        privacy = privacy_of(model)
        if not privacy.keeps_history or reach_of(Role.PATIENT, privacy.see) is not Reach.SELF:
            continue
        with acting(case.actor, "test.read"), connection.cursor() as cursor:
            # All that the database itself shows them.
            cursor.execute(f'SELECT id::text FROM "{model._meta.db_table}"')
            keys = {key for (key,) in cursor.fetchall()}
        assert {row["key"] for row in parts[model._meta.label_lower.replace(".", "_")]["rows"]} == keys, model
    for words in ("We will look at two part-time jobs.", "Work near home, two mornings.", "Come and see us.",
                  "Feeling stronger this spring.", "My worry.", "Coach of Amina", case.patient.phone):  # fmt: skip
        assert any(words in text for part in copy["parts"] for text in texts(part)), words


def test_every_field_that_is_left_out_is_named_with_a_reason() -> None:
    fields = {each.name for model in contents.in_the_copy() for each in model._meta.concrete_fields}
    whole = {
        f"{m._meta.label}.{each.name}" for m in contents.in_the_copy() for each in m._meta.concrete_fields
    }
    assert set(contents.TECHNICAL) <= fields | whole


def test_the_past_and_the_log_are_in_it(case: Case) -> None:
    with acting(case.receptionist, "patient.details_changed", patients=[case.patient.pk]):
        patient = type(case.patient).objects.get(pk=case.patient.pk)
        patient.phone, patient.do_not_raise_until = "020 7946 0999", timezone.localdate()
        patient.save()
    copy = everything(case)
    [changed] = [each for each in copy["changes"] if each["part"] == "people_patient" and each["fields"]]
    assert changed["who"] == "Receptionist of Amina"
    assert [each["after"] for each in changed["fields"]] == ["020 7946 0999"]
    assert any(line["who"] == "Receptionist of Amina" for line in copy["log"])


def test_a_withheld_note_is_left_out_without_a_hint(case: Case) -> None:
    with acting(case.clinician, "test.read"):
        note = ClinicalNote.objects.get(patient=case.patient)
    reply_to_note(note, "I see it otherwise.", by=case.actor)
    withhold_note(note, Grounds("serious_harm", "Invented."), by=case.clinician)
    copy = everything(case)
    whole = json.dumps(copy)
    for word in ("Feeling stronger", "I see it otherwise", "ithheld", str(note.pk), "Invented."):
        assert word not in whole, word
    for part in copy["parts"]:
        if part["name"].startswith(("referrals_clinicalnote", "referrals_note")):
            assert part["rows"] == []
    assert not any("note" in what for line in copy["log"] for did in line["did"] for what in did["what"])


def test_somebody_elses_record_is_not_in_it(case: Case, other: Case) -> None:
    whole = json.dumps(everything(case))
    for word in (other.patient.family_name, "Ben", "Something about Ben."):
        assert word not in whole, word


def test_own_words_stand_beside_what_they_are_about(case: Case) -> None:
    reply_to_session(_session(case), "I see it otherwise.", by=case.actor)
    parts = {part["name"]: part for part in everything(case)["parts"]}
    [words] = [row["your_words"] for row in parts["coaching_session"]["rows"] if row["your_words"]]
    assert words[0]["words"] == "I see it otherwise."


def _session(case: Case) -> Any:
    from coaching.models import Session

    with acting(case.actor, "test.read"):
        return Session.objects.get(referral=case.referral, status=SessionStatus.HELD)


# --- The pages -------------------------------------------------------------------------------------


def test_the_pages_are_a_tagged_titled_pdf_in_a_language(case: Case) -> None:
    pdf = actions.take(ready(case), Part.PDF, by=case.actor)
    assert b"/StructTreeRoot" in pdf
    assert b"/MarkInfo" in pdf
    assert b"(en-GB)" in pdf
    assert b"pdfuaid" in pdf
    assert b"DisplayDocTitle true" in pdf


def test_of_what_has_no_end_the_pages_hold_the_newest_and_say_so(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "LINES_ON_PAGES", 2)
    seen: list[Any] = []
    monkeypatch.setattr(making, "typeset", lambda title, blocks, **more: seen.extend(blocks) or b"%PDF")
    log = everything(case)["log"]
    assert len(log) > 2
    assert any(
        "more lines. All of them are in the file for computers." in each.get("text", "") for each in seen
    )


# --- Faults ----------------------------------------------------------------------------------------


def test_a_killed_worker_leaves_it_to_the_next(case: Case, django_capture_on_commit_callbacks: Any) -> None:
    copy = ask(case)
    assert actions.claim(copy, by=case.actor)
    assert not make(case, copy), "somebody else is at it"
    assert tasks.keep_copies() == 0
    assert copies_of(case)[0].status == Status.BUILDING
    with time_machine.travel(timezone.now() + LONGEST_ATTEMPT + dt.timedelta(seconds=1)):
        tasks.keep_copies()
        assert copies_of(case)[0].status == Status.READY


def test_one_that_no_worker_was_told_of_is_made_by_the_clock(case: Case) -> None:
    ask(case)
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=2)):
        tasks.keep_copies()
        assert copies_of(case)[0].status == Status.READY


def test_an_attempt_that_was_overtaken_keeps_nothing(case: Case) -> None:
    copy = ask(case)
    attempt = actions.claim(copy, by=case.actor)
    with time_machine.travel(timezone.now() + LONGEST_ATTEMPT + dt.timedelta(seconds=1)):
        assert make(case, copy)
        files = actions.Files(b"old", b"old")
        assert attempt
        assert not actions.keep(copy, files, attempt=attempt, by=case.actor)
        assert actions.take(copy, Part.PDF, by=case.actor).startswith(b"%PDF")


def test_it_may_be_made_twice(case: Case) -> None:
    copy = ask(case)
    assert make(case, copy)
    assert not make(case, copy)
    assert copies_of(case)[0].status == Status.READY


def test_an_account_that_is_gone_makes_nothing(case: Case, other: Case) -> None:
    copy = ask(case)
    assert not tasks.make_copy(str(copy.pk), str(case.patient.pk), str(other.actor.user_id))
    assert not tasks.make_copy(str(copy.pk), str(case.patient.pk), str(uuid4()))
    assert copies_of(case)[0].status == Status.WAITING


def test_who_withdraws_meanwhile_keeps_the_right_and_waits_for_nothing(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, real = ask(case), making.typeset

    def typeset(*given: Any, **more: Any) -> bytes:
        withdraw(case.patient, by=case.actor)
        return real(*given, **more)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(making, "typeset", typeset)
        assert make(case, copy)
    assert actions.take(copy, Part.PDF, by=case.actor).startswith(b"%PDF")
    assert "Your copy is ready" in page(case.browser, "copy")
    actions.take(copy, Part.JSON, by=case.actor)
    assert json.loads(actions.take(ready(case), Part.JSON, by=case.actor))["parts"]


def test_what_cannot_be_made_is_left_for_another_try(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = ask(case)
    monkeypatch.setattr(making, "typeset", lambda *given, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make(case, copy)
    assert copies_of(case)[0].status == Status.BUILDING
    assert "being made now" in page(case.browser, "copy")


# --- Three years -----------------------------------------------------------------------------------


def test_of_three_years_it_takes_as_many_queries_as_of_three_months(case: Case) -> None:
    def queries() -> tuple[int, int]:
        counted: list[str] = []

        def count(execute: Any, sql: str, *rest: Any) -> Any:
            counted.append(sql)
            return execute(sql, *rest)

        with connection.execute_wrapper(count):
            files = making.make(case.actor)
        return len(counted), len(json.loads(files.json)["changes"])

    few, changes = queries()
    for n in range(30):
        factories.make_session(
            case.referral,
            case.coach,
            status=SessionStatus.HELD,
            starts_at=timezone.now() - dt.timedelta(days=n + 1),
            agreed=f"Words {n}",
        )
    many, more = queries()
    assert more >= changes + 30
    assert many <= few + 2


def test_every_state_has_a_way_out_but_the_last() -> None:
    moves = {source: move.target for move in policies.TRANSITIONS for source in move.sources}
    assert set(moves) == {None, *Status} - {Status.TAKEN, Status.EXPIRED}
