"""What messages say: every one tells how to stop, and none says on a locked screen what it is about."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from consent.models import Purpose, Receipt
from consent.receipts.words import of_withdrawal
from pilot.outbox import wording
from pilot.outbox.models import Message
from pilot.people.models import Organisation, Patient, User

TEMPLATES = sorted(
    path.name.removesuffix(".txt.jinja")
    for path in (Path(__file__).parents[2] / "templates/outbox").glob("*.txt.jinja")
    if path.name not in ("base.txt.jinja", "receipt.txt.jinja", "session.txt.jinja")
)
# What nobody who glances at a phone should learn.
TELLING = r"coach|work|job|employ|referr|consent|pilot|health|clinic|doctor|ill\b|benefit|taking part"
BLAMING = r"fail|non-compl|\bDNA\b|disengag|did not attend|missed"


def context() -> dict[str, Any]:
    from coaching.models import Session

    session = Session(
        starts_at=timezone.now(),
        minutes=45,
        place=Session.Place.PRACTICE,
        where="Room 2",
        coach=User(display_name="Sam"),
    )
    receipt = Receipt(lines=of_withdrawal([Purpose.REMINDERS], ["1 message will not be sent."]))
    return {"receipt": receipt, "expires_at": timezone.now(), "session": session}


@pytest.fixture
def patient() -> Patient:
    practice = Organisation(name="Mitcham Lane Surgery and Walk-in Centre", phone="02079460018")
    return Patient(practice=practice, given_name="Amina", family_name="Tester")


@pytest.mark.parametrize("template", TEMPLATES)
def test_subjects_and_texts_do_not_say_what_it_is_about(patient: Patient, template: str) -> None:
    service = re.escape(settings.BASE_URL)
    for channel in (Message.Channel.SMS, Message.Channel.EMAIL):
        words = wording.words_for(patient, channel, template, context())
        shown = words.subject if channel == Message.Channel.EMAIL else words.text
        assert shown
        assert not re.search(TELLING, re.sub(service, "", shown), re.IGNORECASE), shown
        assert not re.search(BLAMING, words.text, re.IGNORECASE), words.text


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_letter_says_how_to_reach_somebody_and_how_to_stop(patient: Patient, template: str) -> None:
    text = wording.words_for(patient, Message.Channel.LETTER, template, context()).text
    assert text.startswith("Dear Amina Tester,\n\n")
    assert text.endswith("Mitcham Lane Surgery and Walk-in Centre")
    assert "020 7946 0018" in text
    assert re.search(r"[Ss]top", text)
    assert "\n\n\n" not in text


def test_a_text_of_more_than_two_parts_is_refused(patient: Patient) -> None:
    patient.practice.name = "x" * 300
    with pytest.raises(ValueError, match="characters long"):
        wording.words_for(patient, Message.Channel.SMS, "withdrawn", context())
