"""The page from which a guardian takes a part of the log away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from audit import selectors, words
from audit.actions import record_look
from audit.exports.actions import LIMIT, take_away
from audit.exports.forms import ExportForm
from audit.forms import FilterForm
from pilot.access import Permission
from pilot.web.lists import SEARCH, unseal
from pilot.web.views import FormPage

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Export(FormPage):
    """What the log's page was narrowed to, as a file: first for whom and what for, then the file itself."""

    permission = Permission.REVIEW_AUDIT
    template_name = "audit/export.jinja"
    title = _("Take a part of the log away")
    form_class = ExportForm
    submit_label = _("Make the file")

    @cached_property
    def filter_form(self) -> FilterForm:
        form = FilterForm(self.request.GET)
        form.is_valid()
        return form

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        record_look([], [words.LOG])
        return super().get(request, *args, **kwargs)  # type: ignore[arg-type]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # A file has no address to be led to. Sent again, it is another disclosure.
        form, asked = self._form(request.POST), self.filter_form
        if not form.is_valid() or asked.errors:
            return self.show_form(form, status=422)
        called = unseal(request.GET.get(SEARCH, ""))
        found = selectors.page(self.actor, asked.filters, called=called, size=LIMIT)
        file = take_away(found, **form.cleaned_data, by=self.actor)
        name = f"log-{timezone.localtime():%Y-%m-%d-%H%M}.zip"
        return HttpResponse(
            file,
            content_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def context(self) -> dict[str, Any]:
        form = self.filter_form
        asked = [
            (str(form[name].label), form.in_words(name)) for name, value in form.cleaned_data.items() if value
        ]
        return {"asked": asked, "limit": f"{LIMIT:,}", "searched": unseal(self.request.GET.get(SEARCH, ""))}

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(_("Who did what"), reverse("audit:log"))]
