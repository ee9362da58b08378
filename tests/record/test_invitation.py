"""From a letter to an account: forged, reused, expired and mistyped invitations, and the usual way."""

import datetime as dt
import re
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.core import mail
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from consent.models import Decision, NotNow
from pilot.access import acting
from pilot.outbox import wording
from pilot.outbox.models import Message
from pilot.outbox.tasks import send_due
from pilot.people.models import Patient, User
from pilot.record.policies import MOST_TRIES as MOST_TRIES_BY_ADDRESS
from pilot.record.policies import address_of
from referrals.invitations.actions import invite
from referrals.models import Invitation, Referral, Status
from tests import factories
from tests.factories import TESTS

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

BORN = dt.date(1984, 3, 27)
NEW_PASSWORD = "lamp ferry walnut"
SAME_ANSWER = "We could not open this invitation."
START = "/invitation/"


@pytest.fixture
def patient() -> Patient:
    factories.make_sheet()
    return factories.make_patient(
        factories.make_pilot().practice, given_name="Amina", date_of_birth=BORN, email="amina@example.org"
    )


@pytest.fixture
def invitation(patient: Patient) -> Invitation:
    referral = factories.make_referral(patient)
    return invite(referral, channel=Invitation.Channel.EMAIL, by=TESTS)


@pytest.fixture
def code(invitation: Invitation) -> str:
    with acting(TESTS, "test.read"):
        message = Message.objects.get(pk=invitation.message_id)
    return re.findall(r"\b[2-9A-Z]{5}-[2-9A-Z]{5}\b", wording.whole_text(message))[0]


def try_it(browser: Client, code: str, born: dt.date = BORN) -> Any:
    return browser.post(START, {"code": code, "date_of_birth": born.strftime("%d/%m/%Y")})


def again(row: Any) -> Any:
    with acting(TESTS, "test.read"):
        return type(row).objects.get(pk=row.pk)


def open_account(browser: Client, **data: str) -> Any:
    address = reverse("record:invitation_account")
    page = browser.get(address)
    return browser.post(
        address, {**hidden(page), "email": "amina@example.org", "password": NEW_PASSWORD, **data}
    )


def hidden(page: Any) -> dict[str, str]:
    return {"form_key": page.content.decode().split('name="form_key" value="')[1].split('"')[0]}


def test_the_message_says_how_and_carries_the_code_once(invitation: Invitation, code: str) -> None:
    send_due()
    (sent,) = mail.outbox
    assert code in sent.body
    assert START in sent.body
    assert "coach" not in sent.subject.lower()


def test_code_and_date_of_birth_lead_to_the_sheet_an_account_and_the_questions(
    patient: Patient, invitation: Invitation, code: str
) -> None:
    browser = Client()
    assert try_it(browser, f" {code.lower().replace('-', ' ')} ").url == reverse("record:invitation_read")
    page = browser.get(reverse("record:invitation_read")).content.decode()
    assert "It is up to you." in page
    assert "Not now" in page
    assert open_account(browser).url == reverse("record:read")
    assert again(invitation).used_at is not None
    assert again(patient).account.email == "amina@example.org"
    home = browser.get(reverse("record:home")).content.decode()
    assert "Hello Amina" in home


def test_nothing_was_agreed_to_by_opening_an_account(patient: Patient, code: str) -> None:
    browser = Client()
    try_it(browser, code)
    open_account(browser)
    with acting(TESTS, "test.read"):
        assert not Decision.objects.filter(patient=patient).exists()


def test_not_now_needs_no_account_and_no_reason(patient: Patient, invitation: Invitation, code: str) -> None:
    browser = Client()
    try_it(browser, code)
    address = reverse("record:invitation_not_now")
    answer = browser.post(address, hidden(browser.get(address)))
    assert answer.url == reverse("record:not_now_said")
    assert b"You do not have to do anything." in browser.get(answer.url).content
    assert again(patient).do_not_raise_until > timezone.localdate() + dt.timedelta(days=150)
    assert again(patient).account is None
    with acting(TESTS, "test.read"):
        assert Referral.objects.get(patient=patient).status == Status.SET_ASIDE
        assert not Decision.objects.filter(patient=patient).exists()
        assert NotNow.objects.get().count == 1
    assert SAME_ANSWER.encode() in try_it(Client(), code).content  # closed with everything else


