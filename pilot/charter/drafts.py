"""Charters as they are written, before they are published: one Markdown file per version, one heading per
answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pilot.charter.models import PARTS, Charter

FOLDER = Path(__file__).parent / "versions"


def drafts(folder: Path = FOLDER) -> Iterator[Charter]:
    """Every written version, oldest first, unsaved. Raises `ValueError` where an answer is missing or
    unknown.
    """
    for file in sorted(folder.glob("*.md"), key=lambda file: int(file.stem)):
        yield Charter(version=int(file.stem), **_answers(file))


def _answers(file: Path) -> dict[str, str]:
    _, *parts = re.split(r"^## (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    by_heading = {
        heading.strip(): text.strip() for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }
    if set(by_heading) != set(PARTS.values()):
        differing = sorted(set(by_heading) ^ set(PARTS.values()))
        raise ValueError(f"{file.name} has missing or unknown headings: {', '.join(differing)}")
    return {field: by_heading[heading] for field, heading in PARTS.items()}
