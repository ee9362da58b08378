"""Everybody goes wherever they can get to, and is shown nothing of anybody's that is not theirs to see: field × role ×
relation. Whatever they are shown, the log says so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings

from audit.actions import record_look
from audit.looks import Looks
from audit.privacy import personal_models
from coaching.tasks import email_clinicians
from pilot.access import ROLES, Role
from pilot.charter.views import About
from pilot.logs import Formatter
from pilot.outbox.tasks import send_due
from pilot.people.models import User
from pilot.web import formats
from pilot.web.expectations import addresses
from pilot.web.pages import Help
from tests.access import canaries
from tests.access.canaries import KEY, keys_in, may_see
from tests.access.crawling import Crawl, forms_of, kind_of
from tests.access.world import World, make_world
from tests.databases import Cloner

# Where nothing leads to, besides what is linked from the first page.
STARTS = (
    "/", "/nowhere/", "/robots.txt", "/role/", "/account/", "/session/", "/invitation/read/", "/thank-you/", "/charter/1/",
    "/my-record/restricted/", "/dashboards/figures.csv", "/dashboards/referrals/",
)  # fmt: skip
PEOPLE = (
    "receptionist", "clinician", "coach", "supervisor", "commissioner", "pilot manager", "Caldicott Guardian",
    "Speak Up guardian", "patient mine", "visitor", "invited",
    "colleague", "receptionist elsewhere", "clinician elsewhere", "coach elsewhere", "supervisor elsewhere",
    "patient kept from", "patient stopped", "patient elsewhere", "superuser", "former", "halfway",
)  # fmt: skip
# What is wrong with a form is tried by the first in each role, and the public pages are read by the first.
FIRST_OF_A_ROLE = (*PEOPLE[: PEOPLE.index("colleague")], "superuser", "former", "halfway")
# Fields that no page shows to anybody yet, and why.
NOT_SHOWN: dict[str, str] = {
    "audit.Event.reason": "the log's pages leave it out",
    "coaching.DistressCall.emailed_at": "for the worker",
    "people.Restriction.ended_at": "pages show that a record is restricted now",
    "record.Copy.claimed_at": "for the worker",
    "record.Copy.json_taken_at": "pages show it while the other file is there",
    "record.Copy.ready_at": "pages show until when it can be taken",
    "consent.Decision.begins_at": "pages say it while it lies ahead",
    "consent.Reminder.ends_on": "pages work out anew until when a yes stands",
    "consent.Representative.ended_at": "pages show who speaks for the patient now",
    "outbox.ReceivedText.called_at": "pages list what nobody has called about",
    "outbox.ReceivedText.reference": "for comparing",
    "outbox.ReceivedText.wanted_again_at": "pages list what nobody has called about",
    "coaching.Goal.dropped_at": "pages show how a goal stands, not since when",
    "coaching.Goal.reached_at": "pages show how a goal stands, not since when",
    "outbox.Message.called_off_at": "for the worker",
    "outbox.Message.claimed_at": "for the worker",
    "outbox.Message.due_at": "for the worker",
    "outbox.Message.template": "the name of a file",
    "referrals.Allocation.ended_at": "pages show who helps now",
    "referrals.Invitation.cancelled_at": "pages show whether it is open",
    "referrals.Invitation.code_digest": "for comparing",
    "referrals.Referral.allocated_at": "pages show since when the coach helps",
}
# Addresses that nobody comes to here, and why.
_NO_CASE = "the sign-in's, which shows no case; it wants a second step, a key or a link of one's own"
NOT_MET: dict[str, str] = {
    **dict.fromkeys(
        (
            "account_inactive", "account_reauthenticate", "account_reset_password_done", "account_reset_password_from_key",
            "account_reset_password_from_key_done", "account_set_password", "mfa_authenticate", "mfa_deactivate_totp",
            "mfa_edit_webauthn", "mfa_generate_recovery_codes", "mfa_list_webauthn", "mfa_login_webauthn",
            "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_remove_webauthn", "mfa_view_recovery_codes",
        ),
        _NO_CASE,
    ),
    **dict.fromkeys(("account_logout", "admin:login", "admin:logout"), "it ends the crawl, or begins another"),
    **dict.fromkeys(
        (
            "admin:charter_charter_discard", "admin:charter_charter_publish", "admin:consent_informationsheet_discard",
            "admin:consent_informationsheet_publish", "office:organisation-keep-open", "office:restore",
        ),
        "about a draft, or about an organisation or a person of whom there is none here; never about a patient",
    ),
    **dict.fromkeys(("demo:personas", "demo:personas-json", "demo:sign-in"), "the demo shows everybody to everybody"),
    **dict.fromkeys(("web:alive", "web:ready"), "whether the program runs"),
    "consent:changes": "two versions of a public sheet, of which there is one here",
    "outbox:received": "a machine's: it takes texts and shows nothing",
    "referrals:has-not-died": "nobody has died here",
    "referrals:has-not-moved": "nobody has moved here",
    "referrals:merge": "no two of them are one person; tests/referrals/test_merging.py asks to whom it is shown",
    "record:other": "nobody had two records here; tests/referrals/test_merging.py asks to whom it is shown",
}  # fmt: skip


@pytest.fixture(scope="module")
def logged() -> Iterator[list[str]]:
    """Every line of the program's own log while this module runs, as it would be written."""
    lines: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    root, keeping = logging.getLogger(), Keeping()
    keeping.setFormatter(Formatter())
    before, level, root.handlers = root.handlers, root.level, [keeping]
    root.setLevel(logging.INFO)
    yield lines
    root.handlers = before
    root.setLevel(level)


