"""A patient asks, complains, sees something differently and takes their copy away; with the pages as they look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilot.access import Role
from tests import factories
from tests.record.cases import make_full_case

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def case(address: str) -> Any:
    return make_full_case()


@pytest.fixture
def patient(case: Any, visitor: Any) -> Any:
    person = visitor(javascript=False)
    person.sign_in(case.patient.account.email, factories.PASSWORD)
    return person


def test_a_complaint_is_two_clicks_away_and_works_without_script(patient: Any) -> None:
    patient.open("/my-record/")
    patient.look("rights-home")
    patient.follow("Ask, correct or complain")
    patient.look("rights-ask")
    patient.follow("Complain, or say what worries you")
    patient.fill("What happened", "My coach told my sister.")
    patient.look("rights-complain")
    patient.press("Send to the guardian")
    assert patient.reads("Somebody confirms that it has arrived by")
    patient.look("rights-complained")
    patient.open("/my-record/questions/")
    patient.look("rights-asked-for")


def test_a_right_is_explained_before_it_is_asked_for(patient: Any) -> None:
    for kind in ("objection", "restriction", "erasure"):
        patient.open(f"/my-record/ask/{kind}/")
        assert patient.reads("It is kept for 8 years")
        patient.look(f"rights-{kind}")


def test_own_words_stand_beside_a_session_on_the_coachs_page(case: Any, patient: Any, visitor: Any) -> None:
    patient.open("/my-record/sessions/")
    patient.follow("I see this differently")
    patient.look("rights-differently")
    patient.fill("How do you see it?", "We spoke of one job, not two.")
    patient.press("Put my words beside it")
    assert patient.reads("You see this differently")
    patient.look("rights-sessions")
    patient.open("/my-record/notes/")
    patient.look("rights-notes")
    patient.follow("Ask to correct it")
    patient.look("rights-wrong-note")
    coach = visitor()
    coach.sign_in(factories.user_of(case.coach).email, factories.PASSWORD)
    coach.open(f"/coaching/people/{case.referral.pk}/")
    assert coach.reads("We spoke of one job, not two.")
    coach.look("rights-coach")


def test_a_copy_is_taken_away_once(case: Any, patient: Any, tmp_path: Path) -> None:
    patient.open("/my-record/copy/")
    patient.look("rights-copy")
    patient.press("Make my copy")
    assert patient.reads("Your copy is ready")
    patient.look("rights-copy-ready")
    with patient.page.expect_download() as taking:
        patient.page.get_by_role("button", name="Pages to read (PDF)").click()
    file = tmp_path / "copy.pdf"
    taking.value.save_as(file)
    assert file.read_bytes().startswith(b"%PDF")
    patient.open("/my-record/copy/")
    assert patient.reads("taken on")
    patient.look("rights-copy-half")


def test_the_guardian_answers(case: Any, visitor: Any) -> None:
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office, name="Ada Guardian")
    person = visitor()
    person.sign_in(factories.user_of(guardian).email, factories.PASSWORD)
    person.open("/questions/")
    person.look("rights-guardian-list")
    person.follow("Asked on")
    person.look("rights-guardian-answer")
    person.follow("Confirm it now")
    person.look("rights-guardian-confirm")
    person.press("Confirm it")
    assert person.reads("Take more time")


def test_nothing_jumps_when_the_script_comes_and_without_it_the_menu_unfolds(case: Any, visitor: Any) -> None:
    person = visitor()
    page = person.page
    page.set_viewport_size({"width": 390, "height": 844})
    person.sign_in(case.patient.account.email, factories.PASSWORD)
    begins = "() => document.querySelector('main').getBoundingClientRect().top"
    person.open("/my-record/")
    page.locator(".nhsuk-header__menu-toggle").wait_for()
    folded = page.evaluate(begins)

    page.route("**/pilot*.js", lambda route: route.abort())
    person.open("/my-record/")
    assert abs(page.evaluate(begins) - folded) < 4
    # Some seconds later, and the script has not come.
    page.evaluate("() => document.getAnimations().forEach((each) => each.finish())")
    assert page.evaluate(begins) > folded + 20
    for link in page.locator(".nhsuk-header__navigation-item .nhsuk-header__navigation-link").all():
        box = link.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
