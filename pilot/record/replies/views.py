"""The form by which a patient puts their own words beside a session."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from coaching.models import Session
from pilot.access import Permission
from pilot.record import selectors
from pilot.record.replies.actions import reply_to_session
from pilot.record.requests.forms import ReplyForm
from pilot.record.views import Crumbs, Own
from pilot.web.forms import Form
from pilot.web.views import FormPage


class SessionDifferently(Own, FormPage):
    """“I see this differently”."""

    permission = Permission.SEE_OWN_RECORD
    acts_with = Permission.MAKE_REQUESTS
    about = {"pk": Session}
    about_self = None
    template_name = "record/differently.jinja"
    title = gettext_lazy("I see this differently")
    form_class = ReplyForm
    submit_label = gettext_lazy("Put my words beside it")
    row: Session

    def get_row(self) -> Session:
        return selectors.session(self.actor, self.kwargs["pk"])

    def context(self) -> dict[str, Any]:
        return {"text": self.row.agreed, "session": self.row, "is_note": False}

    def act(self, form: Form) -> str:
        reply_to_session(self.row, form.cleaned_data["words"], by=self.actor)
        self.say(_("Your words stand beside it."))
        return reverse("record:sessions")

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("Sessions"), reverse("record:sessions"))]
