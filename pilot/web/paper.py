"""Setting pages as PDF, with typst: tagged, titled, in a language, a sentence at the foot of each.

The program that sets the pages is given data and never markup, so nothing that anybody wrote can change them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typst
from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from pilot.web.formats import date

PAGES = Path(__file__).parent / "paper.typ"
PDF = "application/pdf"

# `kind` is h1, p, list, pairs, words or line; the rest is what paper.typ reads of each.
Block = dict[str, Any]


def typeset(title: str, blocks: Sequence[Block], *, foot: str, contents: str = "") -> bytes:
    """These blocks as pages, to PDF/UA-1 wherever every letter can be set. With `contents`, a table of them under that
    title comes first."""
    data = {
        "title": title,
        "author": settings.PILOT_NAME,
        "made": _("Made on %(day)s.") % {"day": date(timezone.localdate())},
        "foot": foot,
        "contents": contents,
        "page": _("Page"),
        "blocks": list(blocks),
    }
    inputs = {"data": json.dumps(data)}
    try:
        return _compiled(inputs, pdf_standards=["ua-1"])
    except typst.TypstError:
        # The standard refuses a letter that no font here has. Rather pages with a gap than none.
        return _compiled(inputs)


def as_download(content: bytes, name: str, content_type: str = PDF) -> HttpResponse:
    """A file to keep, which no browser or cache keeps for others."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(content, content_type=content_type, headers=headers)


def _compiled(inputs: dict[str, str], **options: Any) -> bytes:
    made: bytes = typst.compile(PAGES.read_bytes(), sys_inputs=inputs, **options)
    return made
