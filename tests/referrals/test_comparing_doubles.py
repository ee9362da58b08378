"""What is shown of two records side by side, and that a refusal to close one of them leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from pilot.access import Role, acting
from pilot.people.models import Contact, Need, Patient
from pilot.people.restrictions.actions import begin_restriction
from tests import factories
from tests.referrals.doubles import SAME, fresh, merged, record

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


# --- What is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RECEPTIONIST])
def test_what_each_needs_and_how_to_reach_them_is_shown_of_both(role: Role, pilot: factories.Pilot) -> None:
    one = record(pilot, message_is_safe=True, preferred_contact=Contact.LETTER)
    other = record(
        pilot,
        needs=[Need.INTERPRETER, Need.STEP_FREE],
        needs_note="Speaks slowly & clearly",
        language="Kurdish",
        pronouns="They and them",
        preferred_contact=Contact.EMAIL,
        message_is_safe=False,
    )
    browser = factories.sign_in(Client(), factories.make_staff(role, pilot.practice))
    page = browser.get(reverse("referrals:merge", args=[one.pk, other.pk])).text
    shown = re.findall(r'<span class="pilot-cell">(.*?)</span></td>', page)
    rows = {shown[place]: (shown[place + 1], shown[place + 2]) for place in range(0, len(shown), 3)}
    for what, of_both in {
        "Pronouns": ("Not known", "They and them"),
        "How they like to hear from us": ("Letter", "E-mail"),
        "Safe to leave a message": ("Yes", "No"),
        "Language": ("Not known", "Kurdish"),
        "Communication and access needs": ("Not known", "Interpreter, Step-free access"),
        "About these needs": ("Not known", "Speaks slowly &amp; clearly"),
    }.items():
        assert rows[what] == of_both


# --- Which one is kept ----------------------------------------------------------------------------


def with_a_third(pilot: factories.Pilot) -> Patient:
    merged(record(pilot), into=(one := record(pilot)))
    return one


def restricted(pilot: factories.Pilot) -> Patient:
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    one = record(pilot)
    with acting(guardian, "test.restricted", patients=[one.pk]):
        begin_restriction(one, by=guardian)
    return one


def coached(pilot: factories.Pilot) -> Patient:
    coach = factories.make_staff(Role.COACH, pilot.provider)
    case = factories.make_case(pilot, coach, **{**SAME, "nhs_number": None})
    factories.GoalFactory(referral=case)
    return case.patient


Made = Callable[[factories.Pilot], Patient]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (with_a_third, with_a_third),
        (with_a_third, restricted),
        (with_a_third, coached),
        (restricted, coached),
        (coached, coached),
    ],
)
def test_where_neither_can_be_closed_the_office_is_asked_whichever_is_chosen(
    first: Made, second: Made, pilot: factories.Pilot
) -> None:
    both = first(pilot), second(pilot)
    for closing, into in (both, both[::-1]):
        with pytest.raises(ValidationError) as refusal:
            merged(closing, into=into)
        said = " ".join(refusal.value.messages)
        assert "Change nothing, and ask the pilot’s office." in said
        assert "Keep this one" not in said
    assert {fresh(each).merged_into_id for each in both} == {None}


@pytest.mark.parametrize("made", [with_a_third, restricted, coached])
def test_where_one_cannot_be_closed_the_other_can(made: Made, pilot: factories.Pilot) -> None:
    one, other = made(pilot), record(pilot)
    with pytest.raises(ValidationError, match="Keep this one"):
        merged(one, into=other)
    merged(other, into=one)
    assert fresh(other).merged_into_id == one.pk


def test_of_two_restricted_records_either_may_be_closed(pilot: factories.Pilot) -> None:
    one, other = restricted(pilot), restricted(pilot)
    merged(one, into=other)
    assert fresh(one).merged_into_id == other.pk
