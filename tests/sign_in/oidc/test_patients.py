"""NHS login for patients: who is let in, who is not, and that a stranger learns nothing from trying."""

from __future__ import annotations

import datetime as dt
import threading
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
from tests.sign_in.oidc.journey import claims_of, come_back, depart, events, just_signed_in, said, travel, who
from tests.sign_in.oidc.provider import RealProvider
from tests.web.site import hidden_of

pytestmark = pytest.mark.django_db
NHS = "nhs-login"


@pytest.fixture
def pilot() -> factories.Pilot:
    return factories.make_pilot()


@pytest.fixture
def patient(pilot: factories.Pilot) -> Patient:
    return factories.make_patient(pilot.practice, family_name="Ó Brien-Žižek", email="")


@pytest.fixture
def linked(client: Client, nhs: RealProvider, patient: Patient) -> Patient:
    """A patient whose account was opened by NHS login, as `sub-1`, and who has signed out since."""
    nhs.knows("sub-1", **claims_of(patient))
    travel(client, nhs, NHS, "sub-1")
    client.logout()
    return patient


def refusals() -> list[str]:
    return [event.reason for event in events(kind=Kind.REFUSED, action="oidc.nhs-login-callback")]


def refused(client: Client, why: Why) -> bool:
    """Whether nobody is signed in, and the log says why; the page never does."""
    return who(client) is None and refusals()[-1:] == [why.value]


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
    assert refused(client, Why.NOBODY)
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    "lacks", [{"identity_proofing_level": "P5", "vot": "P5.Cp.Cd"}, {"nhs_number": None}], ids=str
)
def test_whoever_is_not_proven_to_the_level_asked_for_is_refused(
    client: Client, nhs: RealProvider, patient: Patient, lacks: dict[str, Any]
) -> None:
    nhs.knows("sub-1", **claims_of(patient, **lacks))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, Why.NOT_PROVEN)


def test_two_papers_that_contradict_each_other_are_not_believed(
    client: Client, nhs: RealProvider, patient: Patient
) -> None:
    nhs.knows("sub-1", **claims_of(patient))
    nhs.changes["/userinfo"] = lambda claims: {**claims, "birthdate": "1999-12-31"}
    assert travel(client, nhs, NHS, "sub-1").status_code == 400
    assert who(client) is None
    assert refusals() == ["not_believed"]


@pytest.mark.parametrize("changed", [{"nhs_number": "9990000018"}, {"birthdate": "1999-12-31"}], ids=str)
def test_a_connected_person_whose_details_differ_now_is_refused(
    client: Client, nhs: RealProvider, linked: Patient, changed: dict[str, str]
) -> None:
    nhs.knows("sub-1", **claims_of(linked, **changed))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, Why.CHANGED)


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
    assert refused(client, Why.CHANGED)


def test_a_connected_person_needs_the_same_proof_every_time(
    client: Client, nhs: RealProvider, linked: Patient
) -> None:
    nhs.knows("sub-1", **claims_of(linked, identity_proofing_level="P5", vot="P5.Cp.Cd"))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, Why.NOT_PROVEN)


def test_a_suspended_account_stays_shut(client: Client, nhs: RealProvider, linked: Patient) -> None:
    user = SocialAccount.objects.get().user
    with acting(TESTS, "test.suspended"):
        user.is_active = False
        user.save(update_fields=["is_active"])
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, Why.SUSPENDED)


# --- Accounts that are there already ---


def test_an_account_with_a_password_is_taken_over_by_nobody_whatever_the_address(
    client: Client, nhs: RealProvider, patient: Patient
) -> None:
    account = factories.user_of(factories.patient_actor(patient))
    nhs.knows("sub-1", **claims_of(patient, email=account.email))
    assert travel(client, nhs, NHS, "sub-1").status_code == 403
    assert refused(client, Why.HAS_ACCOUNT)
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
    assert refused(client, Why.NO_ADDRESS)


