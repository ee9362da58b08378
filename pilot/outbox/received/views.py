"""Where GOV.UK Notify brings the texts that it receives, and the practice's pages to call about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from hmac import compare_digest
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.outbox.models import ReceivedText
from pilot.outbox.received import selectors
from pilot.outbox.received.actions import note_called, receive
from pilot.outbox.received.forms import CalledAboutForm, CalledForm
from pilot.outbox.views import MessageList
from pilot.web.forms import Form
from pilot.web.views import FormPage, PublicView

LONGEST_BODY = 20_000


class Received(PublicView):
    """Takes one received text as Notify sends it: 204, whether the number is anybody's or not. 400 for what is no such text,
    or does not show the token that was agreed; always, where none was."""

    why = "GOV.UK Notify brings texts here, and shows the token that was agreed with it."
    acts_as = "texts"
    http_method_names = ["post"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        view = super().as_view(**initkwargs)
        # Notify has no cookie of ours that could be misused: it shows a token instead.
        view.csrf_exempt = True  # type: ignore[attr-defined]
        return view

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        told = _text_in(request) if _shows_token(request) else None
        if told is None:
            return HttpResponse(status=400)
        number, text, reference = told
        for patient, was_texted in selectors.whose(self.actor, number):
            receive(
                patient,
                number=number,
                text=text,
                reference=reference,
                keep_words=was_texted,
                by=self.actor,
            )
        return HttpResponse(status=204)


def _shows_token(request: HttpRequest) -> bool:
    shown = request.headers.get("Authorization", "").encode()
    agreed: str = settings.NOTIFY_CALLBACK_TOKEN
    return bool(agreed) and compare_digest(shown, f"Bearer {agreed}".encode())


def _text_in(request: HttpRequest) -> tuple[str, str, str] | None:
    """The number, the text and the reference; None where the body is nothing of the kind."""
    if len(request.body) > LONGEST_BODY:
        return None
    try:
        told = json.loads(request.body)
        parts = told["source_number"], told["message"], told["id"]
        if not all(isinstance(part, str) and part and "\0" not in part and part.encode() for part in parts):
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    number, text, reference = parts
    return (number, text, reference) if len(reference) <= 80 else None


class Texts(MessageList):
    """Texts from patients that somebody has to call about: the oldest first."""

    permission = Permission.SEND_MESSAGES
    template_name = "outbox/texts.jinja"
    tab = "texts"

    def rows(self) -> Any:
        return selectors.to_call_about(self.actor)


class Called(FormPage):
    """The text, whom to call, and that it was done."""

    permission = Permission.SEND_MESSAGES
    about = {"pk": ReceivedText}
    template_name = "outbox/called.jinja"
    title = _("A text from a patient")
    submit_label = _("I have called")

    def get_row(self) -> ReceivedText:
        return selectors.text(self.actor, self.kwargs["pk"])

    @property
    def form_class(self) -> type[Form]:  # type: ignore[override]
        return CalledForm if self.row.is_stop else CalledAboutForm

    def act(self, form: Form) -> str:
        note_called(self.row, texts_again=form.cleaned_data.get("texts_again", False), by=self.actor)
        self.say(_("Thank you. It is off the list."))
        return reverse("outbox:texts")

    def breadcrumbs(self) -> list[tuple[Any, str]]:
        return [(_("Letters and messages"), reverse("outbox:texts"))]
