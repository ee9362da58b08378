"""Information sheets as they are written, before they are published: one Markdown file per version and
format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from consent.models import InformationSheet

FOLDER = Path(__file__).parents[1] / "sheets"


def drafts(folder: Path = FOLDER) -> Iterator[InformationSheet]:
    """Every written sheet, oldest version first, unsaved and without a charter.

    A file is called `<version>.<language>.<format>.md`, or `….young.md` for readers of 16 and 17, and begins with its title
    (`# …`), with how much it changes (`Change: material` or `minor`) and, after the first version, with what is different
    (`Changed: …`, one line of Markdown). Raises `ValueError` for one that does not.
    """
    for file in sorted(folder.glob("*.md"), key=lambda file: (int(file.name.split(".")[0]), file.name)):
        version, language, format, *readers = file.name.removesuffix(".md").split(".")
        title, _, rest = file.read_text(encoding="utf-8").partition("\n")
        change, _, text = rest.strip().partition("\n")
        what_changed = ""
        if text.startswith("Changed: "):
            what_changed, _, text = text.removeprefix("Changed: ").partition("\n")
        if not title.startswith("# ") or not change.startswith("Change: "):
            raise ValueError(f"{file.name} has to begin with its title and its kind of change.")
        yield InformationSheet(
            version=int(version),
            language=language,
            format=InformationSheet.Format(format),
            change=InformationSheet.Change(change.removeprefix("Change: ").strip()),
            readers=InformationSheet.Readers(*readers or ["adults"]),
            what_changed=what_changed.strip(),
            title=title.removeprefix("# ").strip(),
            text=text.strip(),
        )
