"""Which browsers an account was used in before, and what a browser is called in plain words.

A browser that its owner signed in with keeps a signed cookie that says so, for each account. Without it, the browser
counts as new, and the owner is told. A cookie knows one browser from another; what a browser says of itself does not:
half of a practice uses the same one, and an update would make each of them new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings
from django.core import signing
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

COOKIE = settings.KNOWN_BROWSER_COOKIE_NAME
SALT = "pilot.sign_in.browsers"
KEPT_FOR = 400 * 24 * 60 * 60  # as long as browsers keep any cookie
MOST_ACCOUNTS = 12  # on one browser: a shared computer at a practice's desk

# As they name themselves, the more particular first.
_BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "FxiOS": "Firefox",
    "Firefox": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "CrOS": "Chromebook",
    "Windows": "Windows",
    "Macintosh": "Mac",
    "Linux": "Linux",
}


def notice_browser(request: HttpRequest) -> None:
    """Remember this browser for the account that signed in, and whether it was new to it (`request.new_browser`)."""
    known, own = _known(request), _mark(str(request.user.pk))
    request.new_browser = own not in known  # type: ignore[attr-defined]
    kept = [own, *(each for each in known if each != own)][:MOST_ACCOUNTS]
    request.known_browser = signing.dumps(kept, salt=SALT)  # type: ignore[attr-defined]


def in_words(user_agent: str) -> str:
    """ "Firefox on Windows", as far as can be known."""
    browser = next((name for mark, name in _BROWSERS.items() if f"{mark}/" in user_agent), "")
    system = next((name for mark, name in _SYSTEMS.items() if mark in user_agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("A browser we do not know")


class KnownBrowserMiddleware:
    """Hands the cookie to a browser that somebody just signed in with."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        known = getattr(request, "known_browser", None)
        if known:
            response.set_cookie(
                COOKIE,
                known,
                max_age=KEPT_FOR,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response


def _known(request: HttpRequest) -> list[str]:
    try:
        found = signing.loads(
            request.COOKIES.get(COOKIE, ""),
            salt=SALT,
            max_age=KEPT_FOR,
            fallback_keys=settings.SECRET_KEY_FALLBACKS,
        )
    except signing.BadSignature:
        return []
    return [each for each in found if isinstance(each, str)]


def _mark(user_id: str) -> str:
    # Signed as a whole; hashed so that the browser need not know an account's key.
    return hashlib.sha256(f"{SALT}:{user_id}".encode()).hexdigest()[:24]
