"""The views that are none of ours and are let through all the same: a short list, each with its reason.

Whatever is neither a view of `pilot.web.views` nor marked here is refused before it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponseBase
from django.urls import URLPattern, URLResolver

View = Callable[..., HttpResponseBase]

# A test pins its length. Health checks and public pages are not on it: each is a `PublicView` with a reason of its own
# (`PUBLIC_VIEWS`). Nor are static files, which WhiteNoise answers before any view is looked for.
EXEMPT: dict[str, str] = {
    "sign-in": (
        "django-allauth's pages for signing in and out and for one's own password and second step. They come before "
        "any role, touch no patient's row, and act as the system under the name of the sign-in."
    ),
}


def exempt(kind: str, view: View, around: Callable[[View], View] | None = None) -> View:
    """The view, marked as exempt; with `around`, wrapped in what runs it."""
    if kind not in EXEMPT:
        raise ImproperlyConfigured(f"There is no exemption called {kind}.")
    inner = around(view) if around else view

    @wraps(view)
    def run(*args: Any, **kwargs: Any) -> HttpResponseBase:
        return inner(*args, **kwargs)

    run.exempt_as = kind  # type: ignore[attr-defined]
    return itself(run)


def exempted(
    urls: str | Iterable[URLPattern | URLResolver],
    kind: str,
    around: Callable[[View], View] | None = None,
) -> list[URLPattern | URLResolver]:
    """Copies of a library's patterns whose every view is exempt."""
    patterns = import_module(urls).urlpatterns if isinstance(urls, str) else urls
    return [_copy(each, kind, around) for each in patterns]


def is_exempt(view: View) -> bool:
    return is_itself(view) and getattr(view, "exempt_as", None) in EXEMPT


def itself(view: View) -> View:
    """The view, marked so that what a decorator makes of it is known from it: that may answer without asking anybody,
    and carries every other mark of the view that it stands before."""
    view.itself = view  # type: ignore[attr-defined]
    return view


def is_itself(view: View) -> bool:
    return getattr(view, "itself", None) is view


def _copy(
    each: URLPattern | URLResolver, kind: str, around: Callable[[View], View] | None
) -> URLPattern | URLResolver:
    if isinstance(each, URLPattern):
        view = exempt(kind, each.callback, around)
        return URLPattern(each.pattern, view, each.default_args, each.name)
    inner = exempted(each.url_patterns, kind, around)
    return URLResolver(each.pattern, inner, each.default_kwargs, each.app_name, each.namespace)
