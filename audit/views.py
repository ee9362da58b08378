"""The guardian's pages: the log, one event of it, how each address answers whom; and for everybody who may do what.

The top floor: it may import from everywhere, and nothing but the project's addresses imports it.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from audit import selectors, words
from audit.actions import record_look
from audit.forms import AskerForm, FilterForm
from audit.models import Event
from audit.sealing.state import sealing_state
from audit.values.actions import CHANGES
from pilot.access import Permission, Reach, Role, may
from pilot.access.roles import in_words, reaches_of, roles_with
from pilot.web.expectations import ASKERS, VISITOR, Address, Asker, Cell, Outcome, addresses, answers, cells
from pilot.web.lists import AFTER, BEFORE, SEARCH, ListPage, unseal
from pilot.web.views import Page, PilotView, PublicPage

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Log(ListPage):
    """Everything that happened, the newest first, fifty at a time. Opening it is in the log too."""

    permission = Permission.REVIEW_AUDIT
    template_name = "audit/log.jinja"
    title = _("Who did what")
    search_label = _("Name or e-mail address of a member of staff")

    @cached_property
    def filter_form(self) -> FilterForm:
        form = FilterForm(self.request.GET)
        form.is_valid()
        return form

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        called, form = unseal(request.GET.get(SEARCH, "")), self.filter_form
        found = selectors.Found([])
        if not form.errors:
            before, after = (_number(request.GET.get(name, "")) for name in (BEFORE, AFTER))
            found = selectors.page(self.actor, form.filters, called=called, before=before, after=after)
        lines = selectors.lines(found.events)
        response = self.show(
            lines=lines,
            sealing=None if request.GET else sealing_state(),
            found=found,
            searched=called,
            search_label=self.search_label,
            search_action=request.get_full_path(),
            asked=self._asked(lines),
            older_href=self._address(before=str(found.older), after="") if found.older else "",
            newer_href=self._address(after=str(found.newer), before="") if found.newer else "",
        )
        record_look([], [words.LOG])
        return response

    def context(self) -> dict[str, Any]:
        kept = {name: self.request.GET[name] for name in (SEARCH, "person") if name in self.request.GET}
        narrowed = {name: str(each) for name, each in self.request.GET.items() if name not in (BEFORE, AFTER)}
        return {
            "form": self.filter_form,
            "kept": kept,
            "log_address": reverse("audit:log"),
            "export_address": f"{reverse('audit:export')}?{urlencode(narrowed)}".rstrip("?"),
        }

    def _asked(self, lines: list[selectors.Line]) -> list[tuple[str, str]]:
        """What the page was narrowed to, in words: (what, which)."""
        form = self.filter_form
        found = {name: form.in_words(name) for name, value in form.cleaned_data.items() if value}
        if "person" in found and lines:
            found["person"] = lines[0].who
        return [(str(form[name].label), value) for name, value in found.items()]


class OpenEvent(Page):
    """One event, and what else was done by the same page or action."""

    permission = Permission.REVIEW_AUDIT
    about = {"pk": Event}
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
            "can_open": self.row.kind in CHANGES and words.model_of(self.row.relation) is not None,
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Log.title, reverse("audit:log"))]


class Story(Page):
    """Everything around one patient, day by day: changes, looks, refusals, what was sent. Opening it is a look at them."""

    permission = Permission.REVIEW_AUDIT
    about = {"patient_id": Event}
    template_name = "audit/story.jinja"
    title = _("Everything around one patient")

    def get_row(self) -> selectors.Story:
        before = _number(self.request.GET.get(BEFORE, ""))
        return selectors.story(self.actor, self.kwargs["patient_id"], before=before)

    def context(self) -> dict[str, Any]:
        record_look(self.row.patients, [words.LOG])
        return {"caption": _("Patient %(key)s") % {"key": self.row.key}}

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Log.title, reverse("audit:log"))]


class AnswersParts(PilotView):
    """What the page and the files about every address share: of whom they tell, as `?role=` says."""

    is_base = True
    permission = Permission.REVIEW_AUDIT

    @cached_property
    def form(self) -> AskerForm:
        form = AskerForm(self.request.GET)
        form.is_valid()
        return form


class WhoIsAnsweredWhat(AnswersParts, Page):
    """Every address of the service and how it answers whom, as permissions, roles and relations have it."""

    permission = Permission.REVIEW_AUDIT
    template_name = "audit/access.jinja"
    title = _("Who is answered what")

    def context(self) -> dict[str, Any]:
        asker = self.form.asker
        found = addresses()
        sizes = Counter(_first_part(address) for address in found)
        parts: dict[str, list[tuple[Address, list[Any]]]] = {}
        for address in found:
            part = _first_part(address)
            shown = [self._shown(address, method, asker) for method in ("GET", "POST")]
            parts.setdefault(part if sizes[part] > 1 else "/", []).append((address, shown))
        return {
            "form": self.form,
            "asker": asker,
            "parts": parts,
            "colours": {Outcome.ALLOWED: "green", Outcome.FORBIDDEN: "red", Outcome.NOT_THERE: "orange"},
            "files": [
                (name, f"{reverse(f'audit:{url}')}?{urlencode({'role': asker.name if asker else ''})}")
                for name, url in (("CSV", "access-csv"), ("JSON", "access-json"))
            ],
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Log.title, reverse("audit:log"))]

    def _shown(self, address: Address, method: str, asker: Asker | None) -> list[tuple[Any, list[Any]]]:
        """(outcome, who or over whose records) of one kind of request; of everybody, only what is allowed."""
        if method not in address.methods:
            return [(Outcome.NOT_OFFERED, [])]
        if asker:
            found = answers(address, method, asker)
            return [(outcome, [(scope.label, []) for scope in scopes]) for outcome, scopes in found.items()]
        all_found = [(each, answers(address, method, each)) for each in ASKERS]
        allowed = [(each, found[Outcome.ALLOWED]) for each, found in all_found if Outcome.ALLOWED in found]
        if len(allowed) == len(ASKERS):
            return [(Outcome.ALLOWED, [(_("Everybody"), [])])]
        if len(allowed) == len(ASKERS) - 1 and VISITOR not in [each for each, _scopes in allowed]:
            return [(Outcome.ALLOWED, [(_("Everybody who is signed in"), [])])]
        return [
            (Outcome.ALLOWED, [(each.label, [scope.label for scope in scopes]) for each, scopes in allowed])
        ]


class AnswersAsJson(AnswersParts):
    """Every single question and its answer, for programs."""

    permission = Permission.REVIEW_AUDIT

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return JsonResponse(
            [cell._asdict() for cell in cells(self.form.asker)],
            safe=False,
            headers={"Content-Disposition": 'attachment; filename="who-is-answered-what.json"'},
        )


class AnswersAsCsv(AnswersParts):
    """The same for a spreadsheet."""

    permission = Permission.REVIEW_AUDIT

    def get(self, request: HttpRequest) -> HttpResponseBase:
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow(Cell._fields)
        table.writerows(cells(self.form.asker))
        return HttpResponse(
            text.getvalue(),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="who-is-answered-what.csv"'},
        )


class WhoMayDoWhat(PublicPage):
    """The table of roles itself, in words."""

    why = "Patients, staff and the public may know who can see what."
    template_name = "audit/roles.jinja"
    title = _("Who may see and do what")

    def context(self) -> dict[str, Any]:
        return {
            "roles": [
                (role.label, sentence, [(capfirst(reach.label), labels) for reach, labels in reaches])
                for role, sentence, reaches in in_words()
            ],
            "permissions": [(capfirst(each.label), _who_has(each)) for each in _telling(Permission)],
            "reviews": self.request.actor is not None and may(self.request.actor, Permission.REVIEW_AUDIT),
        }


def _number(text: str) -> int | None:
    """The number of an event that stands in an address; None for anything that is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _first_part(address: Address) -> str:
    """“/coaching/” for everything below it."""
    first, slash, _rest = address.pattern.partition("/")
    return f"/{first}/" if slash else "/"


def _telling(permissions: Any) -> list[Permission]:
    """Without what everybody may do."""
    return [permission for permission in permissions if permission is not Permission.USE_OWN_ACCOUNT]


def _who_has(permission: Permission) -> list[str]:
    """“Clinician, at their own practice”, one for each role."""
    found: list[tuple[Role, Reach]] = [
        (role, reach) for reach in reaches_of(permission) for role in roles_with(permission, reach)
    ]
    return [f"{role.label}, {reach.label}" for role, reach in found]
