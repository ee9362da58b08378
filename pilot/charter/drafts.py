"""Charters before they are published: written as one Markdown file per version, one heading per answer, or in the
admin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from audit.history import revision_of
from pilot.charter.models import PARTS, Charter
from pilot.people.actions import StaleVersion

FOLDER = Path(__file__).parent / "versions"


def hold_draft(row: Any, seen: int | None) -> None:
    """Lock a draft (of a charter or an information sheet) until the transaction ends. Raises where it is published
    or thrown away, and `StaleVersion` where it changed since `seen`, a revision, was shown.
    """
    current = type(row).objects.select_for_update(of=("self",)).filter(pk=row.pk).first()
    if current is None:
        raise ValidationError(_("Somebody threw this draft away."))
    if current.published_at is not None:
        raise ValidationError(_("This version is published. Nobody can change it: write a new one."))
    if seen is not None and revision_of(current) != seen:
        raise StaleVersion


def drafts(folder: Path = FOLDER) -> Iterator[Charter]:
    """Every written version, oldest first, unsaved. Raises `ValueError` where an answer is missing or
    unknown.
    """
    for file in sorted(folder.glob("*.md"), key=lambda file: int(file.stem)):
        yield Charter(version=int(file.stem), **_answers(file))


def _answers(file: Path) -> dict[str, str]:
    __, *parts = re.split(r"^## (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    by_heading = {
        heading.strip(): text.strip() for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }
    if set(by_heading) != set(PARTS.values()):
        differing = sorted(set(by_heading) ^ set(PARTS.values()))
        raise ValueError(f"{file.name} has missing or unknown headings: {', '.join(differing)}")
    return {field: by_heading[heading] for field, heading in PARTS.items()}
