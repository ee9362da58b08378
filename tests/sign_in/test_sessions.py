"""Where somebody is signed in, how sessions end, and that a new browser is told of."""

import datetime as dt
import re
from urllib.parse import quote

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from pilot.access import Actor, acting
from pilot.people.models import Patient
from pilot.sign_in.browsers import in_words
from pilot.sign_in.tasks import forget_ended_sessions
from tests import factories, second_steps
from tests.forms import hidden_in
from tests.sign_in.people import ACCOUNT, LOGIN, enters_password, events_of, signs_in, subjects

SESSIONS = "/account/sessions/"
# Later than any clock that runs this: accounts made now count only sessions that began after them.
LATER = dt.datetime(2050, 6, 6, 9, 0, tzinfo=dt.UTC)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1"
)
AGENT = "User-Agent"


def ends(client: Client, which: str):
    return client.post(SESSIONS, {**hidden_in(client.get(SESSIONS)), "session": which})


def choices(client: Client) -> list[str]:
    return re.findall(r'name="session" type="radio" value="([^"]+)"', client.get(SESSIONS).content.decode())


def test_the_list_says_where_since_when_and_which_is_this_one(patient: Patient) -> None:
    here = signs_in(Client(headers={AGENT: FIREFOX}), patient.account)
    signs_in(Client(headers={AGENT: IPHONE}, REMOTE_ADDR="198.51.100.4"), patient.account)
    page = here.get(SESSIONS).content.decode()
    assert "Firefox on Windows" in page
    assert "Safari on iPhone" in page
    assert "198.51.100.4" in page
    assert page.count("This one, now") == 1
    assert "2 browsers" in here.get(ACCOUNT).content.decode()


def test_one_session_is_ended_from_another(patient: Patient) -> None:
    here, there, elsewhere = (signs_in(Client(), patient.account) for _ in range(3))
    keys = choices(here)
    assert len(keys) == 3  # two others, and "all but this one"
    ended = there.cookies["session"].value
    with acting(factories.TESTS, "test.read"):
        key = str(UserSession.objects.get(session_key=ended).pk)
    assert ends(here, key).status_code == 302
    assert there.get(ACCOUNT).headers["Location"].startswith(LOGIN)
    assert [browser.get(ACCOUNT).status_code for browser in (here, elsewhere)] == [200, 200]
    assert not Session.objects.filter(session_key=ended).exists()
    assert events_of(patient.account)[-1] == "session_ended"


def test_all_others_are_ended_at_once(patient: Patient) -> None:
    here, there, elsewhere = (signs_in(Client(), patient.account) for _ in range(3))
    assert ends(here, "others").status_code == 302
    assert [browser.get(ACCOUNT).status_code for browser in (here, there, elsewhere)] == [200, 302, 302]
    assert choices(here) == []


def test_nobody_ends_or_sees_the_session_of_somebody_else(patient: Patient, pilot: factories.Pilot) -> None:
    other = factories.make_patient(pilot.practice, account=True)
    theirs = signs_in(Client(REMOTE_ADDR="198.51.100.99"), other.account)
    mine = signs_in(Client(), patient.account)
    signs_in(Client(), patient.account)
    with acting(factories.TESTS, "test.read"):
        key = str(UserSession.objects.get(user=other.account).pk)
    assert "198.51.100.99" not in mine.get(SESSIONS).content.decode()
    assert ends(mine, key).status_code == 422
    assert theirs.get(ACCOUNT).status_code == 200
    with acting(factories.patient_actor(patient), "test.read"):
        assert not UserSession.objects.filter(user=other.account).exists()


def test_signing_out_everywhere_deletes_what_there_is_of_every_session(patient: Patient) -> None:
    here, there = (signs_in(Client(), patient.account) for _ in range(2))
    keys = [browser.cookies["session"].value for browser in (here, there)]
    address = "/account/sign-out-everywhere/"
    assert here.post(address, hidden_in(here.get(address))).status_code == 302
    assert not Session.objects.filter(session_key__in=keys).exists()
    assert there.get(ACCOUNT).headers["Location"].startswith(LOGIN)
    assert "signed_out_everywhere" in events_of(patient.account)


def test_whoever_signed_in_a_while_ago_confirms_before_ending_anything(patient: Patient) -> None:
    with time_machine.travel(LATER, tick=False) as clock:
        here, there = (signs_in(Client(), patient.account) for _ in range(2))
        clock.shift(dt.timedelta(minutes=6))
        for address in (SESSIONS, "/account/sign-out-everywhere/"):
            for response in (here.get(address), here.post(address)):
                assert (
                    response.headers["Location"] == f"/account/reauthenticate/?next={quote(address, safe='')}"
                )
        assert there.get(ACCOUNT).status_code == 200
        answers = {"password": factories.PASSWORD, "next": SESSIONS}
        assert here.post("/account/reauthenticate/", answers).headers["Location"] == SESSIONS
        assert ends(here, "others").status_code in (302, 422)
        assert here.get(SESSIONS).status_code == 200


