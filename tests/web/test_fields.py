"""What people type, and what the fields make of it."""

import datetime as dt
import re

import nhs_number
import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.web import fields
from pilot.web.forms import Form
from tests.web.site import Everything

GOOD = {"name": "Ana", "born_on_day": "27", "born_on_month": "3", "born_on_year": "1984", "contact": "3"}


def sent(**answers: object) -> Everything:
    return Everything({**GOOD, **answers})


def message(form: Form, name: str) -> str:
    assert name in form.errors, form.errors
    return form.errors[name][0]


@settings(deadline=None)
@given(st.dates(min_value=dt.date(1000, 1, 1)))
def test_every_real_date_comes_back_as_it_was_typed(day: dt.date) -> None:
    field = fields.DateField(label="Day")
    assert field.clean([str(day.day), str(day.month), str(day.year)]) == day
    for text in (day.strftime("%d/%m/%Y"), day.isoformat(), f"{day.day} {day:%B} {day.year}"):
        assert field.clean(field.widget.value_from_datadict({"day": text}, {}, "day")) == day
        assert field.clean(field.widget.value_from_datadict({"day_day": text}, {}, "day")) == day


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), min_size=3, max_size=3))
def test_no_text_in_the_boxes_of_a_date_is_an_error_of_ours(boxes: list[str]) -> None:
    form = sent(born_on_day=boxes[0], born_on_month=boxes[1], born_on_year=boxes[2])
    if not form.is_valid():
        assert form["born_on"].as_field_group()
        assert form.error_summary()


@pytest.mark.parametrize(
    ("boxes", "says", "marks"),
    [
        (("", "", ""), "Enter date of birth", "day"),
        (("27", "", "1984"), "Date of birth must include a month", "month"),
        (("", "", "1984"), "Date of birth must include a day and a month", "day"),
        (("31", "2", "1984"), "Date of birth must be a real date, like 27 3 1984", "day"),
        (("1", "13", "1984"), "Date of birth must be a real date, like 27 3 1984", "month"),
        (("1", "3", "84"), "Date of birth must have a year of 4 digits, like 1984", "year"),
        (("1", "3", "2101"), "Date of birth must be today or in the past", "day"),
    ],
)
def test_a_wrong_date_says_which_box_to_mend(boxes: tuple[str, str, str], says: str, marks: str) -> None:
    form = sent(born_on_day=boxes[0], born_on_month=boxes[1], born_on_year=boxes[2])
    assert message(form, "born_on") == says
    assert f'href="#id_born_on_{marks}"' in form.error_summary()
    assert f'id="id_born_on_{marks}"' in form["born_on"].as_field_group()


@time_machine.travel(dt.datetime(2026, 3, 29, 0, 30, tzinfo=dt.UTC))
def test_a_date_may_be_today_by_the_clock_on_the_wall() -> None:
    assert fields.DateField(label="Day", future=True).clean("29/3/2026") == dt.date(2026, 3, 29)


@settings(deadline=None)
@given(
    st.integers(min_value=0, max_value=9_999_999_999), st.sampled_from(["{}{}{}", "{} {} {}", " {}-{}-{} "])
)
def test_an_nhs_number_is_accepted_exactly_when_its_check_digit_fits(number: int, layout: str) -> None:
    digits = f"{number:010}"
    form = sent(number=layout.format(digits[:3], digits[3:6], digits[6:]))
    if nhs_number.is_valid(digits):
        assert form.is_valid(), form.errors
        assert form.cleaned_data["number"] == digits
    else:
        assert message(form, "number") == "Check the NHS number. The digits do not fit together"


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_as_an_nhs_number_phone_or_time_is_an_error_of_ours(text: str) -> None:
    form = sent(number=text, phone=text, at=text)
    form.is_valid()
    for name in ("number", "phone", "at"):
        form[name].as_field_group()


def test_the_nhs_number_is_shown_in_groups() -> None:
    assert 'value="999 000 0018"' in Everything(initial={"number": "9990000018"})["number"].as_field_group()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("07700 900 018", "07700900018"),
        ("+44 (0)7700 900018", "07700900018"),
        ("0044 20 7946 0018", "02079460018"),
        ("+353 1 234 5678", "+35312345678"),
    ],
)
def test_phone_numbers_are_kept_as_digits(typed: str, kept: str) -> None:
    form = sent(phone=typed)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["phone"] == kept


