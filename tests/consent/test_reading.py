"""Whether the sheets can be read by somebody of nine, and what of them has changed."""

import re
import warnings

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from consent.changes import side_by_side
from consent.models import InformationSheet
from consent.publishing import drafts
from tests import factories

with warnings.catch_warnings():
    # It imports what setuptools would rather have it not.
    warnings.simplefilter("ignore")
    import textstat

# Years of school: children are five when the first begins.
NINE_YEAR_OLDS = 9 - 5


def as_read_out(markdown: str) -> str:
    """The words without marks and pictures, each line a sentence at least."""
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)|^#+ |^[-*] |^\d+\. |[*_]", "", markdown, flags=re.MULTILINE)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(line if line[-1] in ".?!:" else f"{line}." for line in lines)


@pytest.mark.parametrize("sheet", list(drafts.drafts()), ids=lambda sheet: f"{sheet.format}-{sheet.readers}")
# The library leaves a file of its own open.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_nine_year_old_can_read_it(sheet: InformationSheet) -> None:
    text = as_read_out(sheet.text)
    assert textstat.flesch_kincaid_grade(text) <= NINE_YEAR_OLDS
    assert textstat.automated_readability_index(text) <= NINE_YEAR_OLDS
    assert textstat.gunning_fog(text) <= NINE_YEAR_OLDS + 1
    # No average hides one sentence that nobody gets through.
    longest = max(re.split(r"[.?!:]\s", text), key=lambda sentence: len(sentence.split()))
    assert len(longest.split()) <= 30, longest


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_measure_tells_hard_words_from_easy_ones() -> None:
    hard = "Participation is contingent upon the expression of voluntarily conferred authorisation by the individual."
    assert textstat.flesch_kincaid_grade(hard) > NINE_YEAR_OLDS


def test_what_is_new_gone_or_different_stands_side_by_side() -> None:
    before = "One.\n\nTwo.\n\nThree."
    now = "One.\n\nTwo and a half.\n\nThree.\n\nFour."
    said = [(str(pair.before), str(pair.now), pair.is_same) for pair in side_by_side(before, now)]
    assert [(is_same, bool(was), bool(is_now)) for was, is_now, is_same in said] == [
        (True, True, True),
        (False, True, True),
        (True, True, True),
        (False, False, True),
    ]
    assert "Two and a half" in said[1][1]


blocks = st.lists(st.sampled_from(["a", "b", "c", "d", "- e\n- f", "## g"]), max_size=8).map("\n\n".join)


@given(before=blocks, now=blocks)
def test_nothing_of_either_version_is_left_out(before: str, now: str) -> None:
    pairs = side_by_side(before, now)
    for side, text in (("before", before), ("now", now)):
        shown = [str(getattr(pair, side)) for pair in pairs if getattr(pair, side)]
        assert shown == [str(pair.now) for pair in side_by_side("", text) if pair.now]
    assert all(pair.before == pair.now for pair in pairs if pair.is_same)


@pytest.mark.django_db
def test_the_page_of_changes_says_what_is_different_and_why(client) -> None:
    factories.make_sheet(text="It is up to you.\n\nThe coaches work for Alpha.")
    first = InformationSheet.objects.in_force()
    now = factories.make_sheet(
        text="It is up to you.\n\nThe coaches work for Beta.",
        what_changed="**Beta** employs the coaches now.",
    )
    address = reverse("consent:changes", args=["plain", now.version, first.version])
    page = client.get(address).content.decode()
    assert "<strong>Beta</strong> employs the coaches now." in page
    assert "1 part is different" in page
    assert "Alpha" in page
    assert client.get(reverse("consent:changes", args=["plain", 99, 1])).status_code == 404
    old = client.get(reverse("consent:sheet_version", args=["plain", first.version])).content.decode()
    assert address in old
    assert "earlier version" in old


@pytest.mark.django_db
def test_every_language_and_kind_of_reader_has_pages_of_its_own(client) -> None:
    factories.make_sheet(text="English words.")
    factories.make_sheet(text="Geiriau Cymraeg.", language="cy", what_changed="-")
    factories.make_sheet(text="For the young.", readers="young", what_changed="-")
    page = client.get(reverse("consent:information")).content.decode()
    assert "English words." in page
    assert "Cymraeg" in page
    assert "For people aged 16 and 17" in page
    assert (
        "Geiriau Cymraeg." in client.get(reverse("consent:information"), {"language": "cy"}).content.decode()
    )
    assert "For the young." in client.get(reverse("consent:information"), {"for": "young"}).content.decode()
    for query in ({"language": "xx"}, {"for": "nobody"}, {"language": "cy", "for": "young"}):
        assert client.get(reverse("consent:information"), query).status_code == 404