def test_whoever_has_a_second_step_confirms_with_that(patient: Patient) -> None:
    second_steps.app_of(patient.account)
    with time_machine.travel(LATER, tick=False) as clock:
        here = signs_in(Client(), patient.account)
        clock.shift(dt.timedelta(minutes=6))
        response = here.get(SESSIONS)
        assert response.headers["Location"].startswith("/account/second-step/reauthenticate/")
        password = here.post("/account/reauthenticate/", {"password": factories.PASSWORD, "next": SESSIONS})
        assert password.headers["Location"].startswith("/account/second-step/reauthenticate/")
        assert here.get(SESSIONS).status_code == 302
        here.post("/account/second-step/reauthenticate/", {"code": second_steps.code_now(patient.account)})
        assert here.get(SESSIONS).status_code == 200


def test_what_is_left_of_old_sessions_is_removed_by_the_clock(patient: Patient) -> None:
    with time_machine.travel(LATER, tick=False) as clock:
        old = signs_in(Client(), patient.account).cookies["session"].value
        clock.shift(dt.timedelta(hours=11))
        new = signs_in(Client(), patient.account).cookies["session"].value
        clock.shift(dt.timedelta(hours=2))
        forget_ended_sessions()
        assert [Session.objects.filter(session_key=key).exists() for key in (old, new)] == [False, True]
        with acting(factories.TESTS, "test.read"):
            listed = set(
                UserSession.objects.filter(user=patient.account).values_list("session_key", flat=True)
            )
        assert listed == {new}


def test_signing_out_is_in_the_log_and_ends_the_session_at_the_server(patient: Patient) -> None:
    client = signs_in(Client(), patient.account)
    kept = client.cookies["session"].value
    client.post("/account/logout/")
    thief = Client()
    thief.cookies["session"] = kept
    assert thief.get(ACCOUNT).status_code == 302
    assert events_of(patient.account) == ["signed_in", "signed_out"]


def test_every_sign_in_is_another_session(patient: Patient) -> None:
    client = Client()
    client.get(LOGIN)
    before = client.session.session_key
    signs_in(client, patient.account)
    assert client.session.session_key != before


def test_a_new_browser_is_told_of_once_and_another_one_again(patient: Patient) -> None:
    browser = signs_in(Client(headers={AGENT: FIREFOX}), patient.account)
    assert subjects() == ["New sign-in to your account"]
    assert mail.outbox[0].to == [patient.account.email]
    assert "Firefox on Windows" in mail.outbox[0].body
    assert "http" not in mail.outbox[0].body
    browser.post("/account/logout/")
    signs_in(browser, patient.account)
    assert len(mail.outbox) == 1
    signs_in(Client(), patient.account)
    assert len(mail.outbox) == 2


def test_a_browser_known_for_one_account_is_new_for_another(patient: Patient, pilot: factories.Pilot) -> None:
    other = factories.make_patient(pilot.practice, account=True)
    shared = signs_in(Client(), patient.account)
    shared.post("/account/logout/")
    signs_in(shared, other.account)
    shared.post("/account/logout/")
    mail.outbox.clear()
    for account in (patient.account, other.account):
        signs_in(shared, account)
        shared.post("/account/logout/")
    assert mail.outbox == []


@pytest.mark.parametrize("forged", ["", "nonsense", "WyJhIl0:1u:x"])
def test_a_forged_cookie_makes_no_browser_known(patient: Patient, forged: str) -> None:
    client = Client()
    client.cookies["known"] = forged
    signs_in(client, patient.account)
    assert subjects() == ["New sign-in to your account"]


def test_a_mail_server_that_is_down_keeps_nobody_out(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    client = signs_in(Client(), patient.account)
    assert client.get(ACCOUNT).status_code == 200
    assert "could not be sent" in caplog.text
    assert patient.account.email not in caplog.text


def test_an_unknown_address_leaves_no_trace_of_itself(pilot: factories.Pilot) -> None:
    from django.db import connections

    before = len(events_of(None))
    enters_password(Client(), factories.User(email="my-password-typed-here@example.org"))
    assert events_of(None)[before:] == ["sign_in_refused"]
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_event e WHERE to_jsonb(e)::text LIKE '%typed-here%'")
        assert cursor.fetchone() == (0,)


def test_a_suspended_account_is_refused_and_logged(receptionist: Actor, manager: Actor) -> None:
    from pilot.people.actions import suspend_sign_in

    user = factories.user_of(receptionist)
    suspend_sign_in(user, reason="left", by=manager)
    response = enters_password(Client(), user)
    assert response.headers["Location"] == "/account/inactive/"
    assert events_of(user) == ["sign_in_refused"]


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (X11; CrOS x86_64) Chrome/138.0 Safari/537.36", "Chrome on Chromebook"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/138.0 Safari/537.36 Edg/138.0", "Edge on Windows"),
        ("curl/8.5", "A browser we do not know"),
        ("", "A browser we do not know"),
    ],
)
def test_browsers_are_called_by_names_that_people_know(agent: str, words: str) -> None:
    assert in_words(agent) == words