@pytest.fixture(scope="module")
def world(module_database: str, logged: list[str]) -> World:
    return make_world()


@pytest.fixture(scope="module")
def crawls(world: World) -> dict[str, Crawl]:
    """First everybody's own way through the site, then everybody at everybody else's addresses."""
    # Nothing leads to a list but its upload.
    birds = world.aviary.canaries.items()
    lists = [f"/import/{key}/" for key, canary in birds if canary.where == "referrals.ImportBatch.key"]
    # Of the log's pages about one event or one patient the newest few would be about nobody.
    lists += [
        f"/audit/patients/{str(world.patients['mine'].pk)[:8]}/",
        f"/audit/log/{_change(world)}/values/",
        f"/audit/retention/{world.patients['mine'].pk}/",
    ]
    found: dict[str, Crawl] = {}
    for name in PEOPLE:
        is_first = name in FIRST_OF_A_ROLE
        crawl = Crawl(world.people[name], world.client(name), world.aviary, _terms(world))
        crawl.sends_forms, crawl.is_second = is_first, not is_first
        # Of the public pages the second of a role would see the same as the first.
        found[name] = crawl.go(*STARTS, *lists, but=() if is_first else found["visitor"].addresses)
    everywhere = sorted({address for crawl in found.values() for address in crawl.addresses})
    for crawl in found.values():
        crawl.try_all(everywhere)
    return found


