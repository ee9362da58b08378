"""The practice's letters to print and messages to look at."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pilot.access import Actor, Role, acting
from pilot.outbox.models import Message
from pilot.outbox.wording import SECRET_PLACE, seal
from tests import factories
from tests.factories import TESTS, MessageFactory

pytestmark = pytest.mark.django_db(databases=["default", "owner"])
Status, Channel = Message.Status, Message.Channel


@pytest.fixture
def receptionist(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.RECEPTIONIST, pilot.practice)


@pytest.fixture
def browser(receptionist: Actor) -> Client:
    return factories.sign_in(Client(), receptionist)


@pytest.fixture
def letter(pilot: factories.Pilot) -> Message:
    return MessageFactory(
        patient=factories.make_patient(pilot.practice, given_name="Amina", preferred_name=""),
        channel=Channel.LETTER, address="1 Invented Road",
        text=f"Your code: {SECRET_PLACE}", secret=seal("K7M2Q-XP4RW"),
    )  # fmt: skip


def again(message: Message) -> Message:
    with acting(TESTS, "test.read"):
        return Message.objects.get(pk=message.pk)


def send(browser: Client, address: str, **data: str) -> Any:
    html = browser.get(address).content.decode()
    return browser.post(
        address, {"form_key": re.findall(r'name="form_key" value="([^"]+)"', html)[0], **data}
    )


def test_a_letter_is_printed_with_its_code_and_noted_as_posted(browser: Client, letter: Message) -> None:
    assert "Amina" in browser.get(reverse("outbox:letters")).content.decode()
    page = browser.get(reverse("outbox:letter", args=[letter.pk])).content.decode()
    assert "K7M2Q-XP4RW" in page
    assert "1 Invented Road" in page
    assert send(browser, reverse("outbox:posted", args=[letter.pk])).status_code == 302
    assert again(letter).status == Status.SENT
    page = browser.get(reverse("outbox:letter", args=[letter.pk])).content.decode()
    assert "K7M2Q-XP4RW" not in page


def test_a_letter_without_an_address_is_handed_over(browser: Client, pilot: factories.Pilot) -> None:
    letter = MessageFactory(
        patient=factories.make_patient(pilot.practice), channel=Channel.LETTER, address=""
    )
    assert "Hand the letter over" in browser.get(reverse("outbox:letter", args=[letter.pk])).content.decode()


def test_a_message_of_unknown_fate_waits_for_a_person(browser: Client, pilot: factories.Pilot) -> None:
    message = MessageFactory(patient=factories.make_patient(pilot.practice), status=Status.UNKNOWN)
    assert browser.get(reverse("outbox:to-look-at")).content.decode().count(str(message.pk)) == 1
    address = reverse("outbox:settle", args=[message.pk])
    assert send(browser, address).status_code == 422
    assert send(browser, address, answer="again").status_code == 302
    assert again(message).status == Status.DUE
    assert browser.get(address).status_code == 404


@pytest.mark.parametrize("name", ["letter", "posted", "settle"])
def test_another_practices_letters_are_not_there(pilot: factories.Pilot, letter: Message, name: str) -> None:
    elsewhere = factories.sign_in(Client(), factories.make_staff(Role.RECEPTIONIST, pilot.other_practice))
    assert elsewhere.get(reverse(f"outbox:{name}", args=[letter.pk])).status_code == 404
    assert "Amina" not in elsewhere.get(reverse("outbox:letters")).content.decode()


@pytest.mark.parametrize("role", [Role.COACH, Role.SUPERVISOR, Role.COMMISSIONER, Role.CALDICOTT_GUARDIAN])
def test_nobody_outside_the_practice_sees_letters(
    pilot: factories.Pilot, letter: Message, role: Role
) -> None:
    browser = factories.sign_in(Client(), factories.make_staff_of_every_role(pilot)[role])
    for address in (
        reverse("outbox:letters"),
        reverse("outbox:to-look-at"),
        reverse("outbox:letter", args=[letter.pk]),
    ):
        assert browser.get(address).status_code == 403


def test_a_patient_has_their_own_pages_for_this(letter: Message) -> None:
    browser = factories.sign_in(Client(), factories.patient_actor(letter.patient))
    assert browser.get(reverse("outbox:letter", args=[letter.pk])).status_code == 403


def test_the_list_takes_a_constant_number_of_queries(
    browser: Client, pilot: factories.Pilot, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        MessageFactory(patient=factories.make_patient(pilot.practice), channel=Channel.LETTER)
    browser.get(reverse("outbox:letters"))
    with django_assert_max_num_queries(25):
        assert "Next" in browser.get(reverse("outbox:letters")).content.decode()
