"""NHS login for patients: who is let in, who is not, and that a stranger learns nothing from trying."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client

from audit.models import Kind
from pilot.access import Actor, Role, acting
from pilot.people import actions as people
from pilot.people.models import Patient, User
from pilot.sign_in.oidc import actions
from pilot.sign_in.oidc.configuration import Provider
from pilot.sign_in.oidc.policies import Refused, Why, proven_patient
from pilot.sign_in.oidc.tokens import Answer
from tests import factories
from tests.factories import TESTS
from tests.log import events
from tests.sign_in.oidc.journey import (
    claims_of,
    come_back,
    depart,
    just_signed_in,
    refusals,
    refused,
    said,
    travel,
    who,
)
from tests.sign_in.oidc.provider import RealProvider
from tests.together import at_once

pytestmark = pytest.mark.django_db
NHS = "nhs-login"


# --- In ---


def test_a_registered_patient_opens_an_account_without_a_password(
    client: Client, nhs: RealProvider, patient: Patient
) -> None:
    nhs.knows("sub-1", **claims_of(patient, family_name="O'BRIEN Zizek", email="Ana@Example.org"))
    answer = travel(client, nhs, NHS, "sub-1")
    assert answer.status_code == 302
    user = User.objects.get(pk=who(client))
    assert user.email == "ana@example.org"
    assert not user.has_usable_password()
    assert client.get("/my-record/").status_code == 200


def test_nothing_is_kept_of_what_nhs_login_says_but_its_name_for_the_person(
    linked: Patient, nhs: RealProvider
) -> None:
    link = SocialAccount.objects.get()
    assert (link.provider, link.uid, link.extra_data) == (nhs.issuer, "sub-1", {})
    assert not SocialToken.objects.exists()


def test_who_was_let_in_once_signs_in_again(client: Client, nhs: RealProvider, linked: Patient) -> None:
    accounts = User.objects.count()
    travel(client, nhs, NHS, "sub-1")
    assert who(client) == str(SocialAccount.objects.get().user_id)
    assert User.objects.count() == accounts


def test_a_name_that_changed_since_keeps_nobody_out(
    client: Client, nhs: RealProvider, linked: Patient
) -> None:
    nhs.knows("sub-1", **claims_of(linked, family_name="Married"))
    travel(client, nhs, NHS, "sub-1")
    assert who(client)


def test_signing_in_is_in_the_log_with_the_look_that_found_the_patient(
    linked: Patient, nhs: RealProvider
) -> None:
    by = {"actor": "system:sign-in"}
    assert [event.action for event in events(**by, kind=Kind.READ, patient_id=linked.pk)] == [
        "oidc.nhs-login-callback"
    ]
    assert events(**by, kind=Kind.CHANGED, relation="people_patient", action="patient.account_opened")
    [signed_in] = events(**by, kind=Kind.SIGN_IN, action="account.signed_in")
    assert signed_in.row_id == str(SocialAccount.objects.get().user_id)


def test_a_session_begins_as_with_a_password(client: Client, nhs: RealProvider, linked: Patient) -> None:
    from pilot.web.middleware import ACTING_AS, SEEN, STARTED

    before = client.session.session_key
    travel(client, nhs, NHS, "sub-1")
    session = client.session
    assert session.session_key != before
    assert session[STARTED]
    assert session[SEEN]
    assert ACTING_AS not in session
    assert client.get("/my-record/").status_code == 200


def test_it_leads_on_to_the_page_that_was_asked_for_and_to_no_other_site(
    client: Client, nhs: RealProvider, linked: Patient
) -> None:
    for asked, led_to in (("/my-record/notes/", "/my-record/notes/"), ("https://evil.example/", "/")):
        address = depart(client, NHS, next=asked)
        assert come_back(client, nhs.agree(address, "sub-1")).headers["Location"] == led_to
        client.logout()


def test_whoever_is_signed_in_already_in_another_tab_is_signed_out_first(
    client: Client, nhs: RealProvider, pilot: factories.Pilot, linked: Patient
) -> None:
    address = depart(client, NHS)
    back = nhs.agree(address, "sub-1")
    # The same browser, signed in as somebody else meanwhile: what waits in the session stays.
    other = factories.user_of(factories.patient_actor(factories.make_patient(pilot.practice)))
    client.post("/account/login/", {"login": other.email, "password": factories.PASSWORD})
    assert who(client) == str(other.pk)
    come_back(client, back)
    assert who(client) == str(SocialAccount.objects.get().user_id)


# --- Not in ---


@pytest.mark.parametrize(
    "differs",
    [
        {"nhs_number": "9990000018"},
        {"birthdate": "1999-12-31"},
        {"family_name": "Brien"},
    ],
    ids=str,
)
def test_whoever_does_not_fit_is_refused(
    client: Client, nhs: RealProvider, patient: Patient, differs: dict[str, str]
) -> None:
    nhs.knows("sub-1", **claims_of(patient, **differs))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, NHS, Why.NOBODY)
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    "lacks", [{"identity_proofing_level": "P5", "vot": "P5.Cp.Cd"}, {"nhs_number": None}], ids=str
)
def test_whoever_is_not_proven_to_the_level_asked_for_is_refused(
    client: Client, nhs: RealProvider, patient: Patient, lacks: dict[str, Any]
) -> None:
    nhs.knows("sub-1", **claims_of(patient, **lacks))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, NHS, Why.NOT_PROVEN)


def test_two_papers_that_contradict_each_other_are_not_believed(
    client: Client, nhs: RealProvider, patient: Patient
) -> None:
    nhs.knows("sub-1", **claims_of(patient))
    nhs.changes["/userinfo"] = lambda claims: {**claims, "birthdate": "1999-12-31"}
    assert travel(client, nhs, NHS, "sub-1").status_code == 400
    assert who(client) is None
    assert refusals(NHS) == ["not_believed"]


@pytest.mark.parametrize("changed", [{"nhs_number": "9990000018"}, {"birthdate": "1999-12-31"}], ids=str)
def test_a_connected_person_whose_details_differ_now_is_refused(
    client: Client, nhs: RealProvider, linked: Patient, changed: dict[str, str]
) -> None:
    nhs.knows("sub-1", **claims_of(linked, **changed))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, NHS, Why.CHANGED)


def test_a_connected_person_is_refused_once_the_practice_has_another_number_for_them(
    client: Client, nhs: RealProvider, linked: Patient
) -> None:
    details = factories.PatientDetailsFactory(
        family_name=linked.family_name, date_of_birth=linked.date_of_birth, email=""
    )
    with acting(TESTS, "test.looked"):
        fresh = Patient.objects.get(pk=linked.pk)
    people.change_details(fresh, details, version=fresh.version, by=TESTS)
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, NHS, Why.CHANGED)


def test_a_connected_person_needs_the_same_proof_every_time(
    client: Client, nhs: RealProvider, linked: Patient
) -> None:
    nhs.knows("sub-1", **claims_of(linked, identity_proofing_level="P5", vot="P5.Cp.Cd"))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, NHS, Why.NOT_PROVEN)


def test_a_suspended_account_stays_shut(client: Client, nhs: RealProvider, linked: Patient) -> None:
    user = SocialAccount.objects.get().user
    with acting(TESTS, "test.suspended"):
        user.is_active = False
        user.save(update_fields=["is_active"])
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, NHS, Why.SUSPENDED)


# --- Accounts that are there already ---


def test_an_account_with_a_password_is_taken_over_by_nobody_whatever_the_address(
    client: Client, nhs: RealProvider, patient: Patient
) -> None:
    account = factories.user_of(factories.patient_actor(patient))
    nhs.knows("sub-1", **claims_of(patient, email=account.email))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, NHS, Why.HAS_ACCOUNT)
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("address", ["unconfirmed", "none", "taken"])
def test_no_account_is_opened_without_an_address_that_is_theirs_alone(
    client: Client, nhs: RealProvider, patient: Patient, address: str
) -> None:
    factories.make_user(email="taken@example.org")
    claims = {
        "unconfirmed": {"email_verified": False},
        "none": {"email": None},
        "taken": {"email": "Taken@example.org"},
    }[address]
    accounts = User.objects.count()
    nhs.knows("sub-1", **claims_of(patient, **claims))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert User.objects.count() == accounts
    assert refused(client, NHS, Why.NO_ADDRESS)


# --- The same person at two practices ---


@pytest.fixture
def twice(pilot: factories.Pilot, patient: Patient) -> Patient:
    """The patient once more, at the other practice."""
    same = {"nhs_number": patient.nhs_number, "date_of_birth": patient.date_of_birth}
    return factories.make_patient(pilot.other_practice, family_name=patient.family_name, email="", **same)


def test_which_of_two_practices_is_meant_no_page_decides(
    client: Client, nhs: RealProvider, twice: Patient
) -> None:
    nhs.knows("sub-1", **claims_of(twice))
    page = travel(client, nhs, NHS, "sub-1")
    assert refused(client, NHS, Why.SEVERAL)
    assert "ask your practice" in said(page)


def test_a_practice_that_has_closed_is_not_one_of_the_two(
    client: Client, nhs: RealProvider, pilot: factories.Pilot, patient: Patient, twice: Patient
) -> None:
    pilot.other_practice.valid_until = dt.date(2024, 1, 1)
    with acting(TESTS, "test.closed"):
        pilot.other_practice.save()
    nhs.knows("sub-1", **claims_of(patient))
    travel(client, nhs, NHS, "sub-1")
    with acting(TESTS, "test.looked"):
        assert str(Patient.objects.get(pk=patient.pk).account_id) == who(client)
        assert Patient.objects.get(pk=twice.pk).account_id is None


def test_an_account_at_one_of_the_two_is_connected_by_signing_in_to_it(
    client: Client, nhs: RealProvider, patient: Patient, twice: Patient
) -> None:
    account = factories.patient_actor(patient)
    nhs.knows("sub-1", **claims_of(patient))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    travel(just_signed_in(client, account), nhs, NHS, "sub-1", rest="")
    client.logout()
    travel(client, nhs, NHS, "sub-1")
    assert who(client) == str(account.user_id)


# --- Nothing to be learnt ---


def test_every_refusal_reads_the_same(
    client: Client, nhs: RealProvider, pilot: factories.Pilot, patient: Patient
) -> None:
    """Unknown, another birthday, at two practices, with an account, not proven, suspended: one page."""
    nobody = claims_of(patient, nhs_number="9990000018")
    other_day = claims_of(patient, birthdate="1999-12-31")
    unproven = claims_of(patient, identity_proofing_level="P5")
    with_account = factories.make_patient(pilot.practice, account=True)
    pages = []
    for number, claims in enumerate((nobody, other_day, unproven, claims_of(with_account))):
        nhs.knows(f"sub-{number}", **claims)
        pages.append(travel(client, nhs, NHS, f"sub-{number}"))
    assert {page.status_code for page in pages} == {403}
    assert len({said(page) for page in pages}) == 1
    assert len(set(refusals(NHS))) == 3


def test_nothing_that_nhs_login_says_stands_in_a_log_a_page_or_an_event(
    client: Client, nhs: RealProvider, patient: Patient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = {"nhs_number": "9990000018", "birthdate": "1931-02-03", "family_name": "Unmistakable"}
    nhs.knows("sub-unmistakable", **claims_of(patient, **secret, email="unmistakable@example.org"))
    page = travel(client, nhs, NHS, "sub-unmistakable")
    ours = [
        record.getMessage()
        for record in caplog.records
        if record.name.split(".")[0] in ("django", "pilot", "allauth")
    ]
    logged = [str(vars(event)) for event in events(actor="system:sign-in")]
    everywhere = " ".join([page.content.decode(), *ours, *logged]).lower()
    assert not [word for word in (*secret.values(), "unmistakable") if word.lower() in everywhere]


# --- Walls between the kinds of account ---


def test_no_member_of_staff_comes_in_by_nhs_login(
    client: Client, nhs: RealProvider, pilot: factories.Pilot, linked: Patient
) -> None:
    user = SocialAccount.objects.get().user
    factories.make_staff(Role.RECEPTIONIST, pilot.practice, user=user)
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, NHS, Why.WRONG_KIND)


# --- Races ---


def test_the_same_person_coming_back_twice_at_once_has_one_account(
    own_database: str, nhs: RealProvider
) -> None:
    patient = factories.make_patient(factories.make_pilot().practice)
    nhs.knows("sub-1", **claims_of(patient))
    clients = [Client(), Client()]
    backs = [nhs.agree(depart(client, NHS), "sub-1") for client in clients]
    arrivals = [partial(come_back, *pair) for pair in zip(clients, backs, strict=True)]
    assert sorted(answer.status_code for answer in at_once(*arrivals)) in ([302, 302], [302, 403])
    assert SocialAccount.objects.count() == 1
    with acting(TESTS, "test.looked"):
        assert Patient.objects.get(pk=patient.pk).account_id == SocialAccount.objects.get().user_id


def test_an_account_opened_meanwhile_is_not_replaced(
    configured: dict[str, Provider], patient: Patient
) -> None:
    """What the action was given may be older than what the database holds by then."""
    answer = Answer(configured[NHS], "sub-1", claims_of(patient), {})
    with acting(TESTS, "test.looked"):
        fresh = Patient.objects.get(pk=patient.pk)
    account = people.open_account(fresh, "ana@example.org", factories.PASSWORD, by=TESTS)
    with pytest.raises(Refused) as refusal:
        actions.open_account_by_nhs_login(patient, proven_patient(answer), answer, by=Actor.system("sign-in"))
    assert refusal.value.why is Why.HAS_ACCOUNT
    with acting(TESTS, "test.looked"):
        assert Patient.objects.get(pk=patient.pk).account_id == account.pk
