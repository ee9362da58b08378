"""The guardian's pages that show more than the log: what a change was, and a patient's key. Both want a reason first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from audit import selectors, words
from audit.actions import record_look
from audit.models import Event
from audit.values import actions
from audit.values.forms import FindPatientForm, ReasonForm
from pilot.access import Permission
from pilot.web.views import FormPage

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

    from pilot.web.forms import Form


class OpenValues(FormPage):
    """What one change was, old → new. The form asks why; the answer to it is the only page that shows anything."""

    permission = Permission.REVIEW_AUDIT
    about = {"pk": Event}
    template_name = "audit/values.jinja"
    title = _("What changed")
    form_class = ReasonForm
    submit_label = _("Show what changed")
    row: Event

    def get_row(self) -> Event:
        return selectors.event(self.actor, self.kwargs["pk"])

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Not led elsewhere: there is no address under which the values stand. Sent again, it is another look.
        form = self._form(request.POST)
        if not self._changed_something or not form.is_valid():
            return self.show_form(form, status=422)
        reason = form.cleaned_data["reason"]
        values = actions.open_values(self.row, reason=reason, by=self.actor)
        return self.show(values=values, shown=words.classes(values.classes), reason=reason, form=None)

    def context(self) -> dict[str, Any]:
        return {
            "line": selectors.lines([self.row])[0],
            "changed_something": self._changed_something,
            "parts": words.parts(self.row) if self.row.kind == "changed" else [],
            "values": None,
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [
            (_("Who did what"), reverse("audit:log")),
            (_("One event"), reverse("audit:event", args=[self.row.pk])),
        ]

    @property
    def _changed_something(self) -> bool:
        return self.row.kind in actions.CHANGES and words.model_of(self.row.relation) is not None


class FindPatient(FormPage):
    """The key of somebody who asked the guardian to look: found only if described exactly. It is in the log."""

    permission = Permission.REVIEW_AUDIT
    template_name = "audit/find.jinja"
    title = _("Find a patient’s key")
    form_class = FindPatientForm
    submit_label = _("Look for this person")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        record_look([], [words.LOG])
        return super().get(request, *args, **kwargs)  # type: ignore[arg-type]

    def context(self) -> dict[str, Any]:
        # An address says anything: only what is spelt as a key is one.
        found = [
            each for each in self.request.GET.get("found", "").split(",") if re.fullmatch(selectors.KEY, each)
        ]
        return {"was_asked": "found" in self.request.GET, "found": [words.key(each) for each in found[:20]]}

    def act(self, form: Form) -> str:
        found = actions.find_patient(**form.cleaned_data, by=self.actor)
        if len(found) == 1:
            return reverse("audit:story", args=[words.key(found[0][0])])
        # Nobody, or the same person at several practices. Not an error: what is recorded stays recorded.
        keys = ",".join(words.key(key) for key, _practice in found)
        return f"{reverse('audit:find')}?{urlencode({'found': keys})}"

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(_("Who did what"), reverse("audit:log"))]
