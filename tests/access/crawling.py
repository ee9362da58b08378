"""Goes wherever somebody can get to on the site, as far as links, forms and addresses lead, and looks at every answer:
whether a canary is in it that they may not see, and whether the log says that they were shown what they were shown.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urldefrag, urlencode, urljoin, urlsplit

from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import Resolver404, resolve

from pilot.access import Permission, reach_of
from pilot.web.lists import SEARCH, ListParts
from pilot.web.views import FormParts
from tests.access.canaries import KEY, Aviary, Canary, Person, keys_in, may_see

# Not followed: it would end the crawl, or shows what exists in the demo only and there to everybody.
NOT_FOLLOWED = ("/account/logout/", "/demo/", "/static/")
# Of pages of one kind that are about no patient's row, and of orders and filters of one kind of page, these are enough.
OF_A_KIND, OF_A_PAGE = 3, 3
HERE = "testserver"

_LINK = re.compile(
    r'<(?:a|img|link|iframe|object|use|source)\b[^>]*?\s(?:href|src|data)="([^"]*)"', re.IGNORECASE
)
_FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.IGNORECASE | re.DOTALL)
_FIELD = re.compile(r"<(input|select|textarea)\b([^>]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"', re.IGNORECASE)


@dataclass(frozen=True)
class PageForm:
    """A form on a page: where it goes, how, and what is filled in already."""

    action: str
    method: str
    fields: dict[str, str]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """One look as the log has it."""

    signature: tuple[str, str]
    classes: frozenset[str]
    patients: frozenset[Any]


@dataclass
class Visit:
    """One question and its answer."""

    method: str
    address: str
    status: int
    found: set[str]


@dataclass
class Crawl:
    """One person's way through the site. `faults` is empty where nothing was shown that should not be."""

    person: Person
    client: Client
    aviary: Aviary
    # What to search for, and whether to send forms with something wrong in them too.
    terms: list[dict[str, str]] = field(default_factory=list)
    sends_forms: bool = True
    # Another in the same role went this way before.
    is_second: bool = False
    leaves_out: tuple[str, ...] = NOT_FOLLOWED
    faults: list[str] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    _ahead: deque[str] = field(default_factory=deque)
    _known: set[str] = field(default_factory=set)
    _tried: Counter[str] = field(default_factory=Counter)
    _last_event: int = 0

    def go(self, *starts: str, but: Iterable[str] = ()) -> Crawl:
        """Breadth first from these addresses, each once, with every form on the way; `but` these are left out."""
        self._known.update(but)
        for address in starts:
            self._remember(address)
        while self._ahead:
            self.look(self._ahead.popleft())
        return self

    def try_all(self, addresses: Iterable[str]) -> Crawl:
        """Ask for these, though nothing leads there: where the role holds the permission for each of them, and
        otherwise for one row's of each kind, since what is refused to the role is refused before a row is looked for;
        or for none, where somebody else `is_second` in a role that was refused already.
        """
        for address in addresses:
            kind, known = kind_of(address), address in self._known
            is_for_them = self._holds(getattr(view_of(address), "permission", None))
            of_a_kind = 0 if self.is_second else 1
            if not known and (
                is_for_them
                or (self._is_about_a_row(address) and self._is_new(f"elsewhere {kind}", of_a_kind))
            ):
                self._known.add(address)
                self.ask("GET", address)
        return self

    def _holds(self, permission: Permission | None) -> bool:
        # Whoever has not signed in is led to do so, whatever they stand for.
        role = self.person.actor.role if self.person.actor else None
        return permission is not None and role is not None and reach_of(role, permission) is not None

    @property
    def addresses(self) -> list[str]:
        """Where something was found, without filters and searches."""
        found = (visit.address for visit in self.visits if visit.method == "GET" and visit.status == 200)
        return sorted({urlsplit(address).path for address in found})

    @property
    def seen(self) -> set[str]:
        return set().union(*(visit.found for visit in self.visits))

    def look(self, address: str) -> None:
        response = self.ask("GET", address)
        if response.status_code in (301, 302):
            self._remember(urljoin(address, response["Location"]))
        if "html" not in response.get("Content-Type", ""):
            return
        page = response.content.decode()
        for link in _LINK.findall(page):
            self._remember(urljoin(address, unescape(link)))
        for form in forms_of(page, address):
            self._try_form(form)

    def ask(
        self, method: str, address: str, data: dict[str, Any] | None = None, said: str = ""
    ) -> HttpResponse:
        """One request, and a close look at the answer. What was `said` to the site may stand in what it answers."""
        said = f"{said} {unquote_plus(address)} {' '.join((data or {}).values())}"
        response = self.client.get(address) if method == "GET" else self.client.post(address, data or {})
        asked = keys_in(said)
        # A day that was asked for comes back in three boxes.
        asked |= {key[:4] for key in asked if key[4:5] == "-"}
        found = (keys_in(f"{_headers(response)}\n{_text(response)}") - asked) & self.aviary.canaries.keys()
        self.visits.append(Visit(method, address, response.status_code, found))
        if response.status_code >= 500:
            self.faults.append(f"{self.person.name}: {method} {address} broke")
        if found:
            reads = self._reads(getattr(response.wsgi_request, "reference", ""))
            self._judge(f"{self.person.name}: {method} {address} ({response.status_code})", found, reads)
        return response

    # --- Judging ---------------------------------------------------------------------------------------

    def _judge(self, where: str, found: set[str], reads: list[Read]) -> None:
        for key in sorted(found):
            canary = self.aviary.canaries[key]
            whose = self.aviary.names.get(canary.patient, "nobody") if canary.patient else "a list"
            if not may_see(self.person, canary):
                self.faults.append(f"{where} shows {canary.where} of {whose}")
            elif not self._is_own_sign_in(canary) and not any(self._tells(read, canary) for read in reads):
                self.faults.append(f"{where} shows {canary.where} of {whose} and the log does not say so")

    def _is_own_sign_in(self, canary: Canary) -> bool:
        """Whether it is the name by which somebody is signed in: that is shown on all of their pages."""
        return canary.is_sign_in and canary.patient in self.person.patients

    def _tells(self, read: Read, canary: Canary) -> bool:
        if read.signature != self.person.signature:
            return False
        if "log" in read.classes and (canary.field == KEY or canary.model._meta.app_label == "audit"):
            return True
        shown = canary.kind in read.classes or canary.field == KEY or canary.is_sign_in
        is_about_them = canary.patient is None or canary.patient in read.patients
        return (shown and is_about_them) or any(self._tells(read, quote) for quote in canary.quotes)

    def _reads(self, reference: str) -> list[Read]:
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT e.id, e.actor, e.role, e.columns, e.patient_id,"
                " ARRAY(SELECT s.patient_id FROM audit_subject s WHERE s.event_id = e.id)"
                " FROM audit_event e WHERE e.id > %s AND e.request = %s AND e.kind IN ('read', 'disclosed')",
                [self._last_event, reference],
            )
            rows = cursor.fetchall()
        self._last_event = max([self._last_event, *(row[0] for row in rows)])
        return [
            Read((actor, role), frozenset(classes), frozenset([patient, *several]))
            for _id, actor, role, classes, patient, several in rows
        ]

    # --- Finding the way -------------------------------------------------------------------------------

    def _remember(self, address: str) -> None:
        parts = urlsplit(urldefrag(address).url)
        if parts.scheme not in ("", "http") or parts.netloc not in ("", HERE) or not parts.path:
            return
        # A search is made anew by whoever wants one: its address is another every time.
        if parts.path.startswith(self.leaves_out) or SEARCH in dict(parse_qsl(parts.query)):
            return
        address = f"{parts.path}?{parts.query}".rstrip("?")
        if address in self._known:
            return
        self._known.add(address)
        kind = kind_of(parts.path)
        is_first = self._is_new(f"{kind}?" if parts.query else kind, OF_A_PAGE if parts.query else OF_A_KIND)
        if is_first or (not parts.query and self._is_about_a_row(address)):
            self._ahead.append(address)

    def _is_about_a_row(self, address: str) -> bool:
        return not self.aviary.canaries.keys().isdisjoint(keys_in(address))

    def _try_form(self, form: PageForm) -> None:
        """Send it where that changes nothing: searches, filters, and forms with something wrong in them."""
        path = urlsplit(form.action).path
        view, kind = view_of(path), kind_of(path)
        if form.method == "get" and self._is_new(f"GET {kind}", 1):
            for filled in self._filled(form):
                self.ask("GET", f"{path}?{urlencode(filled)}")
        if form.method != "post" or path.startswith(self.leaves_out) or view is None:
            return
        if issubclass(view, ListParts) and SEARCH in form.texts and self._is_new(f"search {kind}", 1):
            for text in (text for term in self.terms for text in term.values()):
                self._search(path, text)
        if self.sends_forms and issubclass(view, FormParts) and self._is_new(f"POST {kind}", 1):
            # Without its key a form is shown again with everything that is wrong with it, and never acted on.
            self.ask("POST", path)
            if view.edits_row:
                self.ask("POST", path, {**form.fields, "version": "0"})
            if "family_name" in form.fields and self._is_new(f"describe {kind}", 1):
                for term in self.terms:
                    self.ask(
                        "POST",
                        path,
                        {name: term.get(name, "x") for name in form.fields if name != "form_key"},
                    )

    def _is_new(self, what: str, enough: int) -> bool:
        self._tried[what] += 1
        return self._tried[what] <= enough

    def _search(self, path: str, text: str) -> None:
        answer = self.ask("POST", path, {SEARCH: text})
        if answer.status_code == 302:
            self.ask("GET", answer["Location"], said=text)

    def _filled(self, form: PageForm) -> Iterator[dict[str, str]]:
        yield form.fields
        for text in self.terms[0].values() if self.terms else ():
            yield {**form.fields, **dict.fromkeys(form.texts, text)}


