"""The words of a message, and the one part of some messages that nobody but the recipient may read.

Templates are `templates/outbox/<template>.txt.jinja`, extend `outbox/base.txt.jinja` and fill its blocks
`body`, `sms` and, rarely, `subject`. Subjects and texts show on locked screens: they never say what a message
is about.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.template import engines
from jinja2 import Environment

from pilot.outbox.models import Message
from pilot.people.models import Patient

# Stands in the saved text where the secret will be.
SECRET_PLACE = "********"  # noqa: S105 (a placeholder)
LONGEST_SMS = 306  # two parts


@dataclass(frozen=True)
class Words:
    subject: str
    text: str


def words_for(patient: Patient, channel: Message.Channel, template: str, context: Mapping[str, Any]) -> Words:
    """The subject and text of a message. A text message has no subject, and at most two parts."""
    shared = {
        **context,
        "patient": patient,
        "practice": patient.practice,
        "base_url": settings.BASE_URL,
        "secret": SECRET_PLACE,
    }
    if channel == Message.Channel.SMS:
        text = _part(template, "sms", shared)
        if len(text) > LONGEST_SMS:
            raise ValueError(f"The text message {template} is {len(text)} characters long.")
        return Words("", text)
    return Words(_part(template, "subject", shared), _part(template, "letter", shared))


def seal(secret: str) -> str:
    """Encrypt what only the recipient may read."""
    return _cipher().encrypt(secret.encode()).decode() if secret else ""


def whole_text(message: Message) -> str:
    """The text with the secret in it, for the recipient's eyes."""
    if not message.secret:
        return message.text
    return message.text.replace(SECRET_PLACE, _cipher().decrypt(message.secret.encode()).decode())


def _part(template: str, part: str, context: Mapping[str, Any]) -> str:
    lines = (
        _plain_text()
        .get_template(f"outbox/{template}.txt.jinja")
        .render({**context, "part": part})
        .splitlines()
    )
    # Blank lines of the template's own making do not show: at most one in a row.
    kept = [line.rstrip() for i, line in enumerate(lines) if line.strip() or (i and lines[i - 1].strip())]
    return "\n".join(kept).strip()


@cache
def _plain_text() -> Environment:
    # The pages' own environment, but an apostrophe in a name stays an apostrophe.
    pages: Environment = engines["jinja2"].env  # type: ignore[attr-defined]
    return pages.overlay(autoescape=False)


@cache
def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [hashlib.sha256(b"pilot.outbox.secret" + key.encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
