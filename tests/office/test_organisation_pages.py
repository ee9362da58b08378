"""The office changes an organisation, chooses another provider for a practice, closes it and keeps it open."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pilot.access import Actor, Role
from pilot.people.models import ROLE_BELONGS_TO, Organisation
from tests import factories
from tests.factories import Kind, Pilot
from tests.forms import hidden_in
from tests.log import events
from tests.office.conftest import send

TODAY = timezone.localdate()
PAGES = ("organisation-edit", "organisation-provider", "organisation-close", "organisation-keep-open")


@pytest.fixture
def practice(pilot: Pilot) -> Organisation:
    return factories.make_organisation(name="Barnsbury", served_by=pilot.provider, phone="02079460001")


def address(name: str, organisation: Organisation) -> str:
    return reverse(f"office:{name}", args=[organisation.pk])


def day(on: dt.date) -> dict[str, Any]:
    return {"on_day": on.day, "on_month": on.month, "on_year": on.year}


def text(answer: Any) -> str:
    return str(answer.content.decode())


def fresh(organisation: Organisation) -> Organisation:
    return Organisation.objects.get(pk=organisation.pk)


def test_name_and_phone_number_are_changed(office: Client, practice: Organisation) -> None:
    there = address("organisation-edit", practice)
    assert "Barnsbury" in text(office.get(there))
    answer = send(office, there, name="Barnsbury Square", phone="020 7946 0002")
    assert answer["Location"] == address("organisation", practice)
    assert (fresh(practice).name, fresh(practice).phone) == ("Barnsbury Square", "02079460002")
    assert send(office, there, name="", phone="").status_code == 422


def test_a_stale_form_is_answered_with_what_is_saved_and_keeps_the_text(
    office: Client, practice: Organisation
) -> None:
    there = address("organisation-edit", practice)
    opened = hidden_in(office.get(there))
    send(office, there, name="Saved by another", phone="")
    answer = office.post(there, {**opened, "name": "My own words", "phone": ""})
    assert answer.status_code == 409
    assert "Saved by another" in text(answer)
    assert "My own words" in text(answer)
    assert fresh(practice).name == "Saved by another"


def test_another_provider_is_chosen_knowing_what_becomes_of_people(
    office: Client, pilot: Pilot, practice: Organisation
) -> None:
    there = address("organisation-provider", practice)
    page = text(office.get(there))
    assert "Who has a coach keeps the coach, until a supervisor hands the referral back." in page
    assert "Who waits for a coach will wait with the new provider" in page
    send(office, there, provider=str(pilot.other_provider.pk))
    assert fresh(practice).served_by == pilot.other_provider
    send(office, there, provider="nobody")
    assert fresh(practice).served_by is None
    assert "Nobody for now" in text(office.get(address("organisation", practice)))
    assert send(office, there, provider=str(pilot.commissioner.pk)).status_code == 422


def test_the_pages_count_no_cases(office: Client, pilot: Pilot, practice: Organisation) -> None:
    """The office learns what happens to people, not how many there are: few enough might be known by name."""
    before = [text(office.get(address(name, practice))) for name in PAGES[1:3]]
    factories.make_referral(factories.make_patient(practice), status=factories.Status.WAITING)
    factories.make_case(pilot_of(pilot, practice), factories.make_staff(Role.COACH, pilot.provider))
    after = [text(office.get(address(name, practice))) for name in PAGES[1:3]]
    for one, other in zip(before, after, strict=True):
        assert visible(one) == visible(other)


def pilot_of(pilot: Pilot, practice: Organisation) -> Pilot:
    return Pilot(
        practice, pilot.other_practice, pilot.provider, pilot.other_provider, pilot.commissioner, pilot.office
    )


def visible(page: str) -> str:
    return page.split("<main", 1)[1].split("<form", 1)[0]


def test_closing_shows_first_what_ends(office: Client, pilot: Pilot) -> None:
    provider = factories.make_organisation(Kind.PROVIDER, name="Steps Ltd")
    factories.make_organisation(name="Highbury", served_by=provider)
    factories.make_staff(Role.COACH, provider, name="Cora Coach")
    page = text(office.get(address("organisation-close", provider)))
    for words in ("Highbury", "Cora Coach, Coach", "Its coaches see nobody any more", "waits again"):
        assert words in page


def test_a_closing_is_undone_before_its_day(office: Client, practice: Organisation) -> None:
    tomorrow = TODAY + dt.timedelta(days=1)
    answer = send(office, address("organisation-close", practice), **day(tomorrow))
    assert answer.status_code == 302
    assert fresh(practice).valid_until == tomorrow
    page = text(office.get(address("organisation", practice)))
    assert address("organisation-keep-open", practice) in page
    assert address("organisation-close", practice) not in page
    assert office.get(address("organisation-close", practice)).status_code == 404
    send(office, address("organisation-keep-open", practice))
    assert fresh(practice).valid_until is None
    assert office.get(address("organisation-keep-open", practice)).status_code == 404


def test_a_practice_closed_today_opens_nothing_at_the_next_click(
    office: Client, practice: Organisation
) -> None:
    desk = factories.sign_in(Client(), factories.make_staff(Role.RECEPTIONIST, practice))
    assert desk.get(reverse("referrals:home")).status_code == 200
    for wrong in (day(TODAY - dt.timedelta(days=1)), {}):
        assert send(office, address("organisation-close", practice), **wrong).status_code == 422
    send(office, address("organisation-close", practice), **day(TODAY))
    assert desk.get(reverse("referrals:home")).status_code == 302
    page = text(office.get(address("organisation", practice)))
    assert address("person-add", practice) not in page
    assert office.get(address("organisation-provider", practice)).status_code == 404
    assert (
        send(
            office, address("person-add", practice), name="A", email="a@example.org", role="clinician"
        ).status_code
        == 422
    )


def test_a_practice_says_when_its_provider_is_closed(office: Client, pilot: Pilot) -> None:
    provider = factories.make_organisation(Kind.PROVIDER, name="Gone Ltd", valid_until=TODAY)
    practice = factories.make_organisation(served_by=provider)
    assert "Gone Ltd is closed. Nobody coaches here" in text(office.get(address("organisation", practice)))


def test_the_pilots_own_office_has_no_page_to_close_it(office: Client, pilot: Pilot) -> None:
    assert office.get(address("organisation-close", pilot.office)).status_code == 404
    assert office.get(address("organisation-provider", pilot.commissioner)).status_code == 404


def test_a_member_of_staff_is_signed_out_everywhere_and_may_come_back(
    office: Client, practice: Organisation
) -> None:
    rosa = factories.make_staff(Role.RECEPTIONIST, practice)
    desks = [factories.sign_in(Client(), rosa) for _ in range(2)]
    assert {desk.get(reverse("referrals:home")).status_code for desk in desks} == {200}
    there = reverse("office:sign-out", args=[rosa.user_id])
    assert there in text(office.get(reverse("office:person", args=[rosa.user_id])))
    send(office, there)
    for desk in desks:
        answer = desk.get(reverse("referrals:home"))
        assert answer.status_code == 302
        assert reverse("account_login") in answer["Location"]
    again = factories.sign_in(Client(), rosa)
    assert again.get(reverse("referrals:home")).status_code == 200
    assert events(action="sign_in.ended_everywhere", row_id=str(rosa.user_id))


def test_a_patients_account_is_none_of_the_offices_business(
    office: Client, manager: Actor, pilot: Pilot
) -> None:
    patient = factories.make_patient(pilot.practice, account=True)
    assert office.get(reverse("office:sign-out", args=[patient.account_id])).status_code == 404


@pytest.mark.parametrize("role", [role for role in ROLE_BELONGS_TO if role is not Role.PILOT_MANAGER])
def test_no_other_role_opens_these_pages(pilot: Pilot, client: Client, role: Role) -> None:
    place = factories.make_organisation(ROLE_BELONGS_TO[role])
    actor = factories.make_staff(role, place)
    factories.sign_in(client, actor)
    for name in PAGES:
        assert client.get(address(name, place)).status_code == 403
        assert client.post(address(name, place), {}).status_code == 403
    assert client.post(reverse("office:sign-out", args=[actor.user_id])).status_code == 403
