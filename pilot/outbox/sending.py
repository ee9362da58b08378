"""Handing a message over to what carries it: e-mail by SMTP, texts by GOV.UK Notify, or a file in the demo.

Each way answers what became of it, and "nobody knows" is an answer. Nothing here touches the database.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import smtplib
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.utils import DNS_NAME

from pilot.outbox import wording
from pilot.outbox.models import Message

SECONDS = 10  # as EMAIL_TIMEOUT: a patient who withdraws waits no longer for what is leaving already
HTTP_TOO_MANY, HTTP_SERVER_ERROR = 429, 500


class Outcome(Enum):
    SENT = "sent"
    REFUSED = "refused"  # for good: the address does not exist, the key is wrong
    LATER = "later"  # certainly not sent; try again
    UNKNOWN = "unknown"  # cut off in the middle


def hand_over(message: Message) -> Outcome:
    """Send it once, now, and say what is known of it. Never raises for what a network does."""
    if message.channel == Message.Channel.EMAIL:
        return _email(message)
    if settings.NOTIFY_API_KEY:
        return _notify(message)
    return _spool(message) if settings.SMS_SPOOL_FILE else Outcome.REFUSED


def can_look_up(message: Message) -> bool:
    """Whether the service that carries it can be asked later, by the reference, if it has it."""
    return message.channel == Message.Channel.SMS


def look_up(message: Message) -> Outcome:
    """Ask the service: SENT if it has the message, LATER if it certainly has not, UNKNOWN if it does not
    answer.
    """
    if not settings.NOTIFY_API_KEY:
        return Outcome.SENT if str(message.reference) in _spooled() else Outcome.LATER
    query = urlencode({"reference": message.reference})
    answer = _ask_notify(f"/v2/notifications?{query}")
    if not isinstance(answer, dict):
        return Outcome.UNKNOWN
    return Outcome.SENT if answer.get("notifications") else Outcome.LATER


def _email(message: Message) -> Outcome:
    mail = EmailMessage(
        subject=message.subject,
        body=wording.whole_text(message),
        to=[message.address],
        # The same for every attempt, so that mail programs show a repeated one once.
        headers={"Message-ID": f"<{message.reference}@{DNS_NAME}>"},
    )
    connection = get_connection()
    try:
        connection.open()
    except (OSError, smtplib.SMTPException):
        return Outcome.LATER
    return _closing(connection, lambda: _email_through(connection, mail))


def _email_through(connection: Any, mail: EmailMessage) -> Outcome:
    try:
        return Outcome.SENT if connection.send_messages([mail]) else Outcome.UNKNOWN
    except smtplib.SMTPRecipientsRefused as refusal:
        codes = [code for code, _ in refusal.recipients.values()]
        return _by_code(max(codes, default=550))
    except smtplib.SMTPResponseException as refusal:
        return _by_code(refusal.smtp_code)
    except (OSError, smtplib.SMTPException):
        return Outcome.UNKNOWN


def _by_code(code: int) -> Outcome:
    """SMTP: 4xx is "not now", 5xx is "never"."""
    return Outcome.LATER if code < 500 else Outcome.REFUSED


def _closing(connection: Any, hand_over: Callable[[], Outcome]) -> Outcome:
    outcome = hand_over()
    try:
        connection.close()
    except (OSError, smtplib.SMTPException):
        return outcome  # It said what became of the message before it broke off.
    return outcome


def _notify(message: Message) -> Outcome:
    answer = _ask_notify(
        "/v2/notifications/sms",
        {
            "phone_number": message.address,
            "template_id": settings.NOTIFY_SMS_TEMPLATE_ID,
            "personalisation": {"message": wording.whole_text(message)},
            "reference": str(message.reference),
        },
    )
    return Outcome.SENT if isinstance(answer, dict) else answer


def _ask_notify(path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | Outcome:
    """What GOV.UK Notify answers, or why there is no answer. Its own client is three dependencies for two
    calls.
    """
    request = Request(  # noqa: S310 (the address is a setting)
        settings.NOTIFY_URL + path,
        data=json.dumps(body).encode() if body else None,
        headers={"Authorization": f"Bearer {_notify_token()}", "Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=SECONDS) as response:  # noqa: S310
            answer: dict[str, Any] = json.load(response)
            return answer
    except HTTPError as refusal:
        if refusal.code == HTTP_TOO_MANY:
            return Outcome.LATER
        return Outcome.UNKNOWN if refusal.code >= HTTP_SERVER_ERROR else Outcome.REFUSED
    except URLError as broken:
        # Refused or not found before anything was said; anything else may have been cut off after it was.
        return Outcome.LATER if isinstance(broken.reason, ConnectionRefusedError) else Outcome.UNKNOWN
    except (OSError, ValueError):
        return Outcome.UNKNOWN


def _notify_token() -> str:
    """A JSON web token as Notify wants it: HS256, issued by the service's id, for half a minute."""
    # A key is `name-service id-secret`, and both of the latter are UUIDs.
    key = settings.NOTIFY_API_KEY
    service, secret = key[-73:-37], key[-36:]
    parts = [{"typ": "JWT", "alg": "HS256"}, {"iss": service, "iat": int(time.time())}]
    signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    return (signed + b"." + _base64(hmac.new(secret.encode(), signed, hashlib.sha256).digest())).decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _spool(message: Message) -> Outcome:
    """Without a service, texts are appended to a file that its owner can read: the demo's mobile phone."""
    file = _spool_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    line = {
        "reference": str(message.reference),
        "to": message.address,
        "text": wording.whole_text(message),
    }
    with file.open("a") as spool:
        spool.write(json.dumps(line) + "\n")
    return Outcome.SENT


def _spooled() -> set[str]:
    file = _spool_file()
    lines = file.read_text().splitlines() if file.exists() else []
    return {json.loads(line)["reference"] for line in lines}


def _spool_file() -> Path:
    return Path(settings.SMS_SPOOL_FILE)
