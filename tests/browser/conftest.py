"""A real server and a real browser; every page that is looked at is searched for barriers, and kept as pictures if asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests import chromium

# Playwright runs a loop of its own in this thread, which makes Django think that queries here would block others.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

SCREENSHOTS = Path(__file__).parent.parent / "screenshots"
AXE = settings.BASE_DIR / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = {"phone": 390, "desktop": 1280}
NARROWEST = 320


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium. In CI, having none is a failure; elsewhere these tests are skipped and say why."""
    from playwright.sync_api import sync_playwright

    try:
        found = chromium.find()
    except chromium.NoBrowserError as problem:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"No browser: {problem}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**found.launch_options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(module_database: str) -> Iterator[str]:
    """The address of a server on this module's own database."""
    from pytest_django.live_server_helper import LiveServer

    server = LiveServer("localhost")
    settings.ALLOWED_HOSTS.append("localhost")
    yield server.url
    server.stop()
    settings.ALLOWED_HOSTS.remove("localhost")


@dataclass
class Visitor:
    """Somebody at a browser of their own: fresh cookies, a phone or a desktop."""

    page: Any
    address: str
    noted: list[str]
    # For somebody without script, the same page with it: axe cannot run otherwise.
    mirror: Any = None

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def follow(self, text: str) -> None:
        self.page.get_by_role("link", name=text).first.click()
        self.page.wait_for_load_state()

    def press(self, text: str) -> None:
        self.page.get_by_role("button", name=text).first.click()
        self.page.wait_for_load_state()

    def click(self, text: str) -> None:
        """Follow the link, or press the button, in the page itself; then in the header and footer."""
        for part in (self.page.locator("main"), self.page.locator("body")):
            found = part.get_by_role("button", name=text).or_(part.get_by_role("link", name=text))
            if found.count():
                break
        found.first.click()
        self.page.wait_for_load_state()

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=False).first.fill(text)

    def fill_date(self, day: str, month: str, year: str) -> None:
        for label, value in (("Day", day), ("Month", month), ("Year", year)):
            self.page.get_by_label(label, exact=True).first.fill(value)

    def tick(self, label: str) -> None:
        self.page.get_by_label(label, exact=False).first.check()

    def reads(self, text: str) -> bool:
        return text in self.page.locator("main").inner_text()

    @property
    def status(self) -> int:
        return int(self.page.evaluate("() => performance.getEntriesByType('navigation')[0].responseStatus"))

    def sign_in(self, email: str, password: str) -> None:
        """With the code of an app, for staff and for whoever has one."""
        from pilot.people.models import User
        from tests import second_steps

        user = User.objects.get(email=email)
        if user.memberships.exists():
            second_steps.app_of(user)
        self.open("/account/login/")
        self.fill("mail", email)
        self.page.locator("input[type=password]").fill(password)
        self.click("Sign in")
        if self.page.url.endswith("/account/second-step/authenticate/"):
            self.fill("Code", second_steps.code_now(user))
            self.click("Continue")

    def look(self, name: str) -> None:
        """Note the page's barriers, and keep it as pictures at both widths where `PILOT_PICTURES` is set. The test
        fails at its end if any barriers were noted: one run shows them all."""
        page = self._reflected()
        before = page.viewport_size
        if os.environ.get("PILOT_PICTURES"):
            _keep(page, name)
        page.set_viewport_size({"width": NARROWEST, "height": 640})
        wide = _too_wide(page)
        page.set_viewport_size(before)
        found = barriers(page)
        if wide:
            found.append(f"{wide} pixels wide on the narrowest phone")
        if "–" not in page.title():
            found.append(f"the title says too little: {page.title()}")
        self.noted += [f"{name}: {barrier}" for barrier in found]

    def _reflected(self) -> Any:
        if self.mirror is None:
            return self.page
        self.mirror.context.clear_cookies()
        self.mirror.context.add_cookies(self.page.context.cookies())
        self.mirror.goto(self.page.url)
        return self.mirror


def _keep(page: Any, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    for device, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 844})
        # Half the work of PNG.
        page.screenshot(path=SCREENSHOTS / f"{name}-{device}.jpg", quality=80, full_page=True)


def _too_wide(page: Any) -> int:
    """How wide the page is, if that is wider than the narrowest phone. The navigation folds itself away a moment after
    the window changes, and is waited for."""
    from playwright.sync_api import TimeoutError as NeverTrue

    with suppress(NeverTrue):
        fits = f"() => document.documentElement.scrollWidth <= {NARROWEST}"
        page.wait_for_function(fits, timeout=1_000)
        return 0
    return int(page.evaluate("() => document.documentElement.scrollWidth"))


def barriers(page: Any) -> list[str]:
    """What axe finds, in words. Run by the browser's debugger: the page's own policy allows no foreign script."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        f"{v['id']}: {v['help']} ({'; '.join(node['html'][:120] for node in v['nodes'][:3])})" for v in found
    ]


@pytest.fixture
def visitor(browser: Any, address: str) -> Iterator[Any]:
    """Makes visitors; each is somebody else, on a device of their own."""
    contexts: list[Any] = []
    noted: list[str] = []

    def page(javascript: bool) -> Any:
        context = browser.new_context(
            viewport={"width": 1280, "height": 844}, locale="en-GB", java_script_enabled=javascript
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        return context.new_page()

    def visit(*, javascript: bool = True) -> Visitor:
        return Visitor(page(javascript), address, noted, None if javascript else page(True))

    yield visit
    for context in contexts:
        context.close()
    assert noted == []
