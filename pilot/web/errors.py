"""Pages for when something cannot be shown or done. They say what happened and what to do next."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string

from pilot.people.selectors import practices_by_phone

logger = logging.getLogger(__name__)

# For when not even a template can be rendered.
LAST_RESORT = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Sorry, there is a problem</title></head>
<body><main>
<h1>Sorry, there is a problem</h1>
<p>Try again in a few minutes. What you sent may not be saved.</p>
<p>If someone is in danger, call <a href="tel:999">999</a>.</p>
</main></body>
</html>"""


def refused(request: HttpRequest, refusal: Exception) -> HttpResponse:
    """The page for a refusal: 404 tells nothing about what is there, 403 says what the role cannot do."""
    if isinstance(refusal, Http404):
        return _page(request, 404)
    return _page(request, 403, reason=str(refusal) if isinstance(refusal, PermissionDenied) else "")


def conflict(request: HttpRequest) -> HttpResponse:
    """Somebody else changed the row first, and there was no form to show again."""
    return _page(request, 409)


def method_not_allowed(request: HttpRequest, allowed: Sequence[str]) -> HttpResponse:
    """The address is there, and takes other requests than this one. Says which, and nothing else."""
    response = _page(request, 405)
    response.headers["Allow"] = ", ".join(allowed)
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refused(request, exception or PermissionDenied())


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from an old page, or from another site."""
    return _page(request, 403, old_page=True)


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Too many tries at signing in or the like."""
    return _page(request, 429, practices=practices_by_phone())


def sign_in_paused(request: HttpRequest) -> HttpResponse:
    """Nobody can sign in now: tries cannot be counted, and guessing without end would be worse."""
    response = _page(request, 503, practices=practices_by_phone())
    response.headers["Retry-After"] = "300"
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Needs no database, no session and no context: any of them may be what is wrong."""
    try:
        text: str = render_to_string("errors/500.jinja", {"reference": getattr(request, "reference", "")})
    except Exception:  # Whatever is wrong, the person gets an answer.
        logger.exception("The page for errors could not be rendered.")
        text = LAST_RESORT
    return HttpResponse(text, status=500)


def _page(request: HttpRequest, status: int, **context: Any) -> HttpResponse:
    return HttpResponse(render_to_string(f"errors/{status}.jinja", context, request), status=status)
