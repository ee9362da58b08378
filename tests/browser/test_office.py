"""The office's newer pages and Django's admin in a real browser: no barriers, nothing refused by our own policy, all
of it by keyboard and without script."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from pilot.access import Role
from pilot.charter.models import PARTS, Charter
from pilot.people.models import Organisation
from tests import factories

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pilot(module_database: str) -> factories.Pilot:
    factories.make_sheet()
    return factories.make_pilot()


@pytest.fixture
def manager(pilot: factories.Pilot, visitor: Any) -> Any:
    """A pilot manager who has signed in; `complaints` is what the browser grumbled about."""
    staff = factories.make_staff(Role.PILOT_MANAGER, pilot.office, name="Max Office")

    def arrives(**options: Any) -> Any:
        person = visitor(**options)
        person.complaints = []
        person.page.on(
            "console",
            lambda message: (
                person.complaints.append(f"{message.text} @ {message.location} {message.page.url}")
                if minds(message)
                else None
            ),
        )
        person.page.on("pageerror", lambda error: person.complaints.append(str(error)))
        person.sign_in(factories.user_of(staff).email, factories.PASSWORD)
        return person

    return arrives


def look(person: Any, name: str) -> None:
    """Look at the page; what axe itself was refused while looking is not the page's."""
    own = list(person.complaints)
    person.look(name)
    person.complaints[:] = own


def minds(message: Any) -> bool:
    """Whether the browser refused something. It also names every feature of other browsers that the header forbids."""
    return message.type == "error" and "Permissions-Policy" not in message.text


def test_the_offices_pages_have_no_barriers(manager: Any, pilot: factories.Pilot) -> None:
    person = manager()
    coach = factories.make_staff(Role.COACH, pilot.provider, name="Cora Coach")
    for name in ("organisation", "organisation-edit", "organisation-provider", "organisation-close"):
        person.open(reverse(f"office:{name}", args=[pilot.practice.pk]))
        look(person, f"office-{name}")
    person.open(reverse("office:organisation-close", args=[pilot.provider.pk]))
    look(person, "office-provider-close")
    for name in ("person", "sign-out"):
        person.open(reverse(f"office:{name}", args=[coach.user_id]))
        look(person, f"office-{name}")
    assert person.complaints == []


def test_another_provider_is_chosen_by_keyboard(manager: Any, pilot: factories.Pilot) -> None:
    person = manager()
    person.open(reverse("office:organisation-provider", args=[pilot.other_practice.pk]))
    chosen = person.page.locator("input[type=radio]:checked")
    assert chosen.get_attribute("value") == str(pilot.other_provider.pk)
    chosen.focus()
    person.page.keyboard.press("ArrowDown")
    person.page.keyboard.press("Tab")
    with person.page.expect_navigation():
        person.page.keyboard.press("Enter")
    assert person.reads("Nobody for now")
    assert Organisation.objects.get(pk=pilot.other_practice.pk).served_by is None


def test_closing_and_keeping_open_work_without_script(manager: Any, pilot: factories.Pilot) -> None:
    practice = factories.make_organisation(name="Highbury Fields", served_by=pilot.provider)
    person = manager(javascript=False)
    person.open(reverse("office:organisation", args=[practice.pk]))
    person.click("Close this organisation")
    person.fill_date("1", "1", "2099")
    person.click("Close it")
    assert person.reads("1 January 2099")
    person.click("Keep this organisation open")
    look(person, "office-organisation-keep-open")
    person.click("Keep it open")
    assert person.reads("No end")


def test_the_admin_has_no_barriers_and_keeps_to_our_policy(manager: Any, pilot: factories.Pilot) -> None:
    person = manager()
    person.open("/admin/")
    look(person, "admin-index")
    person.click("Charters")
    look(person, "admin-list")
    person.click("Add charter")
    look(person, "admin-form")
    person.page.get_by_label(PARTS["aim"]).fill("")
    person.click("Save")
    assert person.status == 422
    look(person, "admin-form-refused")
    person.page.get_by_label(PARTS["aim"]).fill("To help people who want it.")
    person.click("Save")
    draft = Charter.objects.get(published_at=None)
    person.open(reverse("admin:charter_charter_change", args=[draft.pk]))
    look(person, "admin-draft")
    person.click("Throw this draft away")
    look(person, "admin-discard")
    person.open(reverse("admin:charter_charter_publish", args=[draft.pk]))
    look(person, "admin-publish")
    person.click("Publish it for good")
    look(person, "admin-published")
    for path in (
        reverse("admin:charter_charter_history", args=[draft.pk]),
        reverse("admin:people_organisation_changelist"),
        reverse("admin:people_organisation_change", args=[pilot.practice.pk]),
        reverse("admin:consent_informationsheet_changelist"),
        reverse("admin:consent_informationsheet_add"),
    ):
        person.open(path)
        look(person, "admin-" + path.strip("/").replace("/", "-").replace(str(pilot.practice.pk), "one"))
    refused = [each for each in person.complaints if "status of 422" not in each]
    assert refused == [], "the browser carried out everything that the pages asked for"


def test_the_admin_works_without_script(manager: Any) -> None:
    person = manager(javascript=False)
    person.open(reverse("admin:charter_charter_add"))
    person.page.get_by_label("Version").fill("500")
    person.click("Save")
    draft = Charter.objects.get(version=500)
    person.open(reverse("admin:charter_charter_change", args=[draft.pk]))
    person.click("Throw this draft away")
    person.click("Throw it away")
    assert not Charter.objects.filter(version=500).exists()
