"""The guardian's pages: the log, one event of it, and for everybody who may do what.

The top floor: it may import from everywhere, and nothing but the project's addresses imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from audit import selectors, words
from audit.actions import record_look
from audit.forms import FilterForm
from audit.models import Event
from pilot.access import ROLES, Permission, Reach, Role
from pilot.access.roles import reaches_of, roles_with
from pilot.web.lists import SEARCH, ListPage, Sort
from pilot.web.views import Page, PublicPage

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Log(ListPage):
    """Everything that happened, the newest first, fifty at a time. Opening it is in the log too."""

    permission = Permission.REVIEW_AUDIT
    template_name = "audit/log.jinja"
    title = _("Who did what")
    sorts = {"newest": Sort(_("Newest first"), "id", descending=True)}
    page_size = 50
    search_label = _("Name or e-mail address of a member of staff")

    @cached_property
    def filter_form(self) -> FilterForm:
        form = FilterForm(self.request.GET)
        form.is_valid()
        return form

    def rows(self) -> QuerySet[Event]:
        if self.filter_form.errors:
            return selectors.events(self.actor, selectors.Filters()).none()
        return selectors.events(self.actor, self.filter_form.filters)

    def search(self, rows: QuerySet[Event], text: str) -> QuerySet[Event]:
        return selectors.by_staff_called(rows, text)

    def show(self, *, status: int = 200, **more: Any) -> TemplateResponse:
        lines = selectors.lines(more["page"])
        return super().show(status=status, lines=lines, asked=self._asked(lines), **more)

    def context(self) -> dict[str, Any]:
        kept = {name: self.request.GET[name] for name in (SEARCH, "person") if name in self.request.GET}
        return {"form": self.filter_form, "kept": kept, "log_address": reverse("audit:log")}

    def _asked(self, lines: list[selectors.Line]) -> list[tuple[str, str]]:
        """What the page was narrowed to, in words: (what, which)."""
        form = self.filter_form
        found = {name: form.in_words(name) for name, value in form.cleaned_data.items() if value}
        if "person" in found and lines:
            found["person"] = lines[0].who
        return [(str(form[name].label), value) for name, value in found.items()]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        page = super().get(request, *args, **kwargs)
        record_look([], [words.LOG])
        return page


class OpenEvent(Page):
    """One event, and what else was done by the same page or action."""

    permission = Permission.REVIEW_AUDIT
    template_name = "audit/event.jinja"
    title = _("One event")

    def get_row(self) -> Event:
        return selectors.event(self.actor, self.kwargs["pk"])

    def context(self) -> dict[str, Any]:
        together = selectors.together_with(self.row)
        line, *others = selectors.lines([self.row, *together])
        patients = selectors.patients_of(self.row)
        record_look(patients, [words.LOG])
        return {
            "line": line,
            "exact_time": f"{timezone.localtime(self.row.at):%H:%M:%S}",
            "others": others,
            "parts": words.parts(self.row),
            "keys": [words.key(patient) for patient in patients],
            "practice": selectors.practice_name(self.row),
            "digest": bytes(self.row.digest).hex() if self.row.digest else "",
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Log.title, reverse("audit:log"))]


class WhoMayDoWhat(PublicPage):
    """The table of roles itself, in words."""

    why = "Patients, staff and the public may know who can see what."
    template_name = "audit/roles.jinja"
    title = _("Who may see and do what")

    def context(self) -> dict[str, Any]:
        return {
            "roles": [
                (
                    role.label,
                    duties.sentence,
                    [
                        (capfirst(reach.label), [permission.label for permission in _telling(allowed)])
                        for reach, allowed in duties.can.items()
                        if _telling(allowed)
                    ],
                )
                for role, duties in ROLES.items()
            ],
            "permissions": [(capfirst(each.label), _who_has(each)) for each in _telling(Permission)],
        }


def _telling(permissions: Any) -> list[Permission]:
    """Without what everybody may do."""
    return [permission for permission in permissions if permission is not Permission.USE_OWN_ACCOUNT]


def _who_has(permission: Permission) -> list[str]:
    """“Clinician, at their own practice”, one for each role."""
    found: list[tuple[Role, Reach]] = [
        (role, reach) for reach in reaches_of(permission) for role in roles_with(permission, reach)
    ]
    return [f"{role.label}, {reach.label}" for role, reach in found]
