"""Signing in through a provider's own page, in a real browser: out of ours, into theirs, and back."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pilot.access import Role
from tests import factories
from tests.sign_in.oidc.conftest import (  # noqa: F401 (fixtures)
    client_key,
    configured,
    nhs,
    nhs_running,
    work,
    work_running,
)
from tests.sign_in.oidc.journey import claims_of
from tests.sign_in.oidc.provider import RealProvider

pytestmark = pytest.mark.browser


def at(visitor: Any, provider: RealProvider, subject: str) -> None:
    """On the provider's page: sign in and agree."""
    page = visitor.page
    page.wait_for_url(f"{provider.issuer}/**")
    page.locator("input[name=sub]").first.fill(subject)
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(f"{visitor.address}/**")


def make(visitor: Any, **how: Any) -> Any:
    """Somebody whose browser reaches this machine only: the provider's page asks for a style sheet from elsewhere."""
    found = visitor(**how)
    found.page.route(re.compile("^https://"), lambda route: route.abort())
    return found


def test_a_patient_comes_in_by_nhs_login_and_may_end_it_once_there_is_a_password(
    visitor: Any,
    nhs: RealProvider,  # noqa: F811
) -> None:
    patient = factories.make_patient(factories.make_pilot().practice)
    nhs.knows("sub-1", **claims_of(patient))
    person = make(visitor)
    person.open("/my-record/notes/")
    person.look("providers-sign-in")
    person.press("Continue to NHS login")
    at(person, nhs, "sub-1")
    assert person.page.url == f"{person.address}/my-record/notes/"
    person.open("/account/")
    assert person.reads("NHS login")
    person.look("providers-account")
    person.open("/account/with/nhs-login/")
    person.look("providers-connected")
    person.follow("Stop signing in with NHS login")
    assert person.reads("Set a password first")
    person.look("providers-only-way")


def test_a_stranger_reads_what_to_do(
    visitor: Any,
    nhs: RealProvider,  # noqa: F811
) -> None:
    patient = factories.make_patient(factories.make_pilot().practice)
    nhs.knows("sub-2", **claims_of(patient, birthdate="1931-02-03"))
    person = make(visitor)
    person.open("/account/login/")
    person.press("Continue to NHS login")
    at(person, nhs, "sub-2")
    assert person.reads("We could not find the one person here who is certainly you")
    person.look("providers-refused")


def test_it_works_without_script(
    visitor: Any,
    nhs: RealProvider,  # noqa: F811
) -> None:
    patient = factories.make_patient(factories.make_pilot().practice)
    nhs.knows("sub-3", **claims_of(patient))
    person = make(visitor, javascript=False)
    person.open("/account/login/")
    person.press("Continue to NHS login")
    at(person, nhs, "sub-3")
    assert person.page.get_by_role("button", name="Sign out").count()


def test_whoever_says_no_at_nhs_login_is_shown_both_ways_on(
    visitor: Any,
    nhs: RealProvider,  # noqa: F811
) -> None:
    person = make(visitor)
    person.open("/account/login/")
    person.press("Continue to NHS login")
    person.page.wait_for_url(f"{nhs.issuer}/**")
    # The provider forgets the state when it sends somebody back; the protocol does not.
    person.page.get_by_role("button", name="Deny").click()
    person.page.wait_for_url(f"{person.address}/**")
    person.look("providers-start-again")


def test_a_clinician_connects_their_work_account_and_comes_in_by_it(
    visitor: Any,
    work: RealProvider,  # noqa: F811
) -> None:
    clinician = factories.make_staff(Role.CLINICIAN, factories.make_pilot().practice)
    user = factories.user_of(clinician)
    work.knows("w-1", email=user.email, email_verified=True, amr=["mfa"])
    person = make(visitor)
    person.sign_in(user.email, factories.PASSWORD)
    person.open("/account/with/work/")
    person.look("providers-connect")
    person.press("Connect NHSmail")
    at(person, work, "w-1")
    assert person.reads("You can now sign in with NHSmail.")
    person.page.context.clear_cookies()
    person.open("/account/login/")
    person.press("Continue to NHSmail")
    at(person, work, "w-1")
    assert person.page.get_by_role("link", name="Your account").count()
