"""An organisation's own sign-in for staff: it opens accounts that are there, and makes none."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from audit.models import Kind
from pilot.access import Actor, Role, acting
from pilot.people import actions as people
from pilot.people.models import Membership, User
from pilot.sign_in.oidc import actions
from pilot.sign_in.oidc.configuration import Provider
from pilot.sign_in.oidc.policies import Refused, Why
from pilot.sign_in.oidc.tokens import Answer
from tests import factories
from tests.factories import TESTS
from tests.log import events
from tests.sign_in.oidc.journey import just_signed_in, refused, said, travel, who
from tests.sign_in.oidc.provider import RealProvider

pytestmark = pytest.mark.django_db
WORK = "work"


@pytest.fixture
def clinician(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.CLINICIAN, pilot.practice)


def of(actor: Actor, **others: Any) -> dict[str, Any]:
    """What the organisation's sign-in says of a member of staff, the second factor included."""
    return {"email": factories.user_of(actor).email, "email_verified": True, "amr": ["pwd", "mfa"], **others}


@pytest.fixture
def linked(client: Client, work: RealProvider, clinician: Actor) -> Actor:
    """A clinician who has connected their account, as `w-1`, and has signed out since."""
    work.knows("w-1", **of(clinician))
    just_signed_in(client, clinician)
    assert travel(client, work, WORK, "w-1", rest="").status_code == 302
    client.logout()
    return clinician


def test_a_confirmed_address_alone_opens_nothing(
    client: Client, work: RealProvider, clinician: Actor
) -> None:
    """Else whoever runs the provider could walk into any account."""
    work.knows("w-1", **of(clinician))
    page = travel(client, work, WORK, "w-1")
    assert page.status_code == 403
    assert refused(client, WORK, Why.NOT_CONNECTED)
    assert "Sign in with your email address and password first" in said(page)


def test_no_account_is_ever_made(client: Client, work: RealProvider) -> None:
    work.knows("w-1", email="new@example.org", email_verified=True, amr=["mfa"])
    before = User.objects.count()
    assert travel(client, work, WORK, "w-1").status_code == 403
    assert User.objects.count() == before


def test_a_connected_member_of_staff_signs_in_and_works(
    client: Client, work: RealProvider, linked: Actor
) -> None:
    travel(client, work, WORK, "w-1")
    assert who(client) == str(linked.user_id)
    assert client.get("/account/").status_code == 200
    [signed_in] = events(actor="system:sign-in", action="account.signed_in", row_id=str(linked.user_id))
    assert signed_in.kind == Kind.SIGN_IN


@pytest.mark.parametrize(
    "said_there", [{"amr": None}, {"amr": ["pwd"]}, {"acr": "AAL1", "amr": ["pwd"]}], ids=str
)
def test_where_the_provider_names_no_second_factor_ours_is_asked(
    client: Client, work: RealProvider, linked: Actor, said_there: dict[str, Any]
) -> None:
    claims = {key: value for key, value in of(linked, **said_there).items() if value is not None}
    work.knows("w-1", **claims)
    travel(client, work, WORK, "w-1")
    page = client.get("/account/", follow=True)
    assert page.redirect_chain[-1][0].startswith("/account/second-step/")


def test_where_the_provider_names_none_and_they_have_an_app_its_code_is_asked_before_the_session_begins(
    client: Client, work: RealProvider, linked: Actor
) -> None:
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    with acting(TESTS, "test.made"):
        TOTP.activate(factories.user_of(linked), generate_totp_secret())
    work.knows("w-1", **of(linked, amr=["pwd"]))
    answer = travel(client, work, WORK, "w-1")
    assert answer.headers["Location"] == "/account/second-step/authenticate/"
    assert who(client) is None
    work.knows("w-1", **of(linked))
    travel(client, work, WORK, "w-1")
    assert who(client) == str(linked.user_id)


def test_a_second_factor_that_is_not_signed_is_none(
    client: Client, work: RealProvider, linked: Actor
) -> None:
    work.knows("w-1", **of(linked, amr=["pwd"]))
    work.changes["/userinfo"] = lambda claims: {**claims, "amr": ["mfa"], "acr": "AAL2"}
    travel(client, work, WORK, "w-1")
    assert client.get("/account/").status_code == 302