@pytest.mark.parametrize("typed", ["12345", "phone me", "07700 900 018 ext 4", "+0 123"])
def test_what_is_no_phone_number_is_said_with_an_example(typed: str) -> None:
    assert (
        message(sent(phone=typed), "phone") == "Enter a phone number, like 07700 900 018 or +44 20 7946 0018"
    )


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("9:30am", dt.time(9, 30)),
        ("2pm", dt.time(14)),
        ("2.30 p.m.", dt.time(14, 30)),
        ("14:30", dt.time(14, 30)),
        ("1430", dt.time(14, 30)),
        ("12am", dt.time(0)),
        ("12pm", dt.time(12)),
        ("midday", dt.time(12)),
        ("07:15", dt.time(7, 15)),
        ("9", dt.time(9)),
    ],
)
def test_times_are_understood_as_people_write_them(typed: str, kept: dt.time) -> None:
    form = sent(at=typed)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["at"] == kept


def test_a_time_that_may_be_morning_or_afternoon_is_asked_about() -> None:
    assert message(sent(at="2:30"), "at").startswith("Say if you mean am or pm")


@pytest.mark.parametrize("typed", ["25:00", "9:75", "13pm", "soon", "0pm"])
def test_what_is_no_time_is_said_with_an_example(typed: str) -> None:
    assert message(sent(at=typed), "at") == "Enter a time, like 9:30am or 2pm"


def test_a_line_end_counts_as_one_character() -> None:
    assert sent(story="a" * 100 + "\r\n" + "b" * 99).is_valid()
    assert (
        message(sent(story="a" * 100 + "\r\n" + "b" * 100), "story")
        == "Use 200 characters or fewer. You have used 201."
    )


def test_missing_answers_say_what_to_do() -> None:
    form = Everything({})
    assert message(form, "name") == "Enter first name"
    assert message(form, "contact") == "Choose an answer"
    assert form.errors.keys() == {"name", "born_on", "contact"}


def test_nothing_is_chosen_beforehand() -> None:
    assert " checked" not in Everything().as_field_groups()
    with pytest.raises(ImproperlyConfigured):
        fields.RadioField(label="Contact?", choices=[("3", "Phone")], initial="3")
    with pytest.raises(ImproperlyConfigured):
        fields.TickField(label="I agree", initial=True)


def test_saved_answers_are_shown_as_chosen() -> None:
    html = Everything(
        initial={"contact": "4", "agreed": False, "needs": ["b"], "place": "y"}
    ).as_field_groups()
    assert html.count(" checked") == 3
    assert html.count(" selected") == 1


def test_none_of_these_excludes_the_others() -> None:
    assert message(sent(needs=["a", "none"]), "needs") == "Choose either “None of these” or the other answers"
    assert sent(needs=["none"]).is_valid()


def test_yes_no_and_unanswered_are_three_things() -> None:
    assert [sent(agreed=answer).is_valid() for answer in ("yes", "no", "")] == [True] * 3
    answers = []
    for answer in ("yes", "no", ""):
        form = sent(agreed=answer)
        form.is_valid()
        answers.append(form.cleaned_data["agreed"])
    assert answers == [True, False, None]


def test_a_file_of_the_wrong_kind_or_size_is_refused_with_the_remedy() -> None:
    def uploaded(name: str, content: bytes) -> Everything:
        return Everything(GOOD, {"file": SimpleUploadedFile(name, content)})

    assert uploaded("list.CSV", b"a;b").is_valid()
    assert message(uploaded("list.xlsx", b"a"), "file") == "Choose a file that ends in .csv"
    assert "smaller than 1 MB" in message(uploaded("list.csv", b"a" * (1024 * 1024 + 1)), "file")
    assert message(uploaded("list.csv", b""), "file") == "The file is empty. Choose another one"


def test_what_people_type_is_escaped() -> None:
    form = sent(name='<script>"x"', born_on_day='"><b>')
    form.is_valid()
    html = form.as_field_groups() + form.error_summary()
    assert "<script>" not in html
    assert "<b>" not in html


def test_optional_fields_say_so_and_hints_are_tied_to_their_control() -> None:
    html = Everything()["number"].as_field_group()
    assert "NHS number (optional)" in html
    assert 'aria-describedby="id_number-hint"' in html
    assert 'inputmode="numeric"' in html


def test_the_error_summary_links_to_the_first_choice_of_a_group() -> None:
    form = sent(contact="", email="x")
    assert ">Choose an answer</a>" in re.sub(r"\s*([<>])\s*", r"\1", str(form.error_summary()))
    assert 'href="#id_contact"' in form.error_summary()
    assert 'id="id_contact"' in form["contact"].as_field_group()
    assert Everything().error_summary() == ""