def _change(world: World) -> int:
    """The number of an event that changed this patient's details. Asked as the owner, who sees all of them."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT max(id) FROM audit_event WHERE relation = 'people_patient' AND kind = 'changed' AND patient_id = %s",
            [world.patients["mine"].pk],
        )
        return int(cursor.fetchone()[0])


def _terms(world: World) -> list[dict[str, str]]:
    """What to search for: somebody of one's own, somebody else's, and somebody of another practice."""
    return [
        {
            # What is typed in may stand in the answer: so a part of the name is typed, and the rest would be a find.
            "family_name": patient.family_name[:6],
            "nhs_number": patient.nhs_number,
            "date_of_birth": f"{patient.date_of_birth:%d/%m/%Y}",
        }
        for patient in (world.patients[name] for name in ("mine", "elsewhere", "waiting"))
    ]


# --- The birds are there ---------------------------------------------------------------------------


def test_every_field_that_can_hold_a_canary_holds_one(world: World) -> None:
    assert canaries.without_canary(world.aviary) == []


def test_fields_without_a_canary_are_of_a_kind_that_has_none() -> None:
    assert [where for model in personal_models() for where in canaries.unexplained(model)] == []


def test_no_reason_is_given_for_a_field_that_is_gone() -> None:
    fields = {
        f"{model._meta.label}.{each.name}"
        for model in personal_models()
        for each in model._meta.concrete_fields
    }
    assert set(canaries.CANNOT_HOLD) <= fields
    assert {where for _role, where in canaries.NARROWER} <= fields
    assert {where for pair in canaries.QUOTED for where in pair} <= fields


def test_everybody_who_crawls_is_listed_and_every_role_is_among_them(world: World) -> None:
    assert set(PEOPLE) == set(world.people)
    assert {person.role for person in world.people.values()} >= set(ROLES) - {Role.SYSTEM}


@pytest.mark.parametrize("model", list(personal_models()), ids=lambda model: model.__name__)
def test_rows_are_related_in_more_ways_than_one(world: World, model: Any) -> None:
    rows = {
        (canary.patient, canary.practice)
        for canary in world.aviary.canaries.values()
        if canary.model is model
    }
    assert len(rows) > 1 or not model.privacy.keeps_history


# --- Nobody sees what is not theirs ----------------------------------------------------------------


@pytest.mark.parametrize("name", PEOPLE)
def test_a_canary_shows_only_where_it_may_and_the_log_says_so(crawls: dict[str, Crawl], name: str) -> None:
    faults = crawls[name].faults
    assert not faults, "\n".join([f"{len(faults)} in all", *faults[:30]])


def test_the_crawl_gets_about(crawls: dict[str, Crawl]) -> None:
    """So that silence means something: whoever may see a case saw one, and was refused elsewhere."""
    for name, crawl in crawls.items():
        statuses = {visit.status for visit in crawl.visits}
        assert {200, 302, 404} <= statuses, name
        shown = [canary for canary in crawl.aviary.canaries.values() if canary.where not in {*NOT_SHOWN, KEY}]
        may_see_some = any(may_see(crawl.person, canary) for canary in shown if canary.field != KEY)
        assert bool(crawl.seen) == may_see_some, name
    for name in ("receptionist", "coach", "supervisor", "patient mine"):
        assert {403, 409, 422} <= {visit.status for visit in crawls[name].visits}, name


def test_every_page_was_met_by_somebody(crawls: dict[str, Crawl]) -> None:
    """A page that nothing leads to is named in `STARTS`, so that no page goes unlooked at."""
    met = {kind_of(visit.address.split("?")[0]) for crawl in crawls.values() for visit in crawl.visits}
    there = {each.pattern: each.name for each in addresses()}
    assert {name for route, name in there.items() if route not in met} <= set(NOT_MET)


def test_every_field_is_shown_to_somebody(world: World, crawls: dict[str, Crawl]) -> None:
    shown = {world.aviary.canaries[key].where for crawl in crawls.values() for key in crawl.seen}
    fields = {canary.where for canary in world.aviary.canaries.values() if canary.field != KEY}
    assert fields - shown <= set(NOT_SHOWN)


# --- Beside the pages ------------------------------------------------------------------------------


def test_what_is_sent_holds_only_what_is_the_recipients(
    world: World, crawls: dict[str, Crawl], tmp_path: Path
) -> None:
    """E-mails and texts to a patient hold that patient's data and nothing clinical; those to staff hold nobody's."""
    spool = tmp_path / "texts.jsonl"
    with override_settings(SMS_SPOOL_FILE=str(spool)):
        send_due()
        email_clinicians()
    for name in ("patient mine", "receptionist"):
        crawl = crawls[name]
        address = User.objects.get(pk=crawl.person.actor.user_id).email
        Crawl(world.people["visitor"], Client(), world.aviary).ask(
            "POST", "/account/password/reset/", {"email": address}
        )
    texts = [json.loads(line) for line in spool.read_text().splitlines()]
    letters = [(each.to[0], f"{each.subject}\n{each.body}\n{each.extra_headers}") for each in mail.outbox]
    letters += [(each["to"], f"{each}") for each in texts]
    staff, patients = 0, 0
    for to, letter in letters:
        whose = {world.aviary.canaries[key].patient for key in keys_in(to)}
        held = [world.aviary.canaries[key] for key in keys_in(letter) if key in world.aviary.canaries]
        assert {canary.patient for canary in held} <= whose, to
        assert not [canary.where for canary in held if canary.kind == "clinical"], to
        staff, patients = staff + (not whose), patients + bool(whose)
    assert len(texts) > 3
    assert patients > 8
    assert staff > 2


def test_sessions_hold_nothing_of_a_case(world: World, crawls: dict[str, Crawl]) -> None:
    """What waits in a session is read again without a look, so it may say no more than whose rows were opened."""
    for name, crawl in crawls.items():
        assert not _held(world, json.dumps(dict(crawl.client.session.items()), default=str)), name


def test_the_programs_own_log_holds_nothing_of_a_case(
    world: World, crawls: dict[str, Crawl], logged: list[str]
) -> None:
    assert len(logged) > 100
    assert not _held(world, "\n".join(logged))


def test_what_is_done_is_told_without_naming_anybody(
    world: World, module_database: str, cloner: Cloner, logged: list[str]
) -> None:
    """What waits in the session for the next page, what is logged and what is sent while something really happens."""
    deeds = (
        ("coach", f"/referrals/{_referral(world, 'mine')}/pause/", {}),
        ("receptionist", f"/referrals/{_referral(world, 'mine')}/go-on/", {}),
        ("coach", f"/coaching/people/{_referral(world, 'kept from')}/goals/add/", {"words": "Fewer hours"}),
        ("coach", f"/coaching/people/{_referral(world, 'kept from')}/distress/", {}),
        ("patient kept from", "/my-record/stop/", {}),
        ("supervisor", f"/referrals/{_referral(world, 'mine')}/hand-back/", {}),
        (
            "receptionist",
            f"/patients/{world.patients['mine'].pk}/consent/stop/",
            {"what": "everything", "method": "phone", "said_by": "patient"},
        ),
    )
    del logged[:]
    with cloner.clone(of=module_database):
        for name, address, fields in deeds:
            crawl = Crawl(world.people[name], world.client(name), world.aviary)
            page = crawl.ask("GET", address).content.decode()
            form = next(each for each in forms_of(page, address) if "form_key" in each.fields)
            answer = crawl.ask("POST", address, {**form.fields, **fields})
            assert answer.status_code == 302, address
            assert not _held(world, json.dumps(dict(crawl.client.session.items()), default=str)), address
            crawl.look(answer["Location"])
            assert crawl.faults == []
        assert not _held(world, "\n".join(logged))


def _referral(world: World, name: str) -> UUID:
    """The key of this patient's open referral."""
    birds, patient = world.aviary.canaries.items(), world.patients[name].pk
    return next(
        UUID(key) for key, bird in birds if bird.where == "referrals.Referral.key" and bird.patient == patient
    )