def test_whatever_does_not_fit_gets_the_same_answer(patient: Patient, code: str) -> None:
    wrong_code = try_it(Client(), "22222-22222")
    wrong_date = try_it(Client(), code, BORN + dt.timedelta(days=1))
    assert wrong_code.status_code == wrong_date.status_code == 422
    for answer in (wrong_code, wrong_date):
        assert SAME_ANSWER.encode() in answer.content
    assert shown(wrong_code) == shown(wrong_date)


def shown(answer: Any) -> str:
    """The summary of what is wrong."""
    text: str = answer.content.decode()
    return text.split("nhsuk-error-summary")[1].split("</div>", maxsplit=1)[0]


def test_five_wrong_dates_close_it_even_for_the_right_one(invitation: Invitation, code: str) -> None:
    for days in range(1, 6):
        assert SAME_ANSWER.encode() in try_it(Client(), code, BORN + dt.timedelta(days=days)).content
    assert again(invitation).attempts == 5
    answer = try_it(Client(), code)
    assert SAME_ANSWER.encode() in answer.content
    assert again(invitation).attempts == 5


def test_four_wrong_dates_do_not(invitation: Invitation, code: str) -> None:
    for days in range(1, 5):
        try_it(Client(), code, BORN + dt.timedelta(days=days))
    assert try_it(Client(), code).status_code == 302


def test_somebody_elses_letter_opens_nothing_with_ones_own_date_of_birth(patient: Patient, code: str) -> None:
    reader = factories.make_patient(patient.practice, date_of_birth=dt.date(1990, 1, 1))
    assert SAME_ANSWER.encode() in try_it(Client(), code, reader.date_of_birth).content


def test_it_expires(code: str) -> None:
    with time_machine.travel(timezone.now() + dt.timedelta(days=settings.INVITATION_DAYS, minutes=1)):
        assert SAME_ANSWER.encode() in try_it(Client(), code).content


def test_an_opened_one_has_to_be_opened_again_after_half_an_hour(code: str) -> None:
    browser = Client()
    try_it(browser, code)
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=31)):
        assert browser.get(reverse("record:invitation_read")).url == START
        assert browser.get(reverse("record:invitation_account")).url == START
        assert browser.post(reverse("record:invitation_not_now")).url == START


def test_a_newer_invitation_closes_the_older_one(invitation: Invitation, code: str) -> None:
    invite(_referral(invitation), channel=Invitation.Channel.EMAIL, by=TESTS)
    assert SAME_ANSWER.encode() in try_it(Client(), code).content


def _referral(invitation: Invitation) -> Referral:
    with acting(TESTS, "test.read"):
        return Referral.objects.get(pk=invitation.referral_id)


def test_it_opens_one_account_only(patient: Patient, code: str) -> None:
    first, second = Client(), Client()
    try_it(first, code)
    try_it(second, code)
    open_account(first)
    replayed = second.post(
        reverse("record:invitation_account"), {"email": "x@example.org", "password": NEW_PASSWORD}
    )
    assert replayed.url == START
    assert SAME_ANSWER.encode() in try_it(Client(), code).content
    assert User.objects.filter(email__in=["x@example.org", "amina@example.org"]).count() == 1


