"""Pages set as PDF: nothing that anybody wrote is markup, and every page has its foot."""

import json
from typing import Any

import pytest
import typst

from pilot.web import paper

FOOT = "Whoever reads this page reads this sentence too."


def test_the_foot_stands_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of typst itself: what it would print, page by page."""
    blocks = [{"kind": "line", "title": f"Line {n}", "lines": ["Text"]} for n in range(200)]
    seen: dict[str, Any] = {}
    real = typst.compile
    monkeypatch.setattr(
        typst, "compile", lambda source, **o: seen.update(source=source, **o) or real(source, **o)
    )
    assert len(paper.typeset("A title", blocks, foot=FOOT)) > 1000
    pages = real(seen["source"], sys_inputs=seen["sys_inputs"], format="svg")
    assert isinstance(pages, list)
    assert len(pages) > 3
    # Drawn as glyphs: the foot of each page is the same but for its number, and without the words it is not there.
    without = json.loads(seen["sys_inputs"]["data"]) | {"foot": ""}
    bare = real(seen["source"], sys_inputs={"data": json.dumps(without)}, format="svg")
    for page_, less in zip(pages, bare, strict=True):
        assert page_.count(b"<use") - less.count(b"<use") >= len(FOOT.replace(" ", "")) - 5


def test_what_somebody_wrote_is_never_markup() -> None:
    blocks = [{"kind": "p", "text": '#panic("no") $x$ #read("/etc/passwd") ```'}]
    assert paper.typeset("#panic()", blocks, foot="#panic()").startswith(b"%PDF")


@pytest.mark.parametrize("text", ["مرحبا", "中文", "😀", "Ełk ąć", "\x00\x07"])
def test_a_letter_that_no_font_has_stops_nothing(text: str) -> None:
    assert paper.typeset("A title", [{"kind": "p", "text": text}], foot=text).startswith(b"%PDF")


def test_several_lines_under_a_title_are_a_list_and_no_table_of_contents_comes_unasked() -> None:
    blocks = [{"kind": "h1", "text": "Stopped"}, {"kind": "list", "items": ["One", "Two", "*Three*"]}]
    short = paper.typeset("A title", blocks, foot=FOOT)
    long = paper.typeset("A title", blocks, foot=FOOT, contents="What is in it")
    assert b"pdfuaid" in short
    assert len(long) > len(short)
