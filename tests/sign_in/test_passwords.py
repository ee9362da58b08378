"""Which passwords are taken, and that none is changed on the way."""

import re
from uuid import uuid4

import pytest
from celery.app.task import Task
from django.contrib.auth.password_validation import validate_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pilot.access import Actor, acting
from pilot.people.models import Patient, User
from pilot.sign_in.tasks import mail_password_link
from tests import factories
from tests.sign_in.people import ACCOUNT, LOGIN, enters_password, events_of, signs_in, subjects

CHANGE = "/account/password/change/"
NEW = "three quiet lamps"


def changes(client: Client, new: str, old: str = factories.PASSWORD):
    return client.post(CHANGE, {"oldpassword": old, "password1": new, "password2": new})


@pytest.mark.parametrize(
    "password", ["password1234", "qwertyuiop123", "Iloveyou12345", "1q2w3e4r5t6y", "unbelievable"]
)
def test_a_breached_password_is_refused_and_nothing_leaves_this_machine(password: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        validate_password(password)
    assert {"password_breached", "password_too_common"} & {error.code for error in refusal.value.error_list}


@pytest.mark.parametrize(
    "password",
    [
        "NHSCoaching2026!",
        "WorkingBetter123",
        "Practice-Receptionist1",
        "welcome to work",
        "Islington!!2026",
        "spring2026spring",
    ],
)
def test_a_password_made_of_the_words_of_this_place_is_refused(password: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        validate_password(password)
    assert "password_of_this_place" in {error.code for error in refusal.value.error_list}


@pytest.mark.django_db
def test_the_name_of_ones_own_practice_is_no_password(db: None) -> None:
    pilot = factories.make_pilot()
    with factories.acting(factories.TESTS, "test.made"):
        pilot.practice.name = "Quillfeather Row Surgery"
        pilot.practice.save()
    user = factories.user_of(factories.make_staff(factories.Role.RECEPTIONIST, pilot.practice))
    validate_password("QuillfeatherRow1")
    with pytest.raises(ValidationError, match="easy to guess here"):
        validate_password("QuillfeatherRow1", user)


@pytest.mark.parametrize(
    "password",
    [
        "a practice makes lemon kettle",
        "correct horse battery staple purple",
        "ŝafranaj ĉevaloj dancas",
        "日本語のとても長いパスワード",
        "7391 5520 8846 1",
        "xq zzv plk mnw",
    ],
)
def test_other_passwords_are_taken_whatever_they_are_made_of(password: str) -> None:
    validate_password(password)


def test_eleven_characters_are_too_few_and_no_warning_is_given() -> None:
    for password in ("short", "eleven char"):
        with pytest.raises(ValidationError) as refusal:
            validate_password(password)
        assert "password_too_short" in {error.code for error in refusal.value.error_list}


@pytest.mark.parametrize(
    "new", ["x" * 3 + "lamp " * 13, "  spaces at both ends  ", "Kettle" * 20 + "!", "Capitals MATTER here"]
)
def test_a_password_is_used_just_as_it_was_typed(patient: Patient, new: str) -> None:
    client = signs_in(Client(), patient.account)
    assert changes(client, new).status_code == 302
    for wrong in (new[:64] if len(new) > 64 else new[:-1], new.swapcase(), new.strip() + "x"):
        if wrong != new:
            assert enters_password(Client(REMOTE_ADDR="192.0.2.8"), patient.account, wrong).status_code == 200
    assert enters_password(Client(), patient.account, new).status_code == 302


def test_changing_it_needs_the_old_one_ends_every_session_and_is_told(patient: Patient) -> None:
    here, there = signs_in(Client(), patient.account), signs_in(Client(), patient.account)
    mail.outbox.clear()
    assert changes(here, NEW, old="not the old one").status_code == 200
    assert changes(here, NEW).status_code == 302
    assert [browser.get(ACCOUNT).headers["Location"].split("?")[0] for browser in (here, there)] == [
        LOGIN,
        LOGIN,
    ]
    assert subjects() == ["Your password was changed"]
    body = mail.outbox[0].body
    assert "http" not in body
    assert "If it was not you" in body
    assert NEW not in body
    assert "password_changed" in events_of(patient.account)


def test_every_way_to_a_password_refuses_a_breached_one(patient: Patient) -> None:
    client = signs_in(Client(), patient.account)
    assert "criminals use" in changes(client, "qwertyuiop123").content.decode()
    visitor = Client()
    visitor.post("/account/password/reset/", {"email": patient.account.email})
    link = re.search(r"https?://[^/]+(/\S+)", mail.outbox[-1].body)[1]
    address = visitor.get(link, follow=True).redirect_chain[-1][0]
    weak = {"password1": "qwertyuiop123", "password2": "qwertyuiop123"}
    assert "criminals use" in visitor.post(address, weak).content.decode()
    assert visitor.post(address, {"password1": NEW, "password2": NEW}).status_code == 302
    assert client.get(ACCOUNT).status_code == 302
    assert events_of(patient.account)[-2:] == ["password_reset_asked", "password_reset"]


def test_no_answer_tells_by_what_is_done_for_it_whether_somebody_has_an_account(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail is the worker's business; for an address that nobody has, as much is written and queued."""
    queued: list[list[str]] = []
    monkeypatch.setattr(Task, "apply_async", lambda task, args, **how: queued.append([task.name, *args]))

    def asks(address: str) -> tuple[int, str, list[str]]:
        with CaptureQueriesContext(connection) as queries:
            answer = Client().post("/account/password/reset/", {"email": address})
        # Cursors and savepoints have names that differ; what is written is written by our own function.
        written = [each["sql"].split("(")[0] for each in queries if "SELECT pilot" in each["sql"]]
        return answer.status_code, answer.headers["Location"], written

    before = len(events_of(None))
    known, unknown = asks(patient.account.email), asks("nobody@example.org")
    assert known == unknown
    assert queued == [
        ["sign_in.mail_password_link", str(patient.account.pk)],
        ["sign_in.mail_password_link", ""],
    ]
    assert mail.outbox == []
    assert events_of(patient.account) == ["password_reset_asked"]
    assert events_of(None)[before:] == ["password_reset_asked"]


def test_a_link_goes_to_the_accounts_own_address_and_to_no_suspended_one(patient: Patient) -> None:
    for key in ("", str(uuid4())):
        mail_password_link(key)
    assert mail.outbox == []
    Client().post("/account/password/reset/", {"email": patient.account.email.upper()})
    assert [message.to for message in mail.outbox] == [[patient.account.email]]
    with acting(factories.TESTS, "test.suspended"):
        patient.account.is_active = False
        patient.account.save(update_fields=["is_active"])
    mail_password_link(str(patient.account.pk))
    assert len(mail.outbox) == 1


def test_a_mail_server_that_is_down_is_no_answer_either(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(message: EmailMessage) -> None:
        raise OSError

    monkeypatch.setattr(EmailMessage, "send", refuse)
    for address in (patient.account.email, "nobody@example.org"):
        assert Client().post("/account/password/reset/", {"email": address}).status_code == 302


def test_a_reset_does_not_go_round_the_second_step(receptionist: Actor) -> None:
    from tests import second_steps

    user = factories.user_of(receptionist)
    second_steps.app_of(user)
    visitor = Client()
    visitor.post("/account/password/reset/", {"email": user.email})
    link = re.search(r"https?://[^/]+(/\S+)", mail.outbox[-1].body)[1]
    address = visitor.get(link, follow=True).redirect_chain[-1][0]
    assert visitor.post(address, {"password1": NEW, "password2": NEW}).status_code == 302
    assert visitor.get(ACCOUNT).headers["Location"].startswith(LOGIN)
    assert enters_password(visitor, user, NEW).headers["Location"] == "/account/second-step/authenticate/"


def test_no_password_is_in_the_history_or_the_log(patient: Patient) -> None:
    from django.db import connections

    signs_in(Client(), patient.account)
    changes(signs_in(Client(), patient.account), NEW)
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT to_jsonb(h)::text FROM people_historicaluser h WHERE id = %s", [patient.account.pk]
        )
        history = " ".join(row for (row,) in cursor.fetchall())
        cursor.execute(
            "SELECT to_jsonb(e)::text FROM audit_event e WHERE row_id = %s", [str(patient.account.pk)]
        )
        log = " ".join(row for (row,) in cursor.fetchall())
    assert patient.account.email in history
    hashed = User.objects.get(pk=patient.account.pk).password
    for secret in (factories.PASSWORD, NEW, hashed, hashed.split("$")[0] + "$"):
        assert secret not in history + log
    assert '"password"' in log  # that it changed, by name
