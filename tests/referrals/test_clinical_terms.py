"""The rule that finds clinical content in free text: what it promises, and how often it is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.demo import words as demo
from referrals.clinical_terms import Kind, screen
from referrals.vocabulary.patterns import is_snomed
from tests.referrals.clinical_measure import (
    DOCUMENT,
    KINDS,
    PARTS,
    Labelled,
    document,
    kinds_found,
    measure,
    sentences,
)

SENTENCES = sentences()
CLINICAL = [each for each in SENTENCES if each.kinds]


def found(text: str) -> list[tuple[str, str]]:
    return [(finding.words(text), finding.kind.value) for finding in screen(text)]


# --- How often it is right -------------------------------------------------------------------------


def test_there_are_hundreds_of_sentences_about_half_of_them_innocent() -> None:
    assert len(SENTENCES) >= 300
    assert 0.4 <= len(CLINICAL) / len(SENTENCES) <= 0.6
    assert len({each.text for each in SENTENCES}) == len(SENTENCES)
    assert {each.part for each in SENTENCES} == set(PARTS)
    assert set().union(*(each.kinds for each in SENTENCES)) == set(KINDS) == set(Kind.values)


@pytest.mark.parametrize(
    ("part", "precision", "recall"),
    [("development", 0.95, 0.95), ("held_out", 0.95, 0.95), ("afterwards", 0.9, 0.8)],
)
def test_it_is_right_at_least_this_often(part: str, precision: float, recall: float) -> None:
    measured = measure(sentences(part))
    assert measured.precision >= precision, measured
    assert measured.recall >= recall, measured


def test_the_document_says_what_was_measured() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run: python -m tests.referrals.clinical_measure"


@pytest.mark.parametrize(
    "name", ["NEEDS_NOTES", "OWN_WORDS", "GOALS", "TALKED", "YOU_WILL", "I_WILL", "MEETING_POINTS", "ROOMS"]
)
def test_what_the_invented_pilot_says_where_coaches_read_is_not_clinical(name: str) -> None:
    assert [text for text in getattr(demo, name) if screen(text)] == []


# --- What it finds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sertraline 50 mg, at night.", [("Sertraline", "medicine"), ("50 mg", "dose")]),
        ("sertralin", [("sertralin", "medicine")]),
        ("Takes amitriptiline", [("amitriptiline", "medicine")]),
        ("On an antidepressant; statins too", [("antidepressant", "medicine"), ("statins", "medicine")]),
        ("something-pril: perindopril", [("perindopril", "medicine")]),
        ("10 units of insulin", [("10 units of", "dose"), ("insulin", "medicine")]),
        ("One puff twice a day", [("One puff twice a day", "dose")]),
        ("co\u2011codamol", [("co\u2011codamol", "medicine")]),
        ("75\u00a0\u00b5g", [("75\u00a0\u00b5g", "dose")]),
        ("\ufb01bromyalgia", [("\ufb01bromyalgia", "diagnosis")]),
        ("M\u00e9ni\u00e8re\u2019s disease", [("M\u00e9ni\u00e8re\u2019s", "diagnosis")]),
        ("Parkinsons", [("Parkinsons", "diagnosis")]),
        ("type\u20092 diabetes", [("type\u20092 diabetes", "diagnosis")]),
        ("PHQ\u20139: 17", [("PHQ\u20139", "score")]),
        ("phq9 and gad 7", [("phq9", "score"), ("gad 7", "score")]),
        ("F32.1 and I10", [("F32.1", "code"), ("I10", "code")]),
        ("SNOMED CT 44054006", [("SNOMED CT 44054006", "code")]),
        ("see 44054006 there", [("44054006", "code")]),
        ("Eu32z", [("Eu32z", "code")]),
        ("Med3 given", [("Med3", "fit_note")]),
        ("\u201cmay be fit for work\u201d", [("may be fit for work", "fit_note")]),
    ],
)
def test_these_are_found_just_where_they_stand(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Ms Patient and Ray Dose.",
        "She worked at an insulin plant.",
        "the Great Depression",
        "breast stroke",
        "E10 5AB",
        "room F32",
        "Fit for purpose.",
        "the Cancer Research shop",
        "May or April",
        "a band called Codeine Kings",
        "500 g of flour",
        "my 1972 MG",
        "Call 07700 900123.",
        "NHS number 9990000018",
        "job 20231105",
        "the AUDIT team",
        "an aspiring artistic creator at concerts",
    ],
)
def test_these_are_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "word", "kind"),
    [
        ("On sertra-line since May", "sertra-line", "medicine"),
        ("On sertra-\nline since May", "sertra-\nline", "medicine"),
        ("On ser.tra.line since May", "ser.tra.line", "medicine"),
        ("bi/polar", "bi/polar", "diagnosis"),
        ("bi_polar disorder", "bi_polar disorder", "diagnosis"),
        ("flu*oxetine", "flu*oxetine", "medicine"),
        ("s e r t r a l i n e", "s e r t r a l i n e", "medicine"),
        ("It is P.T.S.D., he says", "P.T.S.D", "diagnosis"),
        ("Takes sertra line daily", "sertra line", "medicine"),
        ("Coded f32.1 and i10.0", "f32.1", "code"),
    ],
)
def test_a_word_that_was_taken_apart_is_found(text: str, word: str, kind: str) -> None:
    assert (word, kind) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "and/or, he/she, part-time, well-organised, e-mail, U.S.A., a b c",
        "bi/polar transistor",
        "self-diagnosis of the boiler",
        "the insu-lin plant",
        "the de pression",
        "version v10.1, page p20.5, £k12.5, at t10.30, 2 x12.5",
    ],
)
def test_ordinary_words_side_by_side_are_not_put_together(text: str) -> None:
    assert found(text) == []


_FILLERS = ["\u115f", "\u1160", "\u3164", "\uffa0"]


@pytest.mark.parametrize(
    "unseen",
    ["\u200e", "\u2061", "\u2066", "\u2069", "\ufe0f", "\u034f", "\u180e", "\U000e0041", *_FILLERS],
)
def test_what_nobody_sees_inside_a_word_hides_nothing(unseen: str) -> None:
    text = f"She takes sertra{unseen}line."
    [found] = screen(text)
    assert found.words(text) == f"sertra{unseen}line"


@pytest.mark.parametrize("unseen", ["\u200b", *_FILLERS])
def test_what_nobody_sees_inside_a_code_or_a_dose_hides_neither(unseen: str) -> None:
    text = f"It was coded F32{unseen}.1 then, and 200{unseen}mg."
    found = {(each.kind, each.words(text)) for each in screen(text)}
    assert found == {(Kind.CODE, f"F32{unseen}.1"), (Kind.DOSE, f"200{unseen}mg")}


@pytest.mark.parametrize("written", ["sеrtrаline", "ѕertraline", "sertrаlіnе", "diаzepam", "lιthium"])
def test_letters_that_look_just_like_ours_hide_nothing(written: str) -> None:
    assert not written.isascii()
    assert [each.kind for each in screen(f"She takes {written}.")] == [Kind.MEDICINE]


def test_snomeds_check_digit_tells_its_numbers_from_others() -> None:
    assert is_snomed("44054006")
    assert is_snomed("1098041000000101")
    assert not is_snomed("44054007")
    assert not is_snomed("44054016"[:5])
    assert sum(is_snomed(str(number)) for number in range(5_000_000, 5_010_000)) < 100


# --- What it promises ------------------------------------------------------------------------------

_SPACES = ["  ", "\n", "\u00a0", "\t", " \r\n ", " " * 40, " \u200b \u200b ", "\u200b "]
_ANY_TEXT = st.one_of(
    st.text(),
    st.lists(st.sampled_from([word for each in SENTENCES for word in each.text.split()]), max_size=30).map(
        " ".join
    ),
    st.text(alphabet="ABEX0129. -/mg\u00a0\u2019\u0301\u00df\u0130\ufb01", max_size=60),
)


@given(_ANY_TEXT)
def test_it_never_raises_and_every_span_lies_in_the_text(text: str) -> None:
    findings = screen(text)
    assert findings == sorted(findings)
    for finding in findings:
        assert 0 <= finding.start < finding.end <= len(text)
        assert finding.words(text).strip()
    assert screen(text) == findings


@pytest.mark.parametrize("space", _SPACES)
def test_how_wide_the_spaces_are_changes_nothing(space: str) -> None:
    for sentence in SENTENCES:
        assert kinds_found(sentence.text.replace(" ", space)) == kinds_found(sentence.text), sentence.text


@given(st.sampled_from(SENTENCES), st.sampled_from([str.upper, str.lower, str.title, str.swapcase]))
def test_capitals_change_nothing_but_for_codes(sentence: Labelled, change: object) -> None:
    changed = change(sentence.text)  # type: ignore[operator]
    assert kinds_found(changed) - {"code"} == kinds_found(sentence.text) - {"code"}


@given(st.sampled_from(SENTENCES))
def test_which_apostrophes_and_hyphens_were_typed_changes_nothing(sentence: Labelled) -> None:
    typed = sentence.text.replace("'", "\u2019").replace("-", "\u2011")
    plain = sentence.text.replace("\u2019", "'").replace("\u2013", "-")
    assert kinds_found(typed) - {"code"} == kinds_found(plain) - {"code"}


@given(st.sampled_from(CLINICAL), st.sampled_from(SENTENCES))
def test_what_stands_in_another_sentence_hides_nothing(clinical: Labelled, other: Labelled) -> None:
    together = kinds_found(f"{other.text} {clinical.text}")
    assert kinds_found(clinical.text) - {"code"} <= together


def test_long_and_repetitive_texts_are_gone_through_too() -> None:
    for piece in (
        "stroke a ",
        "depression the ",
        "E11.9, ",
        "1 ",
        "twice a ",
        "2 units of insulin ",
        " ",
        "A10.1 and ",
        "a ",
        "s-e-",
        "sertra-",
    ):
        assert len(screen(piece * 400)) <= 800
