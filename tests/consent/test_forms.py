"""The questions as a patient meets them."""

import pytest

from consent.forms import DecisionForm
from consent.models import Decision, Purpose

EVERY_YES = {purpose.value: "yes" for purpose in Purpose}


def form(*, joins=True, asked=tuple(Purpose), **answers):
    return DecisionForm(answers, asked=asked, joins=joins)


def test_asks_first_for_what_is_needed_to_begin():
    asked = form()
    assert [field.name for field in asked.needed] == ["take_part", "share_with_coach"]
    assert [field.name for field in asked.optional] == ["reminders", "contact_employers", "evaluation"]
    assert [field.name for field in asked.statements] == ["freely_given", "sooner"]
    assert asked.circumstances == []


def test_nothing_is_chosen_beforehand():
    assert "checked" not in DecisionForm(asked=Purpose, joins=True).as_field_groups()


def test_every_yes_is_a_persons_own_and_online():
    answered = form(**EVERY_YES, freely_given="on")
    assert answered.is_valid()
    assert answered.answers() == dict.fromkeys(Purpose, True)
    how = answered.how()
    assert (how.method, how.freely_given, how.capacity_not_in_doubt) == (Decision.Method.ONLINE, True, True)


def test_a_yes_without_the_statement_does_not_count():
    assert set(form(**EVERY_YES).errors) == {"freely_given"}


@pytest.mark.parametrize("purpose", ["take_part", "share_with_coach"])
def test_somebody_who_would_rather_not_has_nothing_more_to_answer(purpose):
    answered = form(**{purpose: "no"})
    assert answered.is_valid()
    assert answered.says_not_now


def test_joining_answers_every_question():
    answered = form(take_part="yes", share_with_coach="yes", freely_given="on")
    assert set(answered.errors) == {"reminders", "contact_employers", "evaluation"}


def test_afterwards_one_answer_is_enough():
    later = (Purpose.REMINDERS, Purpose.EVALUATION)
    assert form(joins=False, asked=later, evaluation="no").is_valid()
    assert set(form(joins=False, asked=later).errors) == {"reminders"}
    assert set(form(joins=False, asked=later, evaluation="yes").errors) == {"freely_given"}


def test_a_forged_answer_is_refused():
    assert "take_part" in form(**EVERY_YES | {"take_part": "perhaps"}, freely_given="on").errors