def forms_of(page: str, address: str) -> Iterator[PageForm]:
    for attributes, body in _FORM.findall(page):
        form = dict(_ATTRIBUTE.findall(attributes))
        fields, texts = {}, []
        for tag, found in _FIELD.findall(body):
            each = dict(_ATTRIBUTE.findall(found))
            if each.get("name") and (each.get("type") not in ("radio", "checkbox") or "checked" in found):
                fields[each["name"]] = unescape(each.get("value", ""))
            if each.get("name") and tag != "select" and each.get("type", "text") in ("text", "search"):
                texts.append(each["name"])
        action = urljoin(address, unescape(form.get("action", "")) or address)
        yield PageForm(action, form.get("method", "get").lower(), fields, tuple(texts))


@cache
def kind_of(path: str) -> str:
    """The pattern that an address fits, like `patients/<uuid:patient>/`."""
    try:
        return resolve(path).route
    except Resolver404:
        return path


@cache
def view_of(path: str) -> Any:
    """The class behind an address; None where it is nothing of ours."""
    try:
        return getattr(resolve(path).func, "view_class", None)
    except Resolver404:
        return None


def _text(response: HttpResponse) -> str:
    kind = response.get("Content-Type", "text/html")
    content = response.getvalue() if response.streaming else response.content
    assert kind.startswith(("text/", "application/json", "image/svg", "image/png", "application/manifest")), (
        f"No canary would be found in {kind}: teach keys_in() to read it."
    )
    return unescape(content.decode(errors="replace"))


def _headers(response: HttpResponse) -> str:
    return "\n".join(f"{name}: {value}" for name, value in response.items()) + response.cookies.output()
