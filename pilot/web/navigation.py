"""What the header and the footer link to. Each app registers its pages; the role decides which are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.urls import get_script_prefix, get_urlconf, reverse

from pilot.access import Actor, Permission, current_or_none, may

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.functional import _StrOrPromise


@dataclass(frozen=True)
class NavigationItem:
    """A page that roles with `permission` reach from every page. The first in `order` is where they start."""

    label: _StrOrPromise
    url_name: str
    permission: Permission
    order: int = 100
    # How many wait there for whoever acts: said where their work starts, and on its own pages (one query there).
    count: Callable[[Actor], int] | None = None


@dataclass(frozen=True)
class FooterLink:
    """A public page that everybody reaches from every page."""

    label: _StrOrPromise
    url_name: str
    order: int = 100


@dataclass(frozen=True)
class UrgentButton:
    """The red button of roles with `permission`, on every page that has none of its own, errors included."""

    url_name: str
    permission: Permission


@dataclass(frozen=True)
class Alert:
    """A banner on every page of roles with `permission`, while `text` has something to say (one query)."""

    label: _StrOrPromise
    url_name: str
    permission: Permission
    text: Callable[[Actor], str]


@dataclass(frozen=True)
class Link:
    label: _StrOrPromise
    href: str
    current: bool = False
    count: int = 0


_items: dict[str, NavigationItem] = {}
_footer: dict[str, FooterLink] = {}
_buttons: dict[str, UrgentButton] = {}
_alerts: dict[str, Alert] = {}
_public_home = ["account_login"]


def register(*items: NavigationItem | FooterLink | UrgentButton | Alert) -> None:
    """Add pages to header, footer or alerts. Call it in an app's `urls.py`; the same page twice is one."""
    for item in items:
        match item:
            case FooterLink():
                _footer[item.url_name] = item
            case UrgentButton():
                _buttons[item.url_name] = item
            case Alert():
                _alerts[item.url_name] = item
            case _:
                _items[item.url_name] = item


def register_public_home(url_name: str) -> None:
    """Say which page visitors see first."""
    _public_home[0] = url_name


def address_of(url_name: str) -> str:
    """The address of a page that there is once. Looked up once: header and footer ask for twenty on every page."""
    return _address_of(url_name, get_urlconf() or settings.ROOT_URLCONF, get_script_prefix())


@cache
def _address_of(url_name: str, urlconf: str, _prefix: str) -> str:
    return reverse(url_name, urlconf)


def public_home() -> str:
    """The address of the page that visitors see first."""
    return address_of(_public_home[0])


def items_for(request: HttpRequest) -> list[NavigationItem]:
    actor = getattr(request, "actor", None)
    if actor is None:
        return []
    return _in_order(item for item in _items.values() if may(actor, item.permission))


def navigation_for(request: HttpRequest) -> list[Link]:
    """The header's links for the acting role; the one that the current page belongs to is marked."""
    addresses = [(item, address_of(item.url_name)) for item in items_for(request)]
    within = [href for _, href in addresses if request.path.startswith(href)]
    current = max(within, key=len, default=None)
    starts_here = bool(addresses) and request.path == addresses[0][1]
    return [
        Link(
            item.label, href, href == current, _count(item, request) if starts_here or href == current else 0
        )
        for item, href in addresses
    ]


def home_of(request: HttpRequest) -> str | None:
    """The address where the acting role starts, or None where it has no page yet."""
    return next((address_of(item.url_name) for item in items_for(request)), None)


def urgent_address(request: HttpRequest) -> str:
    """Where the red button of the acting role leads; '' where the role has none."""
    actor = getattr(request, "actor", None)
    found = (one for one in _buttons.values() if actor and may(actor, one.permission))
    return next((address_of(one.url_name) for one in found), "")


def alerts_for(request: HttpRequest) -> list[tuple[str, Link]]:
    """What the acting role has to be told, on every page but the one it leads to."""
    actor = _acting(request)
    if actor is None:
        return []
    alerts = [one for one in _alerts.values() if may(actor, one.permission)]
    links = [(one, Link(one.label, address_of(one.url_name))) for one in alerts]
    return [(text, link) for one, link in links if link.href != request.path and (text := one.text(actor))]


def footer_links() -> list[Link]:
    return [Link(link.label, address_of(link.url_name)) for link in _in_order(_footer.values())]


def _count(item: NavigationItem, request: HttpRequest) -> int:
    actor = _acting(request)
    return item.count(actor) if item.count and actor else 0


def _acting(request: HttpRequest) -> Actor | None:
    """Whoever asks for the page, where the door is open to them: outside it there is nothing to count."""
    context, actor = current_or_none(), getattr(request, "actor", None)
    return actor if context is not None and context.actor == actor else None


Item = TypeVar("Item", NavigationItem, FooterLink)


def _in_order(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: item.order)
