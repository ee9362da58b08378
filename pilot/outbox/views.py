"""The practice's pages about messages: letters to print, and messages that a person has to decide about."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.outbox import actions, selectors
from pilot.outbox.forms import ARRIVED, SettleForm
from pilot.outbox.models import Message, MessageQuerySet
from pilot.outbox.received.selectors import to_call_about
from pilot.outbox.wording import whole_text
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage, Page

_OLDEST_FIRST = {"oldest": Sort(_("Oldest first"), "created_at")}


class MessageList(ListPage):
    """Shared by the two lists: each is a tab with its count."""

    permission = Permission.SEND_MESSAGES
    template_name = "outbox/list.jinja"
    title = _("Letters and messages")
    sorts = _OLDEST_FIRST
    tab = ""

    def context(self) -> dict[str, Any]:
        tabs = [
            (
                "letters",
                _("Letters to print"),
                selectors.letters_to_print(self.actor),
                reverse("outbox:letters"),
            ),
            (
                "look",
                _("Messages to look at"),
                selectors.needing_a_look(self.actor),
                reverse("outbox:to-look-at"),
            ),
            ("texts", _("Texts from patients"), to_call_about(self.actor), reverse("outbox:texts")),
        ]
        return {
            "tab": self.tab,
            "tabs": [(label, rows.count(), href, key == self.tab) for key, label, rows, href in tabs],
        }


class Letters(MessageList):
    permission = Permission.SEND_MESSAGES
    tab = "letters"

    def rows(self) -> MessageQuerySet:
        return selectors.letters_to_print(self.actor)


class ToLookAt(MessageList):
    permission = Permission.SEND_MESSAGES
    tab = "look"

    def rows(self) -> MessageQuerySet:
        return selectors.needing_a_look(self.actor)


class Letter(Page):
    """One letter as it goes into the envelope. Its secret shows until it is posted."""

    permission = Permission.SEND_MESSAGES
    about = {"pk": Message}
    template_name = "outbox/letter.jinja"
    title = _("Letter")

    def get_row(self) -> Message:
        message = selectors.message(self.actor, self.kwargs["pk"])
        if message.channel != Message.Channel.LETTER:
            raise Http404
        return message

    def context(self) -> dict[str, Any]:
        return {"text": whole_text(self.row), "is_waiting": self.row.status == Message.Status.DUE}

    def breadcrumbs(self) -> list[tuple[Any, str]]:
        return [(_("Letters and messages"), reverse("outbox:letters"))]


class Posted(FormPage):
    """Notes that a letter is on its way."""

    permission = Permission.SEND_MESSAGES
    about = {"pk": Message}
    title = _("Have you posted this letter?")
    submit_label = _("Yes, I posted it or handed it over")

    def get_row(self) -> Message:
        return selectors.message(self.actor, self.kwargs["pk"])

    def act(self, form: Form) -> str:
        actions.mark_posted(self.row, by=self.actor)
        self.say(_("The letter is noted as posted."))
        return reverse("outbox:letters")

    def breadcrumbs(self) -> list[tuple[Any, str]]:
        return [(_("Letters and messages"), reverse("outbox:letters"))]


class Settle(FormPage):
    """One message that may or may not have arrived, and what to do with it."""

    permission = Permission.SEND_MESSAGES
    about = {"pk": Message}
    template_name = "outbox/settle.jinja"
    title = _("Did this message arrive?")
    form_class = SettleForm
    submit_label = _("Save")

    def get_row(self) -> Message:
        message = selectors.message(self.actor, self.kwargs["pk"])
        if message.status not in (Message.Status.UNKNOWN, Message.Status.NOT_SENT):
            raise Http404
        return message

    def act(self, form: Form) -> str:
        has_arrived = form.cleaned_data["answer"] == ARRIVED
        actions.settle_by_hand(self.row, arrived=has_arrived, by=self.actor)
        self.say(_("Saved."))
        return reverse("outbox:to-look-at")

    def breadcrumbs(self) -> list[tuple[Any, str]]:
        return [(_("Letters and messages"), reverse("outbox:to-look-at"))]
