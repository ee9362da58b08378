"""Signing in as people do it: with an app, a passkey or a recovery code, by mouse or by keyboard alone."""

import re

import pytest

from pilot.access import Role
from tests import factories, second_steps

pytestmark = pytest.mark.browser


@pytest.fixture
def receptionist(address):
    return factories.user_of(
        factories.make_staff(Role.RECEPTIONIST, factories.make_pilot().practice, name="Rosa Desk")
    )


def enters_password(person, user):
    person.open("/account/login/")
    person.fill("mail", user.email)
    person.page.locator("input[type=password]").fill(factories.PASSWORD)
    person.click("Sign in")


def has_a_passkey(person):
    """A fingerprint reader that always says yes, in this browser."""
    session = person.page.context.new_cdp_session(person.page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    key = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    return session, key


def test_setting_an_app_up_and_signing_in_with_it(visitor, receptionist):
    person = visitor()
    enters_password(person, receptionist)
    assert person.page.url.endswith("/account/second-step/first/")
    person.look("second-step-first")
    person.click("Set up an app")
    person.look("second-step-app")
    secret = person.page.locator(".pilot-secret code").inner_text()
    person.fill("Code", "12")
    person.click("Finish")
    assert "There is a problem" in person.page.inner_text("main")
    assert person.page.locator(".pilot-secret code").inner_text() == secret
    person.fill("Code", second_steps.code_for(secret))
    person.click("Finish")
    assert person.reads("They are shown this once.")
    person.look("second-step-codes")
    codes = re.findall(r"\b\d{10}\b", person.page.inner_text("main"))
    assert len(codes) == 10
    person.click("I have kept them")
    assert person.status == 200
    person.open("/account/")
    assert person.reads("10 recovery codes left")
    person.look("account-staff")
    person.open("/account/second-step/")
    person.look("second-step-index")
    person.open("/account/sessions/")
    person.look("account-sessions")
    person.press("Sign out")

    other = visitor()
    enters_password(other, receptionist)
    other.fill("Code", second_steps.code_now(receptionist))
    other.click("Continue")
    other.open("/account/")
    assert other.status == 200
    assert other.reads("Rosa Desk")

    third = visitor()
    enters_password(third, receptionist)
    third.fill("Code", codes[3])
    third.click("Continue")
    third.open("/account/")
    assert third.reads("9 recovery codes left")


def test_by_keyboard_alone(visitor, receptionist):
    second_steps.app_of(receptionist)
    person = visitor()
    person.open("/account/login/")
    person.page.locator("[data-nhsuk-button-init]").first.wait_for()

    def tabs_to(selector):
        for _ in range(30):
            person.page.keyboard.press("Tab")
            if person.page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached by the Tab key")

    tabs_to("input[name=login]")
    person.page.keyboard.type(receptionist.email)
    tabs_to("input[name=password]")
    person.page.keyboard.type(factories.PASSWORD)
    tabs_to("main button[type=submit]")
    person.page.keyboard.press("Enter")
    person.page.wait_for_url("**/account/second-step/authenticate/")
    tabs_to("input[name=code]")
    person.page.keyboard.type(second_steps.code_now(receptionist))
    person.page.keyboard.press("Enter")
    person.page.wait_for_url(lambda url: "second-step" not in url)
    person.open("/account/")
    assert person.reads("Rosa Desk")


def test_without_script_an_app_is_set_up_and_passkeys_are_not_offered(visitor, receptionist):
    person = visitor(javascript=False)
    person.open("/account/login/")
    assert not person.page.get_by_role("button", name="Use a passkey").is_visible()
    enters_password(person, receptionist)
    person.click("Set up an app")
    secret = person.page.locator(".pilot-secret code").inner_text()
    person.fill("Code", second_steps.code_for(secret))
    person.click("Finish")
    person.click("I have kept them")
    person.open("/account/")
    assert person.reads("Rosa Desk")
    person.open("/account/second-step/webauthn/add/")
    assert person.reads("This browser cannot add passkeys")


def test_a_passkey_as_second_step_and_then_alone(visitor, receptionist):
    person = visitor()
    problems = []
    person.page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    session, key = has_a_passkey(person)
    enters_password(person, receptionist)
    person.click("Add a passkey")
    person.look("passkey-add")
    person.fill("Name", "Desk computer")
    person.tick("Sign in with it alone")
    person.click("Add the passkey")
    person.page.wait_for_url("**/recovery-codes/")
    person.click("I have kept them")
    person.open("/account/")
    assert person.reads("Passkey: Desk computer")
    person.open("/account/second-step/webauthn/")
    person.look("passkey-list")
    person.press("Sign out")

    # As the second step, after the password.
    person.page.wait_for_load_state()
    enters_password(person, receptionist)
    person.look("second-step-passkey")
    person.click("Use a passkey")
    person.page.wait_for_url(lambda url: "second-step" not in url)
    person.open("/account/")
    assert person.reads("Rosa Desk")
    person.press("Sign out")
    person.page.wait_for_load_state()

    # Alone: the finger that unlocks it is the second thing.
    person.open("/account/login/")
    person.click("Use a passkey")
    person.page.wait_for_url(lambda url: "login" not in url)
    person.open("/account/")
    assert person.reads("Rosa Desk")
    person.press("Sign out")
    person.page.wait_for_load_state()

    # Without the finger it says so in words, and opens nothing.
    session.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    person.open("/account/login/")
    person.click("Use a passkey")
    person.page.get_by_role("alert").filter(has_text="That did not work").wait_for()
    person.open("/account/")
    assert "/account/login/" in person.page.url
    assert problems == []


def test_the_office_helps_somebody_who_lost_theirs(visitor, receptionist):
    second_steps.app_of(receptionist)
    manager = factories.user_of(factories.make_staff(Role.PILOT_MANAGER, factories.make_pilot().office))
    office = visitor()
    office.sign_in(manager.email, factories.PASSWORD)
    office.open(f"/office/people/{receptionist.pk}/")
    office.click("Help with a lost second step")
    office.look("office-lost-second-step")
    office.tick("I saw them in person")
    office.click("Take the second step away")
    assert office.reads("They were told by e-mail")
