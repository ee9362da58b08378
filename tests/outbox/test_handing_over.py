"""What becomes of a message at a mail server and at GOV.UK Notify: each answer, and being cut off."""

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from pilot.outbox import sending
from pilot.outbox.models import Message
from pilot.outbox.sending import Outcome

KEY = "our_key-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b0"


def message(channel: str) -> Message:
    return Message(
        channel=channel,
        address="07700900123" if channel == "sms" else "amina@example.org",
        subject="A message",
        text="Hello.",
        due_at=timezone.now(),
        reference=uuid4(),
    )


# --- Mail -----------------------------------------------------------------------------------------

OK = {
    "EHLO": "250 here",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    "QUIT": "221 bye",
    "RSET": "250 ok",
}


@contextmanager
def mail_server(
    settings: Any, after_text: str | None = "250 taken", **replies: str | None
) -> Iterator[list[str]]:
    """A mail server that says this to each command, or hangs up where there is none. Gives what it took."""
    taken: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    answers: dict[str, str | None] = {**OK, **replies}

    def converse() -> None:
        with suppress(OSError):
            peer, _ = listener.accept()
            with peer, peer.makefile("r", newline="\r\n") as lines:
                peer.sendall(b"220 hello\r\n")
                for line in lines:
                    command = line[:4].upper().strip()
                    answer = answers.get(command)
                    if answer is None:
                        return
                    peer.sendall(f"{answer}\r\n".encode())
                    if command == "DATA" and answer.startswith("354"):
                        text = "".join(iter(lines.readline, ".\r\n"))
                        if after_text is None:
                            return
                        taken.append(text)
                        peer.sendall(f"{after_text}\r\n".encode())

    server = threading.Thread(target=converse)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = listener.getsockname()
    settings.EMAIL_TIMEOUT = 2
    yield taken
    listener.close()
    server.join(5)


def test_a_mail_that_the_server_took_is_sent(settings: Any) -> None:
    with mail_server(settings) as taken:
        mail = message("email")
        assert sending.hand_over(mail) is Outcome.SENT
    assert f"Message-ID: <{mail.reference}@" in taken[0]
    assert "Hello." in taken[0]


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        ({"RCPT": "550 no such person"}, Outcome.REFUSED),
        ({"RCPT": "450 not now"}, Outcome.LATER),
        ({"MAIL": "550 not you"}, Outcome.REFUSED),
        ({"DATA": "451 not now"}, Outcome.LATER),
        ({"DATA": None}, Outcome.UNKNOWN),
        ({"after_text": "554 no"}, Outcome.REFUSED),
        ({"after_text": None}, Outcome.UNKNOWN),
        ({"QUIT": None}, Outcome.SENT),
    ],
)
def test_each_answer_of_a_mail_server_is_understood(
    settings: Any, replies: dict[str, str | None], outcome: Outcome
) -> None:
    with mail_server(settings, **replies):
        assert sending.hand_over(message("email")) is outcome


def test_a_mail_server_that_is_not_there_is_tried_again_later(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert sending.hand_over(message("email")) is Outcome.LATER


# --- GOV.UK Notify --------------------------------------------------------------------------------


@contextmanager
def notify(
    settings: Any, respond: Callable[[BaseHTTPRequestHandler], None]
) -> Iterator[list[dict[str, Any]]]:
    """A service that answers as told. Gives what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(
                {"path": self.path, "token": self.headers["Authorization"], "body": json.loads(body)}
            )
            respond(self)

        def do_GET(self) -> None:
            asked.append({"path": self.path})
            respond(self)

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings.NOTIFY_URL = f"http://127.0.0.1:{server.server_port}"
    settings.NOTIFY_API_KEY, settings.NOTIFY_SMS_TEMPLATE_ID = KEY, "a-template"
    yield asked
    server.shutdown()
    server.server_close()
    thread.join(5)


def saying(status: int, body: Any = None) -> Callable[[BaseHTTPRequestHandler], None]:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(json.dumps(body if body is not None else {}).encode())

    return respond


def hanging_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def test_a_text_goes_out_with_its_reference_and_a_signed_token(settings: Any) -> None:
    text = message("sms")
    with notify(settings, saying(201, {"id": "x"})) as asked:
        assert sending.hand_over(text) is Outcome.SENT
    (request,) = asked
    assert request["path"] == "/v2/notifications/sms"
    assert request["body"] == {
        "phone_number": "07700900123",
        "template_id": "a-template",
        "personalisation": {"message": "Hello."},
        "reference": str(text.reference),
    }
    head, claims, signature = request["token"].removeprefix("Bearer ").split(".")
    expected = hmac.new(KEY[-36:].encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == expected
    assert (
        json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"] == "26785a09-ab16-4eb0-8407-a37497a57506"
    )


@pytest.mark.parametrize(
    ("respond", "outcome"),
    [
        (saying(400), Outcome.REFUSED),
        (saying(403), Outcome.REFUSED),
        (saying(429), Outcome.LATER),
        (saying(500), Outcome.UNKNOWN),
        (hanging_up, Outcome.UNKNOWN),
    ],
)
def test_each_answer_of_the_service_is_understood(settings: Any, respond: Any, outcome: Outcome) -> None:
    with notify(settings, respond):
        assert sending.hand_over(message("sms")) is outcome


@pytest.mark.parametrize(
    ("respond", "outcome"),
    [
        (saying(200, {"notifications": [{"id": "x"}]}), Outcome.SENT),
        (saying(200, {"notifications": []}), Outcome.LATER),
        (saying(500), Outcome.UNKNOWN),
        (saying(403), Outcome.UNKNOWN),
        (hanging_up, Outcome.UNKNOWN),
    ],
)
def test_what_was_cut_off_is_asked_about_by_its_reference(
    settings: Any, respond: Any, outcome: Outcome
) -> None:
    text = message("sms")
    with notify(settings, respond) as asked:
        assert sending.look_up(text) is outcome
    assert asked[0]["path"] == f"/v2/notifications?reference={text.reference}"


def test_a_service_that_is_not_there_is_tried_again_later(settings: Any) -> None:
    settings.NOTIFY_URL, settings.NOTIFY_API_KEY = "http://127.0.0.1:9", KEY
    assert sending.hand_over(message("sms")) is Outcome.LATER


def test_without_any_way_to_send_texts_none_is_said_to_be_sent(settings: Any) -> None:
    settings.NOTIFY_API_KEY = settings.SMS_SPOOL_FILE = ""
    assert sending.hand_over(message("sms")) is Outcome.REFUSED
