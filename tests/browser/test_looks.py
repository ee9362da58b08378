"""What pages are made of, in a real browser: no barriers, nothing too wide, all of it without script."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from pilot.access import Role
from tests import factories

pytestmark = pytest.mark.browser

SAMPLES = ["/tiny/fields/", "/tiny/components/", "/account/", "/role/", "/account/sign-out-everywhere/"]
SAMPLES += ["/account/password/change/", "/nowhere/", "/tiny/allocate/"]
PUBLIC = [
    "/help/",
    "/accessibility/",
    "/privacy/",
    "/account/login/",
    "/account/password/reset/",
]


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.web.site"


@pytest.fixture
def receptionist(address: str, visitor: Any) -> Any:
    """A receptionist, signed in."""
    staff = factories.make_staff(Role.RECEPTIONIST, factories.make_pilot().practice, name="Rosa Desk")

    def arrives(**options: Any) -> Any:
        person = visitor(**options)
        person.sign_in(factories.user_of(staff).email, factories.PASSWORD)
        return person

    return arrives


def _name(path: str) -> str:
    return "looks-" + path.strip("/").replace("/", "-")


def test_pages_of_somebody_signed_in_have_no_barriers(receptionist: Any) -> None:
    person = receptionist()
    for path in SAMPLES:
        person.open(path)
        person.look(_name(path))


def test_public_pages_have_no_barriers(visitor: Any) -> None:
    person = visitor()
    for path in PUBLIC:
        person.open(path)
        person.look(_name(path))


def test_a_wrong_form_leads_to_what_is_wrong(receptionist: Any) -> None:
    person = receptionist()
    person.open("/tiny/fields/")
    person.press("Continue")
    assert person.status == 422
    assert person.page.evaluate("() => document.activeElement.className").startswith("nhsuk-error-summary")
    person.follow("Enter date of birth")
    assert person.page.evaluate("() => document.activeElement.id") == "id_born_on_day"
    person.look("looks-errors")


def test_a_form_works_without_script(receptionist: Any) -> None:
    person = receptionist(javascript=False)
    person.open("/tiny/fields/")
    person.press("Continue")
    assert "There is a problem" in person.page.content()
    person.fill("First name", "Ana")
    person.fill_date("27", "3", "1984")
    person.page.locator("#id_contact").check()
    person.press("Continue")
    assert "Saved" in person.page.content()
    person.press("Sign out")
    person.open("/account/")
    assert "/account/login/" in person.page.url


def test_somebody_is_warned_before_the_session_ends_and_may_stay(
    receptionist: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SESSION_IDLE_SECONDS", settings.SESSION_WARNING_SECONDS + 2)
    person = receptionist()
    person.open("/account/")
    dialog = person.page.get_by_role("dialog", name="Do you want to stay signed in?")
    dialog.wait_for(timeout=10_000)
    assert "Less than 2 minutes left" in dialog.inner_text()
    monkeypatch.setattr(settings, "SESSION_IDLE_SECONDS", 15 * 60)
    person.press("Stay signed in")
    dialog.wait_for(state="hidden")
    person.open("/account/")
    assert person.reads("Rosa Desk")
