"""Patients connect their own NHS login to the account that they have, one to one, and end it where a password remains."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from pilot.access import Actor, Role, acting
from pilot.people.models import Patient
from pilot.sign_in.oidc import actions
from pilot.sign_in.oidc.configuration import Provider
from pilot.sign_in.oidc.policies import Refused, Why
from pilot.sign_in.oidc.tokens import Answer
from tests import factories
from tests.access.racing import SECONDS, Halt, Pool, until_waiting
from tests.forms import hidden_in
from tests.log import events
from tests.sign_in.oidc.journey import claims_of, come_back, depart, just_signed_in, said, travel, who
from tests.sign_in.oidc.provider import RealProvider

pytestmark = pytest.mark.django_db
NHS = "nhs-login"


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
    hidden = hidden_in(page)
    assert client.post("/account/with/nhs-login/disconnect/", hidden).headers["Location"] == "/account/"
    assert not SocialAccount.objects.exists()
    assert events(action="account.disconnected")


def test_the_only_way_in_is_not_ended(client: Client, nhs: RealProvider, linked: Patient) -> None:
    travel(client, nhs, NHS, "sub-1")
    page = client.get("/account/with/nhs-login/disconnect/")
    assert "Set a password" in said(page)
    assert 'type="submit"' not in said(page)
    answer = client.post("/account/with/nhs-login/disconnect/", hidden_in(page))
    assert answer.status_code == 422
    assert SocialAccount.objects.exists()


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


@pytest.mark.parametrize("same", ["account", "person"])
def test_of_two_ways_back_at_once_one_connects(
    own_database: str, configured: dict[str, Provider], monkeypatch: pytest.MonkeyPatch, same: str
) -> None:
    """One account and two people at the provider, or one person there and two accounts."""
    practice = factories.make_pilot().practice
    actors = [factories.make_staff(Role.RECEPTIONIST, practice) for _ in range(2)]
    pairs = (
        [(actors[0], "sub-1"), (actors[0], "sub-2")] if same == "account" else [(a, "sub-1") for a in actors]
    )

    def connect(actor: Actor, subject: str) -> None:
        user = factories.user_of(actor)
        vouched = {"email": user.email, "email_verified": True}
        with acting(actor, "test.connected"):
            actions.connect(user, Answer(configured["work"], subject, vouched, {}), by=actor)

    halt = Halt(monkeypatch, actions, "_connect")
    with ThreadPoolExecutor(2) as threads:
        pool = Pool(threads)
        first = pool.begin(partial(connect, *pairs[0]))
        halt.wait()
        second = pool.begin(partial(connect, *pairs[1]))
        try:
            until_waiting(second)
        finally:
            halt.go_on.set()
        first.result(SECONDS)
        with pytest.raises(Refused) as refusal:
            second.result(SECONDS)
    assert refusal.value.why is Why.TAKEN
    assert [(each.user_id, each.uid) for each in SocialAccount.objects.all()] == [
        (actors[0].user_id, "sub-1")
    ]