def test_whoever_is_signed_in_connects_their_own_nhs_login_and_uses_it_from_then_on(
    client: Client,
    nhs: RealProvider,
    patient: Patient,
    mailoutbox: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    account = factories.patient_actor(patient)
    just_signed_in(client, account)
    nhs.knows("sub-1", **claims_of(patient))
    with django_capture_on_commit_callbacks(execute=True):
        answer = travel(client, nhs, NHS, "sub-1", rest="")
    assert answer.headers["Location"] == "/account/"
    client.logout()
    travel(client, nhs, NHS, "sub-1")
    assert who(client) == str(account.user_id)
    assert [event.actor for event in events(action="account.connected")] == [str(account.user_id)]
    assert mailoutbox[0].to == [factories.user_of(account).email]
    assert "NHS login" in mailoutbox[0].body


@pytest.mark.parametrize("differs", [{"nhs_number": "9990000018"}, {"family_name": "Other"}], ids=str)
def test_nobody_connects_somebody_elses_nhs_login(
    client: Client, nhs: RealProvider, patient: Patient, differs: dict[str, str]
) -> None:
    just_signed_in(client, factories.patient_actor(patient))
    nhs.knows("sub-1", **claims_of(patient, **differs))
    assert travel(client, nhs, NHS, "sub-1", rest="").status_code == 403
    assert not SocialAccount.objects.exists()


def test_an_nhs_login_is_connected_to_one_account_and_an_account_to_one_nhs_login(
    client: Client, nhs: RealProvider, pilot: factories.Pilot, linked: Patient
) -> None:
    same = {"nhs_number": linked.nhs_number, "date_of_birth": linked.date_of_birth}
    elsewhere = factories.make_patient(pilot.other_practice, family_name=linked.family_name, email="", **same)
    just_signed_in(client, factories.patient_actor(elsewhere))
    assert travel(client, nhs, NHS, "sub-1", rest="").status_code == 403
    nhs.knows("sub-2", **claims_of(elsewhere))
    assert travel(client, nhs, NHS, "sub-2", rest="").status_code == 302
    nhs.knows("sub-3", **claims_of(elsewhere))
    assert travel(client, nhs, NHS, "sub-3", rest="").status_code == 403
    assert set(SocialAccount.objects.values_list("uid", flat=True)) == {"sub-1", "sub-2"}


def test_connecting_asks_again_who_it_is_unless_they_signed_in_just_now(
    client: Client, patient: Patient
) -> None:
    factories.sign_in(client, factories.patient_actor(patient))
    session = client.session
    session["started_at"], session["seen_at"] = 1.0, 9e9
    session.save()
    from pilot.web import middleware

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(middleware.SessionExpiryMiddleware, "_has_ended", lambda *_: False)
        answer = client.post("/account/with/nhs-login/")
    assert answer.headers["Location"] == "/account/reauthenticate/?next=%2Faccount%2Fwith%2Fnhs-login%2F"


def test_a_way_back_connects_the_account_that_it_left_from_and_no_other(
    client: Client, nhs: RealProvider, pilot: factories.Pilot, patient: Patient
) -> None:
    other = factories.patient_actor(factories.make_patient(pilot.practice))
    just_signed_in(client, factories.patient_actor(patient))
    nhs.knows("sub-1", **claims_of(patient))
    back = nhs.agree(depart(client, NHS, ""), "sub-1")
    session = client.session
    for state in session["socialaccount_states"].values():
        state[0]["data"]["user"] = str(other.user_id)
    session.save()
    assert come_back(client, back).status_code == 400
    client.logout()
    assert come_back(client, back).status_code == 400
    assert not SocialAccount.objects.exists()


def test_it_is_ended_where_a_password_remains(client: Client, nhs: RealProvider, patient: Patient) -> None:
    just_signed_in(client, factories.patient_actor(patient))
    nhs.knows("sub-1", **claims_of(patient))
    travel(client, nhs, NHS, "sub-1", rest="")
    page = client.get("/account/with/nhs-login/disconnect/")
    hidden = hidden_of(page.content.decode())
    assert client.post("/account/with/nhs-login/disconnect/", hidden).headers["Location"] == "/account/"
    assert not SocialAccount.objects.exists()
    assert events(action="account.disconnected")


def test_the_only_way_in_is_not_ended(client: Client, nhs: RealProvider, linked: Patient) -> None:
    travel(client, nhs, NHS, "sub-1")
    page = client.get("/account/with/nhs-login/disconnect/")
    assert "Set a password" in said(page)
    assert 'type="submit"' not in said(page)
    answer = client.post("/account/with/nhs-login/disconnect/", hidden_of(page.content.decode()))
    assert answer.status_code == 422
    assert SocialAccount.objects.exists()


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
    assert refused(client, Why.SEVERAL)
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
    assert len(set(refusals())) == 3


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
    assert refused(client, Why.WRONG_KIND)


def test_nobody_but_a_patient_connects_nhs_login_whatever_the_page(
    configured: dict[str, Provider], pilot: factories.Pilot, patient: Patient
) -> None:
    staff = factories.make_staff(Role.CLINICIAN, pilot.practice)
    answer = Answer(configured[NHS], "sub-1", claims_of(patient), {})
    with acting(staff, "test.connecting"), pytest.raises(Refused) as refusal:
        actions.connect(factories.user_of(staff), answer, by=staff)
    assert refusal.value.why is Why.WRONG_KIND


def test_staff_find_no_page_to_connect_nhs_login(client: Client, pilot: factories.Pilot) -> None:
    just_signed_in(client, factories.make_staff(Role.CLINICIAN, pilot.practice))
    for rest in ("", "disconnect/"):
        assert client.get(f"/account/with/nhs-login/{rest}").status_code == 404
    assert client.post("/account/with/nhs-login/").status_code == 404


# --- Races ---


def test_the_same_person_coming_back_twice_at_once_has_one_account(
    own_database: str, nhs: RealProvider
) -> None:
    patient = factories.make_patient(factories.make_pilot().practice)
    nhs.knows("sub-1", **claims_of(patient))
    clients = [Client(), Client()]
    backs = [nhs.agree(depart(client, NHS), "sub-1") for client in clients]
    answers: list[int] = []

    def arrive(client: Client, back: str) -> None:
        from django.db import connections

        try:
            answers.append(come_back(client, back).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=arrive, args=pair) for pair in zip(clients, backs, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) in ([302, 302], [302, 403])
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
