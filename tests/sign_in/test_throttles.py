"""Guessing is slow whoever does it from wherever, and never keeps a patient from stopping."""

import re

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from redis.exceptions import ConnectionError as RedisIsAway

from consent.models import Decision
from pilot.access import Actor, acting
from pilot.people.models import Patient
from pilot.people.selectors import practices_by_phone
from pilot.record.policies import address_of
from referrals.models import Status
from tests import factories, second_steps
from tests.forms import hidden_in
from tests.sign_in.people import ACCOUNT, CODE, LOGIN, enters_password, events_of, signs_in

WRONG = "not the right one at all"
PAUSED = "There were many tries in a short time"
RESET = "/account/password/reset/"


def guess(user: object, **client: str) -> str:
    """What somebody reads who tries a wrong password, from a network address and with headers of their choice."""
    address = client.pop("address", "192.0.2.1")
    return enters_password(Client(REMOTE_ADDR=address), user, WRONG, **client).content.decode()


def test_one_account_is_closed_to_guesses_from_everywhere_after_five(patient: Patient) -> None:
    pages = [guess(patient.account, address=f"192.0.2.{n}") for n in range(7)]
    assert [PAUSED in page for page in pages] == [False] * 5 + [True] * 2
    # The right password does not help in the meantime, and the answer does not say that it was right.
    page = enters_password(Client(REMOTE_ADDR="192.0.2.77"), patient.account).content.decode()
    assert PAUSED in page
    assert events_of(patient.account) == ["sign_in_refused"] * 5 + ["sign_in_paused"] * 3


def test_naming_another_port_starts_no_new_count(patient: Patient) -> None:
    pages = [
        guess(patient.account, address=f"192.0.2.{n}", **{"Host": f"localhost:{2000 + n}"}) for n in range(7)
    ]
    assert [PAUSED in page for page in pages] == [False] * 5 + [True] * 2


def test_a_link_in_a_mail_leads_to_the_service_whatever_the_request_named(
    patient: Patient, settings: object, mailoutbox: list[object]
) -> None:
    Client().post(RESET, {"email": patient.account.email}, headers={"Host": "localhost:6666"})
    text = mailoutbox[-1].body
    assert "6666" not in text
    assert f"{settings.BASE_URL}/account/password/reset/key/" in text


def test_an_unknown_address_is_answered_and_closed_in_the_same_way(patient: Patient) -> None:
    nobody = factories.User(email="nobody@example.org")
    known = [guess(patient.account, address=f"192.0.2.{n}") for n in range(7)]
    unknown = [guess(nobody, address=f"192.0.2.{n + 20}") for n in range(7)]

    def told(page: str) -> str:
        errors = page[page.index('class="nhsuk-error-summary"') : page.index("</form>")]
        return re.sub(r'<input type="hidden"[^>]+>', "", errors)

    for one, other in zip(known, unknown, strict=True):
        assert told(one).replace(patient.account.email, "x") == told(other).replace(nobody.email, "x")


def test_one_place_cannot_try_many_accounts(patient: Patient) -> None:
    users = [factories.make_user() for _ in range(12)]
    assert [PAUSED in guess(user) for user in users] == [False] * 10 + [True] * 2
    # Whoever is somewhere else is not kept out by it.
    assert PAUSED not in guess(users[-1], address="198.51.100.7")


@pytest.mark.parametrize(
    ("proxies", "forged", "counted_together"),
    [
        (0, lambda n: f"203.0.113.{n}", True),
        (0, lambda n: f"203.0.113.{n}, 198.51.100.{n}", True),
        # The one proxy adds whom it sees to whatever the visitor claims: here always the same.
        (1, lambda n: f"203.0.113.{n}, 192.0.2.1", True),
        (1, lambda n: "192.0.2.1", True),
        # Whom the trusted proxy sees is another each time.
        (1, lambda n: f"192.0.2.1, 203.0.113.{n}", False),
    ],
)
def test_a_forged_header_makes_nobody_somebody_else(
    pilot: factories.Pilot, settings: object, proxies: int, forged: object, counted_together: bool
) -> None:
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    pages = [
        guess(factories.make_user(), **{"address": "192.0.2.1", "X-Forwarded-For": forged(n)})
        for n in range(12)
    ]
    assert (PAUSED in pages[-1]) is counted_together


def test_without_the_proxies_header_the_peer_counts_and_nonsense_opens_nothing(
    pilot: factories.Pilot, settings: object
) -> None:
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    pages = [guess(factories.make_user()) for _ in range(12)]
    assert PAUSED in pages[-1]
    user = factories.make_user()
    response = enters_password(Client(), user, **{"X-Forwarded-For": "<script>"})
    assert response.status_code in (400, 403)
    assert events_of(user) == []


def test_all_addresses_of_one_household_count_as_one(pilot: factories.Pilot) -> None:
    pages = [guess(factories.make_user(), address=f"2001:db8::{n:x}") for n in range(1, 13)]
    assert PAUSED in pages[-1]


def test_an_ipv4_address_is_the_same_however_it_is_written(pilot: factories.Pilot) -> None:
    mapped = [guess(factories.make_user(), address=f"::ffff:192.0.2.{n}") for n in range(1, 13)]
    assert not [page for page in mapped if PAUSED in page], "each is another address"
    both = [
        guess(factories.make_user(), address=address)
        for address in ["198.51.100.7"] * 6 + ["::ffff:198.51.100.7"] * 6
    ]
    assert [PAUSED in page for page in both] == [False] * 10 + [True] * 2


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
    ],
)
def test_an_invitations_tries_are_counted_by_the_same_address(
    rf: RequestFactory, address: str, counted_as: str
) -> None:
    assert address_of(rf.get("/", REMOTE_ADDR=address)) == counted_as