@pytest.mark.parametrize(
    "differs",
    [{"email": "other@example.org"}, {"email_verified": False}, {"email": None}],
    ids=str,
)
def test_nobody_connects_somebody_elses_work_account(
    client: Client, work: RealProvider, clinician: Actor, differs: dict[str, Any]
) -> None:
    claims = {key: value for key, value in of(clinician, **differs).items() if value is not None}
    work.knows("w-1", **claims)
    just_signed_in(client, clinician)
    assert travel(client, work, WORK, "w-1", rest="").status_code == 403
    assert not SocialAccount.objects.exists()


def test_a_subject_is_its_issuers_alone(
    client: Client, nhs: RealProvider, work: RealProvider, pilot: factories.Pilot
) -> None:
    """`w-1` at another provider is somebody else."""
    colleague = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    with acting(TESTS, "test.made"):
        SocialAccount.objects.create(user_id=colleague.user_id, provider=nhs.issuer, uid="w-1")
    work.knows("w-1", **of(colleague))
    assert travel(client, work, WORK, "w-1").status_code == 403
    assert refused(client, WORK, Why.NOT_CONNECTED)


def test_a_suspended_member_of_staff_stays_out(
    client: Client, work: RealProvider, pilot: factories.Pilot, linked: Actor
) -> None:
    people.suspend_sign_in(factories.user_of(linked), reason="left", by=TESTS)
    assert travel(client, work, WORK, "w-1").status_code == 403
    assert refused(client, WORK, Why.SUSPENDED)


def test_whoever_has_no_role_any_more_stays_out(client: Client, work: RealProvider, linked: Actor) -> None:
    people.end_membership(Membership.objects.get(user_id=linked.user_id), by=TESTS)
    assert travel(client, work, WORK, "w-1").status_code == 403
    assert refused(client, WORK, Why.WRONG_KIND)


def test_no_patient_comes_in_as_staff_and_none_finds_the_page(
    client: Client, work: RealProvider, pilot: factories.Pilot
) -> None:
    patient = factories.patient_actor(factories.make_patient(pilot.practice))
    with acting(TESTS, "test.made"):
        SocialAccount.objects.create(user_id=patient.user_id, provider=work.issuer, uid="w-1")
    work.knows("w-1", **of(patient))
    assert travel(client, work, WORK, "w-1").status_code == 403
    assert refused(client, WORK, Why.WRONG_KIND)
    just_signed_in(client, patient)
    assert client.get("/account/with/work/").status_code == 404


def test_whoever_is_both_keeps_to_the_password(
    client: Client, work: RealProvider, pilot: factories.Pilot
) -> None:
    """No provider's word opens somebody's own record and their work at once."""
    patient = factories.patient_actor(factories.make_patient(pilot.practice))
    staff = factories.make_staff(Role.RECEPTIONIST, pilot.practice, user=factories.user_of(patient))
    just_signed_in(client, staff)
    work.knows("w-1", **of(staff))
    travel(client, work, WORK, "w-1", rest="")
    client.logout()
    assert travel(client, work, WORK, "w-1").status_code == 403
    assert refused(client, WORK, Why.WRONG_KIND)


def test_whoever_has_no_role_here_connects_nothing(
    configured: dict[str, Provider], pilot: factories.Pilot
) -> None:
    patient = factories.patient_actor(factories.make_patient(pilot.practice))
    answer = Answer(configured[WORK], "w-1", of(patient), {})
    with acting(patient, "test.connecting"), pytest.raises(Refused) as refusal:
        actions.connect(factories.user_of(patient), answer, by=patient)
    assert refusal.value.why is Why.WRONG_KIND


def test_the_account_page_shows_whether_it_is_connected(
    client: Client, work: RealProvider, clinician: Actor
) -> None:
    just_signed_in(client, clinician)
    assert "Not connected" in said(client.get("/account/"))
    work.knows("w-1", **of(clinician))
    travel(client, work, WORK, "w-1", rest="")
    page = said(client.get("/account/"))
    assert "/account/with/work/" in page
    assert "Not connected" not in page
    assert "/account/with/work/disconnect/" in said(client.get("/account/with/work/"))
