"""What is different between two versions of an information sheet, side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from django.utils.safestring import SafeString

from pilot.charter.markdown import render


@dataclass(frozen=True)
class Pair:
    """One paragraph, list or heading as it was and as it is now; one of them is empty where there is none."""

    before: SafeString
    now: SafeString
    is_same: bool


def side_by_side(before: str, now: str) -> list[Pair]:
    """Both texts in Markdown, paragraph by paragraph, each in its own order with nothing left out."""
    old, new = _blocks(before), _blocks(now)
    pairs = []
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        for was, is_now in zip_longest(old[old_from:old_to], new[new_from:new_to], fillvalue=""):
            pairs.append(Pair(render(was), render(is_now), is_same=kind == "equal"))
    return pairs


def _blocks(text: str) -> list[str]:
    return [block.strip() for block in re.split(r"\n\s*\n", text) if block.strip()]