def test_many_tries_from_one_address_are_in_the_log_once_a_minute(pilot: factories.Pilot) -> None:
    def paused() -> int:
        return events_of(None).count("sign_in_paused")

    before = paused()
    visitor = Client(REMOTE_ADDR="192.0.2.9")
    answers = [visitor.post(LOGIN, {"login": "", "password": ""}).status_code for _ in range(33)]
    assert answers == [200] * 30 + [429] * 3
    assert paused() == before + 1
    Client(REMOTE_ADDR="192.0.2.10").post(LOGIN, {"login": "", "password": ""})
    assert paused() == before + 1


def test_a_right_password_in_between_does_not_start_the_count_again(patient: Patient) -> None:
    for n in range(4):
        guess(patient.account, address=f"192.0.2.{n}")
    signs_in(Client(REMOTE_ADDR="192.0.2.50"), patient.account)
    guess(patient.account, address="192.0.2.51")
    assert PAUSED in guess(patient.account, address="192.0.2.52")


def test_asking_for_new_passwords_is_throttled_and_the_page_says_whom_to_phone(
    pilot: factories.Pilot,
) -> None:
    with acting(factories.TESTS, "test.made"):
        pilot.practice.phone = "020 7946 0123"
        pilot.practice.save()
    answers = [Client().post(RESET, {"email": "somebody@example.org"}) for _ in range(8)]
    assert [answer.status_code for answer in answers[:5]] == [302] * 5
    page = answers[-1]
    assert page.status_code == 429
    text = page.content.decode()
    assert "You never need to sign in to stop taking part" in text
    assert "020 7946 0123" in text
    assert (pilot.practice.name, "020 7946 0123") in practices_by_phone()


def test_changing_a_password_and_confirming_by_one_are_throttled(client: Client, patient: Patient) -> None:
    signs_in(client, patient.account)
    wrong = {"oldpassword": WRONG, "password1": "three quiet lamps", "password2": "three quiet lamps"}
    answers = [client.post("/account/password/change/", wrong).status_code for _ in range(7)]
    assert answers[-1] == 429
    pages = [client.post("/account/reauthenticate/", {"password": WRONG}) for _ in range(12)]
    assert pages[-1].status_code == 429 or PAUSED in pages[-1].content.decode()
    assert client.get(ACCOUNT).status_code == 200


def test_a_patient_who_is_locked_out_stops_by_phone_all_the_same(
    pilot: factories.Pilot, receptionist: Actor, patient: Patient
) -> None:
    factories.make_referral(patient, status=Status.WAITING)
    for n in range(6):
        page = guess(patient.account, address=f"192.0.2.{n}")
    assert "phone your practice or tell them at the desk" in page
    assert PAUSED in enters_password(Client(), patient.account).content.decode()

    desk = factories.sign_in(Client(), receptionist)
    address = reverse("consent:withdraw", args=[patient.pk])
    hidden = hidden_in(desk.get(address))
    assert desk.post(address, {**hidden, "what": "everything", "method": "phone"}).status_code == 302
    with acting(factories.TESTS, "test.read", patients=[patient.pk]):
        answers = {each.answer for each in Decision.objects.of(patient).latest_per_purpose()}
    assert answers == {Decision.Answer.WITHDRAWN}


class TestWithoutRedis:
    """Tries are counted there. Without it nobody signs in, and whoever is in can get out."""

    @pytest.fixture
    def away(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        def refuse(*args: object, **options: object) -> None:
            raise RedisIsAway

        def go() -> None:
            monkeypatch.setattr("redis.Redis.execute_command", refuse)

        monkeypatch.go = go
        return monkeypatch

    def test_nobody_signs_in_and_the_page_says_what_to_do(
        self, client: Client, patient: Patient, away: pytest.MonkeyPatch
    ) -> None:
        away.go()
        assert client.get(LOGIN).status_code == 200
        for password in (factories.PASSWORD, WRONG):
            response = enters_password(client, patient.account, password)
            assert response.status_code == 503
            assert "Nobody can sign in for the moment" in response.content.decode()
            assert "You never need to sign in to stop taking part" in response.content.decode()
        assert client.get(ACCOUNT).status_code == 302
        away.undo()
        signs_in(client, patient.account)
        assert client.get(ACCOUNT).status_code == 200

    def test_nobody_passes_the_second_step(
        self, client: Client, receptionist: Actor, away: pytest.MonkeyPatch
    ) -> None:
        user = factories.user_of(receptionist)
        code = second_steps.code_now(user)
        enters_password(client, user)
        away.go()
        assert client.post(CODE, {"code": code}).status_code == 503
        away.undo()
        assert client.get(ACCOUNT).status_code == 302

    def test_signing_out_works_and_the_session_does_not_come_back_with_it(
        self, client: Client, patient: Patient, away: pytest.MonkeyPatch
    ) -> None:
        signs_in(client, patient.account)
        assert client.get(ACCOUNT).status_code == 200
        kept = client.cookies["session"].value
        away.go()
        response = client.post("/account/logout/")
        assert (response.status_code, response.headers["Location"]) == (302, "/")
        away.undo()
        thief = Client()
        thief.cookies["session"] = kept
        assert thief.get(ACCOUNT).headers["Location"].startswith(LOGIN)


def test_a_request_of_its_own_names_the_peer(rf: object, settings: object) -> None:
    settings.TRUSTED_PROXY_COUNT = 0
    request: HttpRequest = rf.get("/", headers={"X-Forwarded-For": "203.0.113.9"}, REMOTE_ADDR="192.0.2.1")
    assert address_of(request) == "192.0.2.1"
