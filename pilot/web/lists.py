"""Pages that list rows, however many there are: keyset pages, an allow-list of orders, and a search box.

What is searched for is often a name or a number, so it never stands in an address as it is: it is sent in the
body and carried on, encrypted, to the next page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet, Subquery, Window
from django.db.models.functions import Lead
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from pilot.web.views import PageParts, PilotView

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

SEARCH, SORT, AFTER, BEFORE = "search", "sort", "after", "before"
LONGEST_SEARCH = 100


@dataclass(frozen=True)
class Sort:
    """An order that people may choose: by a field that is never empty, and by key where that is the same."""

    label: _StrOrPromise
    field: str
    descending: bool = False


@dataclass(frozen=True)
class Slice:
    """One page of rows and the addresses around it. Iterates over the rows."""

    rows: list[Any]
    next_href: str
    previous_href: str
    first_href: str

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class ListParts(PageParts):
    """A page of rows. Set `sorts` (the first is the usual one) and give the `rows()`, visible ones only.

    The template finds `page` (a `Slice`), `searched` (what was looked for) and `orders`.
    """

    sorts: ClassVar[Mapping[str, Sort]]
    page_size: ClassVar[int] = 25
    # With a label, the page has a search box and `search()` says what it finds.
    search_label: _StrOrPromise = ""
    search_hint: _StrOrPromise = ""

    def rows(self) -> QuerySet[Any]:
        """Every row that this person may see here, in no order."""
        raise NotImplementedError

    def search(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Those of the rows that fit what was looked for."""
        raise NotImplementedError

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Look for something."""
        text = request.POST.get(SEARCH, "").replace("\x00", "").strip()[:LONGEST_SEARCH]
        return HttpResponseRedirect(
            self._address(**{SEARCH: seal(text) if text else "", AFTER: "", BEFORE: ""})
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        searched = unseal(request.GET.get(SEARCH, "")) if self.search_label else ""
        rows = self.search(self.rows(), searched) if searched else self.rows()
        return self.show(
            page=self._slice(rows),
            searched=searched,
            search_label=self.search_label,
            search_hint=self.search_hint,
            search_action=request.get_full_path(),
            all_href=self._address(**{SEARCH: "", AFTER: "", BEFORE: ""}),
            orders=[
                (sort.label, self._address(**{SORT: key, AFTER: "", BEFORE: ""}), key == self._sort_key)
                for key, sort in self.sorts.items()
            ],
        )

    @property
    def _sort_key(self) -> str:
        asked = self.request.GET.get(SORT, "")
        return asked if asked in self.sorts else next(iter(self.sorts))

    def _slice(self, rows: QuerySet[Any]) -> Slice:
        sort = self.sorts[self._sort_key]
        edge = self._key_of(rows, AFTER) or self._key_of(rows, BEFORE)
        backwards = edge is not None and not self._key_of(rows, AFTER)
        descending = sort.descending is not backwards
        order = [F(sort.field).desc(), F("pk").desc()] if descending else [F(sort.field).asc(), F("pk").asc()]
        if edge is not None:
            value = Subquery(rows.order_by().filter(pk=edge).values(sort.field)[:1])
            rows = rows.filter(_beyond(sort.field, value, edge, descending=descending))
        # Knowing the following key says whether there is more, without fetching a row that is not shown.
        found = list(
            rows.annotate(_following=Window(Lead("pk"), order_by=order)).order_by(*order)[: self.page_size]
        )
        there_is_more = bool(found) and found[-1]._following is not None
        if backwards:
            found.reverse()
        has_next = backwards or there_is_more
        has_previous = there_is_more if backwards else edge is not None
        return Slice(
            rows=found,
            next_href=self._address(**{AFTER: str(found[-1].pk), BEFORE: ""}) if found and has_next else "",
            previous_href=self._address(**{BEFORE: str(found[0].pk), AFTER: ""})
            if found and has_previous
            else "",
            first_href=self._address(**{AFTER: "", BEFORE: ""}) if edge is not None else "",
        )

    def _key_of(self, rows: QuerySet[Any], parameter: str) -> Any:
        """The key of the row where the page before this one ended; None where none is named."""
        try:
            return rows.model._meta.pk.to_python(self.request.GET.get(parameter) or None)
        except ValidationError:
            return None

    def _address(self, **changes: str) -> str:
        """This page's address with some parameters changed; empty ones go."""
        query = self.request.GET.copy()
        for name, value in changes.items():
            query.pop(name, None)
            if value:
                query[name] = value
        return f"{self.request.path}?{query.urlencode()}".rstrip("?")


class ListPage(ListParts, PilotView):
    """A page of rows, for people whose role holds `permission`."""

    is_base = True


def _beyond(field: str, value: Any, pk: Any, *, descending: bool) -> Q:
    side = "lt" if descending else "gt"
    # The first condition alone says it to the index; the second settles rows with the same value.
    return Q(**{f"{field}__{side}e": value}) & (Q(**{f"{field}__{side}": value}) | Q(**{f"pk__{side}": pk}))


def seal(text: str) -> str:
    """Encrypt what somebody searched for, so that no address, log or browser history shows it."""
    return _cipher().encrypt(text.encode()).decode()


def unseal(token: str) -> str:
    """What was searched for; '' for anything that is not ours or older than a session can be."""
    try:
        return _cipher().decrypt(token.encode(), ttl=settings.SESSION_COOKIE_AGE).decode()
    except InvalidToken:
        return ""


@cache
def _cipher() -> Fernet:
    key = hashlib.sha256(b"pilot.web.lists" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