def _held(world: World, text: str) -> list[str]:
    """Which fields are found in the text. The random keys of rows may be: they say nothing of anybody."""
    found = keys_in(text) & world.aviary.canaries.keys()
    return [world.aviary.canaries[key].where for key in found if world.aviary.canaries[key].field != KEY]


# --- The crawl would notice ------------------------------------------------------------------------


def faults(world: World, name: str, address: str) -> list[str]:
    crawl = Crawl(world.people[name], world.client(name), world.aviary)
    crawl.look(address)
    return crawl.faults


def test_a_name_on_a_page_that_is_nobodys_business_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = world.patients["mine"]
    assert faults(world, "commissioner", "/about/") == []
    monkeypatch.setattr(About, "title", f"About {patient.family_name}")
    assert faults(world, "commissioner", "/about/") == [
        "commissioner: GET /about/ (200) shows people.Patient.family_name of mine"
    ]
    assert faults(world, "visitor", "/about/") == [
        "visitor: GET /about/ (200) shows people.Patient.family_name of mine"
    ]


@pytest.mark.parametrize("spelling", ["%-d %B %Y", "%-d %b %Y", "%Y-%m-%d", "%d/%m/%Y"])
def test_a_date_of_birth_is_noticed_however_it_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.setattr(Help, "title", f"{world.patients['mine'].date_of_birth:{spelling}}")
    assert "people.Patient.date_of_birth of mine" in " ".join(faults(world, "coach elsewhere", "/help/"))


def test_a_number_is_noticed_in_a_header(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = formats.nhs_number(world.patients["mine"].nhs_number)

    def get(self: Help, request: HttpRequest) -> HttpResponse:
        return HttpResponse("", headers={"X-Whose": number})

    monkeypatch.setattr(Help, "get", get)
    assert "people.Patient.nhs_number of mine" in " ".join(faults(world, "supervisor", "/help/"))


def test_a_look_that_was_not_recorded_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"/patients/{world.patients['mine'].pk}/"
    assert faults(world, "receptionist", address) == []
    monkeypatch.setattr(Looks, "record", lambda self: None)
    assert "of mine and the log does not say so" in " ".join(faults(world, "receptionist", address))


def test_a_look_recorded_for_somebody_else_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"/patients/{world.patients['mine'].pk}/"
    other = world.patients["waiting"].pk
    monkeypatch.setattr(Looks, "record", lambda self: record_look([other], ["identity", "case", "consent"]))
    assert "of mine and the log does not say so" in " ".join(faults(world, "receptionist", address))


def test_a_class_that_was_left_out_of_the_look_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = world.patients["mine"]
    monkeypatch.setattr(Looks, "record", lambda self: record_look([patient.pk], ["identity"]))
    found = " ".join(faults(world, "clinician", f"/patients/{patient.pk}/notes/"))
    assert "shows referrals.ClinicalNote.text of mine and the log does not say so" in found


def test_a_field_without_a_canary_is_noticed(world: World) -> None:
    kept = {
        key: canary
        for key, canary in world.aviary.canaries.items()
        if canary.where != "coaching.Session.agreed"
    }
    assert canaries.without_canary(replace(world.aviary, canaries=kept)) == ["coaching.Session.agreed"]
