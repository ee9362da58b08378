"""The pilot's office adds organisations and people, ends roles and suspends sign-ins, and sees no patient."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from pilot.access import Actor, Role, acting
from pilot.people.actions import add_person, end_membership, restore_sign_in, suspend_sign_in
from pilot.people.models import ROLE_BELONGS_TO, Membership, Organisation, User
from tests import factories
from tests.factories import PASSWORD, Kind, Pilot
from tests.office.conftest import send

ROSA = {"name": "Rosa Desk", "email": "rosa@example.org", "role": "receptionist"}


def add_address(place: Organisation) -> str:
    return reverse("office:person-add", args=[place.pk])


def add(place: Organisation, manager: Actor, role: Role = Role.RECEPTIONIST, **details: Any) -> Membership:
    email = f"new{User.objects.count()}@example.org"
    return add_person(place, email, "Somebody New", role, **details, by=manager)


class TestOrganisations:
    def test_adding_one_takes_a_minute(self, office: Client, pilot: Pilot) -> None:
        answer = send(
            office,
            reverse("office:organisation-add"),
            kind="practice",
            name="Canonbury",
            ods_code="f83999",
            phone="020 7946 0018",
            served_by=str(pilot.provider.pk),
        )
        added = Organisation.objects.get(ods_code="F83999")
        assert answer["Location"] == reverse("office:organisation", args=[added.pk])
        assert added.served_by == pilot.provider
        page = office.get(answer["Location"]).content.decode()
        assert "Canonbury" in page
        assert pilot.provider.name in page

    def test_an_ods_code_is_given_once(self, office: Client, pilot: Pilot) -> None:
        answer = send(
            office,
            reverse("office:organisation-add"),
            kind="practice",
            name="Twice",
            ods_code=pilot.practice.ods_code,
        )
        assert answer.status_code == 422
        assert not Organisation.objects.filter(name="Twice").exists()

    def test_only_practices_are_served_by_a_provider(self, office: Client, pilot: Pilot) -> None:
        answer = send(
            office,
            reverse("office:organisation-add"),
            kind="commissioner",
            name="Odd",
            ods_code="QQQ",
            served_by=str(pilot.provider.pk),
        )
        assert answer.status_code == 422
        assert "Leave this empty" in answer.content.decode()

    def test_they_are_found_by_name_or_code(self, office: Client, pilot: Pilot) -> None:
        address = reverse("office:organisations")
        for text in (pilot.practice.name, pilot.practice.ods_code.lower()):
            page = office.post(address, {"search": text}, follow=True).content.decode()
            assert pilot.practice.name in page
            assert pilot.commissioner.name not in page.split("<tbody")[1]


class TestPeople:
    def test_somebody_new_gets_an_account_and_chooses_a_password(self, office: Client, pilot: Pilot) -> None:
        answer = send(office, add_address(pilot.practice), **ROSA)
        rosa = User.objects.get(email=ROSA["email"])
        assert answer["Location"] == reverse("office:person", args=[rosa.pk])
        assert not rosa.has_usable_password()
        visitor = Client()
        visitor.post(reverse("account_reset_password"), {"email": rosa.email})
        link = re.search(r"https?://[^/\s]+(/\S+)", mail.outbox[-1].body)
        assert link
        page = visitor.get(link[1], follow=True)
        visitor.post(page.request["PATH_INFO"], {"password1": PASSWORD, "password2": PASSWORD})
        answer = visitor.post(reverse("account_login"), {"login": rosa.email, "password": PASSWORD})
        assert answer.status_code == 302
        assert visitor.get("/", follow=True).status_code == 200

    def test_somebody_who_has_an_account_keeps_their_name(self, manager: Actor, pilot: Pilot) -> None:
        there = factories.user_of(factories.make_staff(Role.COACH, pilot.other_provider, name="Nadia Known"))
        membership = add_person(pilot.provider, there.email.upper(), "Other", Role.SUPERVISOR, by=manager)
        assert membership.user == there
        assert User.objects.get(pk=there.pk).display_name == "Nadia Known"

    def test_only_roles_that_belong_there_are_offered(self, office: Client, pilot: Pilot) -> None:
        page = office.get(add_address(pilot.practice)).content.decode()
        assert "Receptionist" in page
        assert 'value="coach"' not in page
        answer = send(office, add_address(pilot.practice), **{**ROSA, "role": "caldicott_guardian"})
        assert answer.status_code == 422

    @pytest.mark.parametrize(("limit", "status"), [("", 422), ("0", 422), ("41", 422), ("20", 302)])
    def test_a_coach_has_a_caseload_limit(
        self, office: Client, pilot: Pilot, limit: str, status: int
    ) -> None:
        answer = send(
            office,
            add_address(pilot.provider),
            name="Cal Coach",
            email="cal@example.org",
            role="coach",
            caseload_limit=limit,
        )
        assert answer.status_code == status

    @pytest.mark.parametrize(
        ("kind", "role", "more"),
        [
            (Kind.PROVIDER, "supervisor", {"caseload_limit": "5"}),
            (Kind.PRACTICE, "receptionist", {"is_named_clinician": "on"}),
        ],
    )
    def test_what_belongs_to_another_role_is_refused(
        self, office: Client, pilot: Pilot, kind: Kind, role: str, more: dict[str, str]
    ) -> None:
        place = pilot.provider if kind == Kind.PROVIDER else pilot.practice
        answer = send(office, add_address(place), **{**ROSA, "role": role, **more})
        assert answer.status_code == 422

    def test_a_named_clinician_can_be_added(self, office: Client, pilot: Pilot) -> None:
        answer = send(
            office,
            add_address(pilot.practice),
            name="Dr Near",
            email="near@example.org",
            role="clinician",
            is_named_clinician="on",
        )
        assert answer.status_code == 302
        assert Membership.objects.get(user__email="near@example.org").is_named_clinician

    def test_the_same_role_twice_is_refused(self, manager: Actor, pilot: Pilot) -> None:
        first = add(pilot.practice, manager)
        with pytest.raises(ValidationError, match="already"):
            add_person(pilot.practice, first.user.email, "X", Role.RECEPTIONIST, by=manager)

    def test_nobody_gives_themselves_a_role(self, office: Client, manager: Actor, pilot: Pilot) -> None:
        email = factories.user_of(manager).email
        answer = send(office, add_address(pilot.practice), name="Me", email=email, role="clinician")
        assert answer.status_code == 422
        assert "Somebody else has to give you a role" in answer.content.decode()

    def test_a_role_may_begin_later_and_opens_nothing_before(self, manager: Actor, pilot: Pilot) -> None:
        tomorrow = timezone.localdate() + dt.timedelta(days=1)
        membership = add(pilot.practice, manager, valid_from=tomorrow)
        actor = Actor(Role.RECEPTIONIST, membership.user_id, "")
        with acting(actor, "test") as context:
            assert context.grants.organisations == []

    def test_a_patients_account_is_not_among_the_people(self, office: Client, pilot: Pilot) -> None:
        patient = factories.make_patient(pilot.practice, family_name="Quillfeather", account=True)
        page = office.post(reverse("office:people"), {"search": "Quillfeather"}, follow=True)
        assert "Nothing matches" in page.content.decode()
        for name in ("person", "suspend", "restore"):
            assert office.get(reverse(f"office:{name}", args=[patient.account_id])).status_code == 404

    def test_the_list_has_everybody_with_their_roles(self, office: Client, manager: Actor) -> None:
        page = office.get(reverse("office:people")).content.decode()
        assert manager.name in page
        assert "Pilot manager, " in page


class TestEnding:
    def test_a_role_that_ends_today_opens_nothing_from_now_on(
        self, office: Client, manager: Actor, pilot: Pilot
    ) -> None:
        membership = add(pilot.practice, manager)
        desk = factories.sign_in(Client(), Actor(Role.RECEPTIONIST, membership.user_id, "Somebody New"))
        assert desk.get(reverse("referrals:home")).status_code == 200
        answer = send(office, reverse("office:membership-end", args=[membership.pk]))
        assert answer.status_code == 302
        assert desk.get(reverse("referrals:home")).status_code == 302
        assert office.get(reverse("office:membership-end", args=[membership.pk])).status_code == 404

    def test_it_may_end_on_a_later_day(self, office: Client, manager: Actor, pilot: Pilot) -> None:
        membership = add(pilot.practice, manager)
        day = timezone.localdate() + dt.timedelta(days=10)
        send(office, reverse("office:membership-end", args=[membership.pk]), on=day.isoformat())
        membership.refresh_from_db()
        assert membership.valid_until == day

    def test_it_does_not_end_in_the_past(self, office: Client, manager: Actor, pilot: Pilot) -> None:
        membership = add(pilot.practice, manager)
        address = reverse("office:membership-end", args=[membership.pk])
        assert send(office, address, on="2020-01-01").status_code == 422


class TestSuspending:
    def test_it_takes_effect_at_the_next_click_and_can_be_undone(
        self, office: Client, manager: Actor, pilot: Pilot
    ) -> None:
        membership = add(pilot.practice, manager)
        actor = Actor(Role.RECEPTIONIST, membership.user_id, "Somebody New")
        desk = factories.sign_in(Client(), actor)
        send(office, reverse("office:suspend", args=[actor.user_id]), reason="lost device")
        assert desk.get(reverse("referrals:home")).status_code == 302
        with acting(actor, "test") as context:
            assert context.grants.organisations == []
        assert "Suspended" in office.get(reverse("office:person", args=[actor.user_id])).content.decode()
        send(office, reverse("office:restore", args=[actor.user_id]))
        with acting(actor, "test") as context:
            assert context.grants.organisations == [pilot.practice.pk]
        desk = factories.sign_in(Client(), actor)
        assert desk.get(reverse("referrals:home")).status_code == 200

    def test_it_leaves_an_event_with_the_reason(self, manager: Actor, pilot: Pilot) -> None:
        user = add(pilot.practice, manager).user
        suspend_sign_in(user, reason="question", by=manager)
        guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
        with acting(guardian, "test"):
            event = Event.objects.filter(action="sign_in.suspended").latest("pk")
        assert (event.actor, event.reason) == (str(manager.user_id), "question")

    def test_a_role_that_ended_meanwhile_does_not_come_back(self, manager: Actor, pilot: Pilot) -> None:
        membership = add(pilot.practice, manager)
        suspend_sign_in(membership.user, reason="left", by=manager)
        end_membership(membership, by=manager)
        restore_sign_in(membership.user, by=manager)
        with acting(Actor(Role.RECEPTIONIST, membership.user_id, ""), "test") as context:
            assert context.grants.organisations == []

    def test_nobody_suspends_themselves(self, manager: Actor) -> None:
        with pytest.raises(ValidationError, match="Somebody else"):
            suspend_sign_in(factories.user_of(manager), reason="left", by=manager)

    def test_a_patients_account_cannot_be_suspended(self, manager: Actor, pilot: Pilot) -> None:
        patient = factories.make_patient(pilot.practice, account=True)
        with pytest.raises(ValidationError, match="no role"):
            suspend_sign_in(patient.account, reason="left", by=manager)


@pytest.mark.parametrize("role", [role for role in ROLE_BELONGS_TO if role is not Role.PILOT_MANAGER])
def test_no_other_role_opens_any_of_it(pilot: Pilot, client: Client, role: Role) -> None:
    place = factories.make_organisation(ROLE_BELONGS_TO[role])
    actor = factories.make_staff(role, place)
    factories.sign_in(client, actor)
    membership = factories.membership_of(actor)
    for name, args in (
        ("organisations", []),
        ("organisation-add", []),
        ("organisation", [place.pk]),
        ("person-add", [place.pk]),
        ("people", []),
        ("person", [actor.user_id]),
        ("suspend", [actor.user_id]),
        ("restore", [actor.user_id]),
        ("membership-end", [membership.pk]),
    ):
        assert client.get(reverse(f"office:{name}", args=args)).status_code == 403
    with pytest.raises(PermissionDenied):
        add(place, actor)
    with pytest.raises(PermissionDenied):
        suspend_sign_in(factories.make_user(), reason="left", by=actor)
    with pytest.raises(PermissionDenied):
        restore_sign_in(factories.make_user(), by=actor)


def test_the_manager_opens_no_patient(pilot: Pilot, office: Client) -> None:
    patient = factories.make_patient(pilot.practice)
    assert office.get(reverse("referrals:patient", args=[patient.pk])).status_code == 403


def test_an_organisation_that_does_not_exist_is_not_found(office: Client) -> None:
    assert office.get(reverse("office:organisation", args=[factories.uuid4()])).status_code == 404


def test_the_kinds_of_organisation_are_the_ones_of_the_pilot() -> None:
    assert set(Kind) == set(ROLE_BELONGS_TO.values())
