"""The ledger of disclosures: whatever leaves the pilot is in it, and what cannot be put there does not leave."""

from __future__ import annotations

import ast
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import DatabaseError, connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.actions import record_disclosure
from audit.models import Disclosure, Event, Kind
from consent.actions import withdraw
from consent.models import Decision, Purpose, Receipt
from pilot.access import Actor, Role, acting
from pilot.outbox import ledger, sending, wording
from pilot.outbox.actions import claim, mark_posted, send, settle_by_hand
from pilot.outbox.models import LONGEST_ATTEMPT, Message
from pilot.outbox.sending import Outcome
from pilot.outbox.tasks import SENDER, send_due, settle_cut_off
from pilot.people.models import Organisation, Patient, User
from tests import factories
from tests.architecture.test_source import sources
from tests.factories import MessageFactory

pytestmark = pytest.mark.django_db(databases=["default", "owner"])
Channel, Status = Message.Channel, Message.Status
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def patient() -> Patient:
    return factories.make_patient(factories.make_pilot().practice)


def lines(**wanted: Any) -> list[Disclosure]:
    """The ledger, oldest first, as a guardian reads it."""
    office = factories.make_organisation(factories.Kind.PILOT_OFFICE)
    with acting(factories.make_staff(Role.CALDICOTT_GUARDIAN, office), "test.looked"):
        return list(Disclosure.objects.filter(**wanted).order_by("id"))


def of(message: Message) -> list[Disclosure]:
    return lines(relation="outbox_message", row_id=str(message.pk))


# --- Messages --------------------------------------------------------------------------------------


def test_an_email_is_in_the_ledger_with_the_consent_that_it_relied_on(patient: Patient) -> None:
    [decision] = factories.give_consent(patient, Purpose.REMINDERS)[-1:]
    message = MessageFactory(patient=patient, purpose=Purpose.REMINDERS, template="session_reminder")
    assert send_due() == 1
    [line] = of(message)
    assert (line.patient_id, line.recipient_kind, line.recipient) == (
        patient.pk, Disclosure.RecipientKind.PATIENT, "The patient, by e-mail"
    )  # fmt: skip
    assert (line.purpose, line.decision_id) == (Purpose.REMINDERS, decision.pk)
    assert line.classes == ["case", "identity"]
    assert {"people.Patient.email", "people.Patient.name", "coaching.Session.where"} <= set(line.fields)
    with acting(factories.TESTS, "test.read", patients=[patient.pk]):
        assert Message.objects.get(pk=message.pk).status == Status.SENT


def test_its_event_and_the_sending_are_one_transaction(patient: Patient) -> None:
    from tests.log import events

    message = MessageFactory(patient=patient)
    send_due()
    [disclosed] = events(kind=Kind.DISCLOSED, row_id=str(message.pk))
    settled = [each for each in events(row_id=str(message.pk)) if "sent_at" in each.columns]
    assert (disclosed.actor, disclosed.action) == ("system:outbox.send", "message.sent")
    assert disclosed.pk == of(message)[0].event_id
    assert [each.transaction for each in settled] == [disclosed.transaction]


def test_a_notice_relies_on_no_consent(patient: Patient) -> None:
    message = MessageFactory(patient=patient, template="withdrawn")
    send_due()
    [line] = of(message)
    assert (line.purpose, line.decision_id, line.classes) == ("notice", None, ["consent", "identity"])


def test_a_letter_is_in_it_once_it_is_posted(patient: Patient) -> None:
    desk = factories.make_staff(Role.RECEPTIONIST, patient.practice)
    message = MessageFactory(patient=patient, channel=Channel.LETTER, address="1 Invented Road")
    assert of(message) == []
    mark_posted(message, by=desk)
    [line] = of(message)
    assert line.recipient == "The patient, by letter"
    assert "people.Patient.address" in line.fields


@pytest.mark.parametrize(
    ("outcome", "channel", "count"),
    [
        (Outcome.SENT, Channel.EMAIL, 1),
        (Outcome.SENT, Channel.SMS, 1),
        (Outcome.LATER, Channel.EMAIL, 0),
        (Outcome.REFUSED, Channel.EMAIL, 0),
        # It may have left, so it is in the ledger; a text is looked up first.
        (Outcome.UNKNOWN, Channel.EMAIL, 1),
        (Outcome.UNKNOWN, Channel.SMS, 0),
    ],
)
def test_what_left_or_may_have_is_in_it_and_nothing_else(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, channel: Channel, count: int
) -> None:
    monkeypatch.setattr(sending, "hand_over", lambda message: outcome)
    message = MessageFactory(patient=patient, channel=channel)
    send_due()
    assert len(of(message)) == count


