"""Making both files of a copy from the same reading: JSON for programs, written as it is read, and pages to read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from pilot.access import Actor, acting
from pilot.people.models import Patient
from pilot.people.selectors import doubles_of
from pilot.record.copies import contents
from pilot.record.copies.actions import Files
from pilot.record.copies.policies import NO_EVIDENCE
from pilot.record.selectors import own_patient
from pilot.web.formats import date_and_time
from pilot.web.paper import Block, typeset

VERSION = 1
SCHEMA = Path(__file__).parent / "schema.json"
# Of what grows without end, so much is on the pages; all of it is in the other file.
LINES_ON_PAGES = 300
IN_MEMORY = 4_000_000


def make(actor: Actor) -> Files:
    """Everything that this patient may see, read in one go as they would, then set. The look is the patient's own."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        with acting(actor, "copy.made"):
            patient = own_patient(actor)
            blocks = list(_read(actor, [patient, *doubles_of(actor, patient)], file))
            title = _("Everything held about %(name)s") % {"name": patient.name}
        file.seek(0)
        pdf = typeset(title, blocks, foot=str(NO_EVIDENCE), contents=_("What is in it"))
        return Files(pdf=pdf, json=file.read())


def _read(actor: Actor, patients: list[Patient], file: IO[bytes]) -> Iterator[Block]:
    """Write the file for programs while reading, and yield what stands on the pages."""
    head = {
        "$schema": settings.BASE_URL + reverse("record:copy_schema"),
        "version": VERSION,
        "made_at": timezone.now().isoformat(),
        "statement": str(NO_EVIDENCE),
    }
    _write(file, json.dumps(head)[:-1] + ', "parts": [')
    yield {"kind": "p", "text": str(NO_EVIDENCE)}
    yield {
        "kind": "p",
        "text": _("You can show this to anybody or to nobody. Nobody may ask you for it."),
    }
    for number, part in enumerate(contents.parts(actor, *patients)):
        opening = {"name": part.name, "title": str(part.title)}
        _write(file, (", " if number else "") + json.dumps(opening)[:-1] + ', "rows": ')
        yield {"kind": "h1", "text": str(part.title)}
        yield from _written(file, part.rows, _row)
        _write(file, "}")
    for name, title, rows, said in (
        ("changes", _("What was changed, and by whom"), contents.changes(actor, *patients), _change),
        (
            "log",
            _("Who looked, who changed something, and what was sent out"),
            contents.log(actor, *patients),
            _line,
        ),
        ("disclosures", "", contents.disclosures(actor, *patients), None),
    ):
        _write(file, ("]" if name == "changes" else "") + f', "{name}": ')
        if title:
            yield {"kind": "h1", "text": title}
        yield from _written(file, rows, said, limit=LINES_ON_PAGES)
    _write(file, "}")


def _written(
    file: IO[bytes], rows: Iterator[dict[str, Any]], said: Any, limit: int | None = None
) -> Iterator[Block]:
    """Each row goes into the file; up to the limit, what is said of it stands on the pages."""
    count = 0
    _write(file, "[")
    for count, row in enumerate(rows, start=1):
        _write(file, (", " if count > 1 else "") + json.dumps(row))
        if said and (limit is None or count <= limit):
            yield from said(row)
    _write(file, "]")
    if said and not count:
        yield {"kind": "p", "text": _("Nothing.")}
    if said and limit is not None and count > limit:
        more = _("There are %(count)s more lines. All of them are in the file for computers.")
        yield {"kind": "p", "text": more % {"count": f"{count - limit:,}"}}


def _write(file: IO[bytes], text: str) -> None:
    file.write(text.encode())


def _row(row: dict[str, Any]) -> Iterator[Block]:
    pairs = [[each["label"], each["text"]] for each in row["fields"] if each["text"]]
    yield {"kind": "pairs", "title": _when(row["written_at"]), "pairs": pairs}
    for words in row["your_words"]:
        title = _("You see this differently, written on %(when)s") % {"when": _when(words["written_at"])}
        yield {"kind": "words", "title": title, "text": words["words"]}


def _change(row: dict[str, Any]) -> Iterator[Block]:
    did = {"added": _("Added"), "changed": _("Changed"), "removed": _("Removed")}[row["what"]]
    who = row["who"] or _("The service itself")
    lines = [_("%(label)s: before “%(before)s”, after “%(after)s”") % each for each in row["fields"]]
    yield {"kind": "line", "title": f"{_when(row['at'])}: {did}, {who}", "lines": lines}


def _line(row: dict[str, Any]) -> Iterator[Block]:
    who = ", ".join(each for each in (row["who"], row["role"], row["where"]) if each)
    lines = [f"{each['did']}: {'; '.join(each['what'])}" for each in row["did"]]
    for sent in row["sent"]:
        told = {"to": sent["to"], "what": "; ".join(sent["what"]), "why": sent["what_for"]}
        lines.append(_("Sent to %(to)s: %(what)s. What for: %(why)s") % told)
    if row["why"] and not row["is_you"]:
        lines.append(_("Why: %(why)s") % {"why": row["why"]})
    yield {"kind": "line", "title": f"{_when(row['at'])}: {who}", "lines": lines}


def _when(at: str) -> str:
    moment = parse_datetime(at)
    return date_and_time(timezone.localtime(moment)) if moment else at
