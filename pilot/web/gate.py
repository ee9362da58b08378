"""The gate before every view: which kinds of request there are at all, which of them an address takes, and that
somebody decided who it is for.

Answers come in one order everywhere. What no address takes is refused first (405), known or unknown, signed in or not.
Then visitors are led to sign in, and people without a role to take one; then comes what this address does not take
(405), what the role may not do (403), what is not there for them (404), and the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse, HttpResponseNotAllowed, QueryDict

from pilot.web import errors
from pilot.web.exemptions import View, is_exempt, is_itself
from pilot.web.middleware import GetResponse, PilotRequest
from pilot.web.views import BaseView

# Nothing here needs more. OPTIONS would only tell strangers about addresses, and TRACE repeat what a browser sent.
METHODS = ("GET", "HEAD", "POST")
NUL = "\0"


class MethodsMiddleware:
    """Comes first, before anybody is known: refuses every other kind of request, the same at every address."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PilotRequest) -> HttpResponse:
        # No page: browsers send none of these by themselves.
        return self.get_response(request) if request.method in METHODS else HttpResponseNotAllowed(METHODS)


class Undecided(ImproperlyConfigured):
    """A view that says nowhere who may open it. It is not run."""


class GateMiddleware:
    """Comes last: whoever passes has signed in and has a role, where the view asks for that."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PilotRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed):
            # A library's own answer, which is bare.
            named = response.headers["Allow"].replace(" ", "").split(",")
            return errors.method_not_allowed(request, [each for each in METHODS if each in named])
        return response

    def process_view(
        self, request: PilotRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not is_ours(view) and not is_exempt(view):
            raise Undecided(
                f"{view.__module__}.{getattr(view, '__qualname__', view)} is no view of ours, "
                "and pilot/web/exemptions.py does not say why that is right."
            )
        if NUL in request.path or any(NUL in part for part in _parts(request.GET)):
            # No column holds such a character: the database would stumble over it, wherever it is looked for.
            return errors.bad_request(request)
        allowed = methods_of(view)
        return None if request.method in allowed else errors.method_not_allowed(request, allowed)


def _parts(query: QueryDict) -> Iterator[str]:
    for name, values in query.lists():
        yield from (name, *values)


def is_ours(view: View) -> bool:
    """Whether it is one of our own views, which ask for a decision themselves, with nothing wrapped around it."""
    view_class = getattr(view, "view_class", None)
    return is_itself(view) and isinstance(view_class, type) and issubclass(view_class, BaseView)


def methods_of(view: View) -> tuple[str, ...]:
    """The kinds of request that the view takes."""
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        return METHODS
    takes = {
        name for name in ("get", "post") if name in view_class.http_method_names and hasattr(view_class, name)
    }
    return tuple(method for method in METHODS if ("post" if method == "POST" else "get") in takes)
