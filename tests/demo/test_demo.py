"""The demo as it is loaded: its people, its page, and signing in as any of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Disclosure, Event
from coaching.models import Session
from pilot.access import Actor, Role, acting
from pilot.dashboards.models import Release
from pilot.demo import stories
from pilot.demo.actions import load
from pilot.demo.invention import PATIENTS
from pilot.demo.personas import PERSONAS, Persona, persona
from pilot.outbox.models import Message
from pilot.people.models import Membership, Organisation, Patient, User
from referrals.models import ClinicalNote, Referral, Status, Withholding

DEMO = Actor.system("demo")


@pytest.fixture(scope="module", autouse=True)
def demo(module_database: str, django_db_blocker: Any) -> Iterator[None]:
    """The whole demo, loaded by its command after a first attempt that was cut off."""
    with django_db_blocker.unblock():
        with pytest.raises(KeyboardInterrupt):
            load(by=DEMO, progress=_cut_off)
        assert not Organisation.objects.exists()
        assert not User.objects.exists()
        call_command("load_demo", verbosity=0)
        yield


def _cut_off(done: int, of: int) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def client() -> Client:
    return Client(enforce_csrf_checks=True)


def _sign_in(client: Client, slug: str) -> Any:
    page = client.get("/demo/")
    token = page.content.decode().split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    return client.post(f"/demo/sign-in/{slug}/", {"csrfmiddlewaretoken": token})


def test_everybody_is_there_and_everything_left_its_event():
    with acting(DEMO, "test.counted"):
        assert Patient.objects.count() == PATIENTS
        assert Patient.objects.filter(nhs_number__startswith="999").count() > PATIENTS * 0.9
        assert not Patient.objects.exclude(nhs_number=None).exclude(nhs_number__startswith="999").exists()
        assert set(Referral.objects.values_list("status", flat=True)) == set(Status)
        assert Session.objects.count() > PATIENTS
        assert Membership.objects.filter(role=Role.COACH.value).count() == 12
    guardian = persona("caldicott-guardian")
    with acting(Actor(guardian.role, guardian.account_id, guardian.name), "test.counted"):
        assert Event.objects.filter(relation="people_patient", kind="created").count() == PATIENTS


def test_whatever_was_sent_is_in_the_ledger_of_disclosures():
    sent = {
        str(each.pk): each for each in Message.objects.using("auditor").filter(status=Message.Status.SENT)
    }
    lines = list(Disclosure.objects.using("auditor").filter(relation=Message._meta.db_table))
    assert sorted(line.row_id for line in lines) == sorted(sent)
    assert len(sent) > 100
    assert [line for line in lines if line.patient_id != sent[line.row_id].patient_id] == []
    # A notice is owed anyhow; anything else relied on a yes.
    relied_on_none = {line.row_id for line in lines if line.decision_id is None}
    wrong = relied_on_none ^ {key for key, message in sent.items() if message.is_notice}
    assert [(sent[key].template, sent[key].purpose, sent[key].sent_at) for key in wrong] == []


def test_figures_are_published():
    assert Release.objects.count() == 1


def test_loading_again_changes_nothing():
    assert load(by=DEMO) is False
    with acting(DEMO, "test.counted"):
        assert Patient.objects.count() == PATIENTS


def test_nobody_has_a_password():
    assert all(not user.has_usable_password() for user in User.objects.all())


def test_a_coach_sees_their_own_caseload_and_not_one_clinical_note(client: Client):
    coach = persona("coach")
    with acting(Actor(coach.role, coach.account_id, coach.name), "test.looked"):
        seen = set(Patient.objects.values_list("pk", flat=True))
    assert stories.LEYLA.patient_id in seen
    assert stories.MARCUS.patient_id not in seen
    assert 5 < len(seen) < 20


def test_a_note_that_is_kept_from_its_patient_was_decided_on_a_ground_and_looked_at_again():
    clinician = persona("clinician")
    with acting(Actor(clinician.role, clinician.account_id, clinician.name), "test.looked"):
        [note] = ClinicalNote.objects.filter(withheld_at__isnull=False, patient_id=stories.JOY.patient_id)
        decided = list(Withholding.objects.filter(note=note).order_by("created_at"))
    assert [each.outcome for each in decided] == ["withheld", "still_withheld"]
    assert [each.ground for each in decided] == [note.withheld_on] * 2
    assert decided[0].review_on == timezone.localdate(decided[1].created_at)
    assert decided[-1].review_on == note.review_on
    assert decided[0].created_at == note.withheld_at


def test_personas_have_every_role_and_one_has_two():
    assert {each.role for each in PERSONAS} == set(Role) - {Role.SYSTEM}
    assert [each.slug for each in PERSONAS if each.also] == ["coach-and-supervisor"]
    assert len({each.slug for each in PERSONAS}) == len(PERSONAS)
    assert len([each for each in PERSONAS if each.role is Role.PATIENT]) >= 2


def test_the_list_for_programs_says_who_there_is_and_where_they_start(client: Client):
    listed = client.get("/demo/personas.json").json()
    assert [each["slug"] for each in listed] == [each.slug for each in PERSONAS]
    assert all(set(each) == {"slug", "name", "role", "organisation", "home"} for each in listed)
    assert {each["role"] for each in listed} == {role.value for role in Role if role is not Role.SYSTEM}
    assert all(each["home"].startswith("/") for each in listed)


@pytest.mark.parametrize("chosen", PERSONAS, ids=lambda each: each.slug)
def test_one_button_signs_in_and_leads_home(chosen: Persona, client: Client):
    response = _sign_in(client, chosen.slug)
    assert (response.status_code, response["Location"]) == (302, chosen.home)
    home = client.get(chosen.home)
    assert home.status_code == 200
    assert chosen.name in home.content.decode()
    assert "Everybody here is invented" in home.content.decode()


def test_a_person_with_two_roles_is_asked_which_one(client: Client):
    assert _sign_in(client, "coach-and-supervisor")["Location"] == reverse("web:choose-role")


def test_being_somebody_else_ends_the_first_session(client: Client):
    _sign_in(client, "coach")
    before = client.cookies["session"].value
    _sign_in(client, "commissioner")
    assert client.cookies["session"].value != before
    assert not Client(cookies={"session": before}).session.get("_auth_user_id")


def test_signing_in_needs_the_form_of_the_page(client: Client):
    assert client.post("/demo/sign-in/coach/").status_code == 403
    assert client.get("/demo/sign-in/coach/").status_code == 405


def test_nobody_signs_in_as_somebody_unknown(client: Client):
    assert _sign_in(client, "nobody").status_code == 404


def test_the_page_shows_open_invitations_that_work(client: Client):
    offered = stories.INVITATIONS[0]
    page = client.get("/demo/").content.decode()
    assert offered.person.name in page
    assert offered.code in page
    address = reverse("record:invitation")
    form = client.get(address, {"code": offered.code}).content.decode()
    token = form.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    born = offered.person.born
    opened = client.post(
        address,
        {
            "csrfmiddlewaretoken": token,
            "code": offered.code,
            "date_of_birth_day": born.day,
            "date_of_birth_month": born.month,
            "date_of_birth_year": born.year,
        },
    )
    assert opened.status_code == 302


def test_looking_at_the_page_is_no_look_at_anybody(client: Client):
    guardian = persona("caldicott-guardian")
    actor = Actor(guardian.role, guardian.account_id, guardian.name)
    client.get("/demo/")
    with acting(actor, "test.counted"):
        assert not Event.objects.filter(kind="read", actor="system:demo.personas").exists()
