"""What people do at the sign-in pages, and what is left of it."""

from __future__ import annotations

from django.core import mail
from django.db import connections
from django.test import Client

from pilot.people.models import User
from tests import factories, second_steps

LOGIN = "/account/login/"
CODE = "/account/second-step/authenticate/"
ACCOUNT = "/account/"


def enters_password(client: Client, user: User, password: str = factories.PASSWORD, **headers: str):
    return client.post(LOGIN, {"login": user.email, "password": password}, headers=headers)


def signs_in(client: Client, user: User, **headers: str) -> Client:
    """With the password, and with a code where the user has an app."""
    response = enters_password(client, user, **headers)
    assert response.status_code == 302, response.content.decode()
    if response.headers["Location"] == CODE:
        response = client.post(CODE, {"code": second_steps.code_now(user)}, headers=headers)
        assert response.status_code == 302, response.content.decode()
    return client


def events_of(user: User | None) -> list[str]:
    """What the log says of this account's sign-ins, in order: the actions' names. None is for nobody known."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT action FROM audit_event WHERE kind = 'sign_in' AND row_id IS NOT DISTINCT FROM %s ORDER BY id",
            [str(user.pk) if user else None],
        )
        return [action.removeprefix("account.") for (action,) in cursor.fetchall()]


def subjects() -> list[str]:
    """What the mail that was sent is about, in order."""
    return [message.subject.split(" –")[0] for message in mail.outbox]