def test_sending_the_account_form_twice_opens_one_account_and_leads_to_the_same_place(code: str) -> None:
    browser = Client()
    try_it(browser, code)
    address = reverse("record:invitation_account")
    data = {**hidden(browser.get(address)), "email": "amina@example.org", "password": NEW_PASSWORD}
    assert browser.post(address, data).status_code == 302
    assert browser.post(address, data).status_code == 302
    assert User.objects.filter(email="amina@example.org").count() == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"email": "taken@example.org"}, "This e-mail address is in use."),
        ({"email": "not an address"}, "Enter an email address in the right form"),
        ({"password": "short"}, "too short"),
        ({"password": "password1234"}, "criminals use"),
        ({"password": ""}, "Choose a password"),
    ],
)
def test_what_is_wrong_with_an_account_is_said_and_uses_nothing_up(
    invitation: Invitation, code: str, data: dict[str, str], says: str
) -> None:
    factories.make_user(email="taken@example.org")
    browser = Client()
    try_it(browser, code)
    answer = open_account(browser, **data)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert NEW_PASSWORD not in answer.content.decode()
    assert again(invitation).used_at is None


@pytest.mark.parametrize("name", ["invitation_read", "invitation_account", "invitation_not_now"])
def test_without_an_opened_invitation_every_further_page_leads_back_to_the_start(name: str) -> None:
    assert Client().get(reverse(f"record:{name}")).url == START
    assert Client().post(reverse(f"record:{name}")).status_code in (302, 405)


def test_looking_at_a_link_uses_nothing_up(invitation: Invitation, code: str) -> None:
    answer = Client().get(START, {"code": code})
    assert code in answer.content.decode()
    assert again(invitation).used_at is None
    assert again(invitation).attempts == 0


def test_a_form_that_is_not_filled_in_costs_no_try(invitation: Invitation, code: str) -> None:
    answer = Client().post(START, {"code": code, "date_of_birth": "31/02/1984"})
    assert answer.status_code == 422
    assert again(invitation).attempts == 0


def test_whoever_was_signed_in_on_that_device_is_signed_out(patient: Patient, code: str) -> None:
    browser = factories.sign_in(Client(), factories.make_staff(factories.Role.RECEPTIONIST, patient.practice))
    assert try_it(browser, code).status_code == 302
    assert "_auth_user_id" not in browser.session


def test_a_signed_in_patient_is_led_to_their_record() -> None:
    patient = factories.make_patient(factories.make_pilot().practice, account=True)
    browser = factories.sign_in(Client(), factories.patient_actor(patient))
    assert browser.get(START).url == reverse("record:home")


def test_too_many_tries_from_one_address_have_to_wait(code: str) -> None:
    for _ in range(MOST_TRIES_BY_ADDRESS):
        assert try_it(Client(), "22222-22222").status_code == 422
    # What a visitor says of themselves changes nothing.
    for claimed in ("203.0.113.7", "203.0.113.8"):
        assert Client().post(START, {"code": code}, headers={"x-forwarded-for": claimed}).status_code == 429
    assert Client(REMOTE_ADDR="198.51.100.9").post(START, {"code": code}).status_code == 422


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "address"),
    [
        (0, "203.0.113.7", "198.51.100.9", "198.51.100.9"),
        (1, "203.0.113.7", "10.0.0.1", "203.0.113.7"),
        (1, "192.0.2.66, 203.0.113.7", "10.0.0.1", "203.0.113.7"),
        (2, "192.0.2.66, 203.0.113.7, 10.0.0.2", "10.0.0.1", "203.0.113.7"),
        (2, "203.0.113.7", "10.0.0.1", "10.0.0.1"),
        (1, "", "10.0.0.1", "10.0.0.1"),
        (1, "nonsense", "10.0.0.1", "unknown"),
        (0, "", "", "unknown"),
        (0, "", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ],
)  # fmt: skip
def test_an_address_is_what_trusted_proxies_say(
    settings: Any, proxies: int, forwarded: str, peer: str, address: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert address_of(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)) == address


def test_a_cache_that_is_away_keeps_nobody_from_deciding(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.cache.backends.redis import RedisCache
    from redis.exceptions import ConnectionError as RedisConnectionError

    def away(*args: Any, **options: Any) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(RedisCache, "incr", away)
    assert try_it(Client(), code).status_code == 302
