"""The patient's page of their copy: asking for it, seeing how it stands, and taking each of its files once."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from pilot.access import Permission
from pilot.record.copies import selectors
from pilot.record.copies.actions import ask_for_copy, take
from pilot.record.copies.making import SCHEMA
from pilot.record.copies.models import Copy, Part, Status
from pilot.record.copies.policies import NO_EVIDENCE, is_over, is_there, taken_at
from pilot.record.views import Crumbs, Own
from pilot.web.forms import Form, hidden_fields, read_form_key
from pilot.web.paper import PDF, as_download
from pilot.web.views import FormPage, PublicView

TYPES = {Part.PDF: PDF, Part.JSON: "application/json"}


class OwnCopy(Own, FormPage):
    """One click asks for it; the page then says how it stands, and has a button for each file."""

    permission = Permission.SEE_OWN_RECORD
    acts_with = Permission.TAKE_COPY
    template_name = "record/copy.jinja"
    title = gettext_lazy("Take a copy away")
    submit_label = gettext_lazy("Make my copy")

    def context(self) -> dict[str, Any]:
        copy = selectors.own_copies(self.actor, self.row).first()
        is_current = copy is not None and not is_over(copy)
        stands = Status(copy.status) if copy and is_current else None
        return {
            "copy": copy,
            "is_making": stands in (Status.WAITING, Status.BUILDING),
            "is_ready": stands is Status.READY,
            "files": [self._file(copy, part) for part in Part] if copy and is_current else [],
            "sentence": NO_EVIDENCE,
        }

    def act(self, form: Form) -> str:
        ask_for_copy(self.row, by=self.actor)
        return reverse("record:copy")

    def _file(self, copy: Copy, part: Part) -> dict[str, Any]:
        address = reverse("record:copy_file", args=[copy.pk, part.value])
        return {
            "label": part.label,
            "address": address,
            "hidden": hidden_fields(self.request, address=address),
            "is_there": is_there(copy, part),
            "taken_at": taken_at(copy, part),
        }


class TakeFile(Own, FormPage):
    """One of its files, once. Looking at this address takes nothing: the button does."""

    permission = Permission.SEE_OWN_RECORD
    acts_with = Permission.TAKE_COPY
    about = {"pk": Copy, "part": Part}
    about_self = None
    template_name = "record/copy_file.jinja"
    title = gettext_lazy("Take a copy away")
    submit_label = gettext_lazy("Download this file")
    row: Copy

    @property
    def part(self) -> Part:
        if self.kwargs["part"] not in Part.values:
            raise Http404
        return Part(self.kwargs["part"])

    def get_row(self) -> Copy:
        return selectors.own_copy(self.actor, self.kwargs["pk"])

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # A file has no address to be led to. Sent again, it finds that the file was taken.
        if read_form_key(request) is None:
            form = self._form()
            return self.show_form(form, status=422)
        if not is_there(self.row, self.part):
            return self.show_form(self._form(), status=409)
        try:
            content = take(self.row, self.part, by=self.actor)
        except ValidationError:
            # Another click was quicker. The page reads how it stands now.
            self.row = self.get_row()
            return self.show_form(self._form(), status=409)
        name = f"my-record-{timezone.localdate():%Y-%m-%d}.{self.part.value}"
        return as_download(content, name, TYPES[self.part])

    def context(self) -> dict[str, Any]:
        return {
            "is_there": is_there(self.row, self.part),
            "taken_at": taken_at(self.row, self.part),
            "label": self.part.label,
        }

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("Take a copy away"), reverse("record:copy"))]


class CopySchema(PublicView):
    """What stands in the file for computers, as a JSON Schema."""

    why = "the description of a file; there is nobody's data in it"

    def get(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse(json.loads(SCHEMA.read_text()), json_dumps_params={"indent": 2})