def test_what_was_cut_off_is_in_it_once_its_fate_is_settled(patient: Patient) -> None:
    [decision] = factories.give_consent(patient, Purpose.REMINDERS)[-1:]
    message = MessageFactory(patient=patient, purpose=Purpose.REMINDERS)
    assert claim(message, by=SENDER)
    # The consent that it relied on ends meanwhile: it may have left under it all the same.
    withdraw(patient, [Purpose.REMINDERS], by=factories.patient_actor(patient))
    with time_machine.travel(timezone.now() + LONGEST_ATTEMPT + dt.timedelta(seconds=1)):
        settle_cut_off()
    [line] = of(message)
    assert line.decision_id == decision.pk


def test_what_arrived_after_all_is_in_it_once(patient: Patient) -> None:
    desk = factories.make_staff(Role.RECEPTIONIST, patient.practice)
    for status, count in ((Status.UNKNOWN, 0), (Status.NOT_SENT, 1)):
        message = MessageFactory(patient=patient, status=status)
        settle_by_hand(message, arrived=True, by=desk)
        # One of unknown fate was put there when its fate became unknown.
        assert len(of(message)) == count, status


def test_without_consent_nothing_leaves_and_nothing_is_written(patient: Patient) -> None:
    factories.give_consent(patient, Purpose.REMINDERS)
    message = MessageFactory(patient=patient, purpose=Purpose.REMINDERS)
    assert claim(message, by=SENDER)
    factories.DecisionFactory(
        patient=patient, purpose=Purpose.REMINDERS, answer=Decision.Answer.WITHDRAWN, lapses_on=None
    )
    assert send(message, by=SENDER) == Status.STOPPED
    assert (mail.outbox, of(message)) == ([], [])


def test_a_check_that_was_forgotten_is_made_by_the_ledger(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody asks for consent any more, the line that has to name it stops the message."""
    from consent.policies import ConsentMissing
    from pilot.outbox import actions

    message = MessageFactory(patient=patient, purpose=Purpose.REMINDERS)
    monkeypatch.setattr(actions, "_may_still_go", lambda message: True)
    assert claim(message, by=SENDER)
    with pytest.raises(ConsentMissing):
        send(message, by=SENDER)
    assert (mail.outbox, of(message)) == ([], [])


def test_a_disclosure_about_somebody_else_is_refused(patient: Patient) -> None:
    other = factories.make_patient(patient.practice)
    told = {"recipient_kind": "other", "recipient": "Somebody", "purpose": "notice", "classes": ["case"]}
    with acting(factories.TESTS, "test.told", patients=[patient.pk]):
        with pytest.raises(DatabaseError, match="not the subject"), transaction.atomic():
            record_disclosure(other.pk, **told)
        record_disclosure(patient.pk, **told)
    assert [each.patient_id for each in lines(recipient="Somebody")] == [patient.pk]


# --- What cannot be written down does not leave ----------------------------------------------------


@contextmanager
def ledger_broken() -> Iterator[None]:
    """The database takes no line for the ledger, whoever writes it."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION public.broken() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'broken'; END $$;"
            "CREATE TRIGGER broken BEFORE INSERT ON audit_disclosure EXECUTE FUNCTION public.broken()"
        )
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER broken ON audit_disclosure; DROP FUNCTION public.broken()")


def test_a_message_that_cannot_be_put_in_the_ledger_does_not_leave(own_database: str) -> None:
    patient = factories.make_patient(factories.make_pilot().practice)
    message = MessageFactory(patient=patient)
    with ledger_broken(), pytest.raises(DatabaseError, match="broken"):
        send_due()
    assert mail.outbox == []
    with acting(factories.TESTS, "test.read", patients=[patient.pk]):
        assert Message.objects.get(pk=message.pk).status == Status.SENDING


def ask_for_password(user: User) -> None:
    from tests.forms import send as send_form

    send_form(Client(), reverse("account_reset_password"), email=user.email)


def test_mail_about_a_patients_account_is_in_it_and_about_staffs_is_not(own_database: str) -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice, account=True)
    desk = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    with ledger_broken():
        ask_for_password(patient.account)
        assert mail.outbox == []
    for user in (patient.account, factories.user_of(desk)):
        ask_for_password(user)
    assert [each.to for each in mail.outbox] == [[patient.account.email], [factories.user_of(desk).email]]
    [line] = lines(relation="people_user")
    assert (line.patient_id, line.purpose, line.classes, line.fields) == (
        patient.pk, "account", ["identity"], ["people.User.email"]
    )  # fmt: skip
    [event] = [each for each in _events_of(patient) if each.kind == Kind.DISCLOSED]
    assert (event.actor, event.action) == ("system:sign-in", "account.mailed")


def _events_of(patient: Patient) -> list[Event]:
    actor: Actor = factories.patient_actor(patient)
    with acting(actor, "test.read"):
        return list(Event.objects.filter(patient_id=patient.pk))


# --- What is in each message -----------------------------------------------------------------------


class Recorder:
    """Stands for a row, and remembers what a template took from it."""

    def __init__(self, row: Any, name: str, taken: set[str]) -> None:
        self.__dict__.update(_row=row, _name=name, _taken=taken)

    def __getattr__(self, name: str) -> Any:
        self._taken.add(f"{self._name}.{name}")
        return getattr(self._row, name)


# What a template reads, by the name that the ledger has for it.
KNOWN_AS = {
    "coaching.Session.ends_at": "coaching.Session.minutes",
    "coaching.Session.get_place_display": "coaching.Session.place",
    "consent.Receipt.by_title": "consent.Receipt.lines",
}
PLAIN = {
    "expires_at": ("referrals.Invitation.expires_at", "2103"),
    "ends_on": ("consent.Reminder.ends_on", "2104"),
}


def taken_by(template: str, channel: Channel) -> set[str]:
    from coaching.models import Session

    taken: set[str] = set()
    session = Session(
        starts_at=timezone.now(), minutes=45, place=Session.Place.PRACTICE, where="Room 2", coach=User(display_name="Sam")
    )  # fmt: skip
    practice = Organisation(name="A surgery", phone="02079460018")
    patient: Any = Recorder(
        Patient(practice=practice, given_name="Zqname", family_name="Zqlast"), "people.Patient", taken
    )
    receipt = Receipt(lines=[{"title": "Zqtitle", "text": "Zqtext"}])
    context = {
        "session": Recorder(session, "coaching.Session", taken),
        "receipt": Recorder(receipt, "consent.Receipt", taken),
    }
    plain = {
        "expires_at": dt.datetime(2103, 5, 4, tzinfo=dt.UTC),
        "ends_on": dt.date(2104, 5, 4),
    }
    words = wording.words_for(patient, channel, template, {**context, **plain})
    text = f"{words.subject}\n{words.text}"
    found = {KNOWN_AS.get(each, each) for each in taken} - {"people.Patient.practice"}
    found |= {name for name, sign in PLAIN.values() if sign in text}
    return found | ({"referrals.Invitation.code"} if wording.SECRET_PLACE in text else set())


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
@pytest.mark.parametrize(
    "template",
    sorted(
        path.name.removesuffix(".txt.jinja")
        for path in (ROOT / "templates/outbox").glob("*.txt.jinja")
        if path.name not in ("base.txt.jinja", "receipt.txt.jinja", "session.txt.jinja")
    ),
)
def test_the_ledger_names_what_the_template_says(template: str, channel: Channel) -> None:
    named = (ledger.SHORT if channel == Channel.SMS else ledger.LONG)[template]
    assert set(named) == taken_by(template, channel)


def test_there_are_no_lines_for_templates_that_are_gone() -> None:
    for each in (ledger.LONG, ledger.SHORT):
        assert all((ROOT / f"templates/outbox/{name}.txt.jinja").exists() for name in each)


# --- Whoever sends something says how it is recorded ------------------------------------------------

# Modules that send mail, hand something to a service, or answer with a file: how the ledger knows of it, or why not.
SENDERS: dict[str, str] = {
    "pilot/web/paper.py": "shapes the answer for those who call `as_download`, and they are in this list",
    "pilot/outbox/sending.py": "outbox.actions writes a line with each message that it lets go",
    "pilot/sign_in/accounts.py": "sign_in.actions.note_mail writes a line before each mail about a patient's account",
    "coaching/tasks.py": "to the practice's own clinicians, and it names nobody",
    "pilot/dashboards/views.py": "published figures: about no patient",
    "audit/views.py": "about addresses and roles: about no patient",
    "referrals/importing/views.py": "an empty form",
    "audit/tasks.py": "a checkpoint: a hash of the whole log, from which nothing can be told",
    "consent/receipts/views.py": "consent.receipts.actions writes a line before the file is made",
    "pilot/record/copies/views.py": "record.copies.actions writes a line in the transaction that hands a file over",
    "audit/exports/views.py": "audit.exports.actions writes a line for each patient whose events are in the file",
    "pilot/sign_in/oidc/exchange.py": "asks the provider who it is that signs in, and tells it nothing",
}
# How something leaves, as it stands in the source.
WAYS = {
    "EmailMessage", "EmailMultiAlternatives", "send_mail", "send_mass_mail", "mail_admins", "mail_managers", "urlopen",
    "FileResponse", "StreamingHttpResponse", "Content-Disposition", "as_download", "requests", "httpx", "smtplib",
}  # fmt: skip


def ways_in(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found |= set(node.name.split("."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found & WAYS


def test_every_module_that_sends_something_says_how_the_ledger_knows() -> None:
    there = {str(path.relative_to(ROOT)): ways_in(path) for path in sources()}
    unknown = {name: ways for name, ways in there.items() if ways and name not in SENDERS}
    assert not unknown, "Say in SENDERS how the ledger of disclosures knows of it, or why it need not."
    gone = {name for name in SENDERS if not there.get(name)}
    assert not gone, gone
