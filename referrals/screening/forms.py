"""Forms with boxes that a coach can read: what seems clinical in them is asked about before it is saved.

A form names such boxes in `screened`. Where something is found, it comes back with everything in it, says which
words, and gives the ways on: other words, a clinical note (for whoever may write one), or that these are the
patient's own words and wish, which is recorded. What has not changed since it was saved is not asked about again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from pilot.access import Actor, Permission, may
from pilot.people.models import Patient
from pilot.web.forms import Form
from referrals.clinical_terms import Finding, Kind, screen
from referrals.notes.actions import write_note
from referrals.screening.actions import confirm_own_words

# The button that moves a box to a clinical note, and what the names of the dialogue's other inputs begin with.
MOVE, OWN_WORDS, HELD = "move_to_note", "own_words_of_", "held_"
_SALT = "referrals.screening.own_words"
# More would not be read.
_MOST_NAMED = 6


@dataclass(frozen=True)
class Held:
    """A box in which something was found, with what its dialogue needs."""

    box: str
    label: str
    text: str
    findings: tuple[Finding, ...]
    # What goes into a clinical note, if somebody says so: the words that were found first.
    to_note: str
    # What ticking "the patient's own words" sends: good for this very text in this very box of this very page, for the
    # person who was asked.
    token: str
    is_ticked: bool

    @property
    def words(self) -> list[tuple[str, str]]:
        """What was found, each once, with what it seems to be."""
        found = {each.words(self.text): str(each.kind.label) for each in self.findings}
        return list(found.items())[:_MOST_NAMED]


class ScreenedForm(Form):
    """A form with boxes that a coach can read: `screened` gives each with the column that it is saved in."""

    screened: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held: list[Held] = []
        # Who is asked, and where: the page's address names the patient or what is about them.
        self.asked = ""
        # Which kinds were confirmed in which box, and the texts that go into a clinical note.
        self.confirmed: dict[str, list[Kind]] = {}
        self.moved: list[str] = []

    def shown_on(self, page: Any) -> None:
        super().shown_on(page)
        self.asked = f"{page.actor.label}\n{page.request.path}"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in self.screened:
            # Nothing new: whoever saved it was asked then.
            if cleaned.get(name) and self.fields[name].has_changed(self.initial.get(name), cleaned[name]):
                self._screen(name, cleaned[name])
        return cleaned

    def may_move(self, actor: Actor) -> bool:
        """Whether this person may move words into a clinical note."""
        return may(actor, Permission.WRITE_CLINICAL_NOTES)

    def acted(self, page: Any) -> None:
        """Record what was confirmed, and write down what was moved, for the patient whom the page is about."""
        super().acted(page)
        if not self.confirmed and not self.moved:
            return
        patient: Patient = page.row if isinstance(page.row, Patient) else page.row.patient
        for name, kinds in self.confirmed.items():
            confirm_own_words(patient, box=self.screened[name], kinds=kinds, by=page.actor)
        for text in self.moved:
            write_note(patient, text, by=page.actor)

    def _screen(self, name: str, text: str) -> None:
        findings = screen(text)
        held_before = self._held_before(name)
        is_to_move = self.data.get(MOVE) == name and bool(held_before or findings)
        if is_to_move:
            self.moved.append(held_before or text)
        if not findings:
            # Reworded, perhaps: then the new words stay in the box.
            return
        token = own_words_token(self.asked, self.screened[name], text)
        is_ticked = constant_time_compare(self.data.get(OWN_WORDS + name, ""), token)
        label = str(self.fields[name].label)
        to_note = self.moved[-1] if is_to_move else text
        self.held.append(Held(name, label, text, tuple(findings), to_note, token, is_ticked))
        if is_to_move and text == to_note:
            self._empty(name)
        elif is_ticked and not is_to_move:
            self.confirmed[name] = sorted({each.kind for each in findings})
        else:
            self.add_error(name, _refusal(self.held[-1].words))

    def _held_before(self, name: str) -> str:
        """What the dialogue showed of the box; nothing where the box itself could not have held it."""
        try:
            return _as_typed(self.fields[name].clean(self.data.get(HELD + name, "")))
        except ValidationError:
            return ""

    def _empty(self, name: str) -> None:
        if self.fields[name].required:
            self.add_error(name, _("Write in other words what the coach can read"))
        else:
            self.cleaned_data[name] = ""


def own_words_token(asked: str, column: str, text: str) -> str:
    """What stands for "these very words in this very box were shown to this person on this page, and asked about"."""
    return salted_hmac(_SALT, f"{asked}\n{column}\n{text}", algorithm="sha256").hexdigest()


def screened_forms() -> Iterable[type[ScreenedForm]]:
    """Every form with screened boxes that is loaded."""
    waiting = [ScreenedForm]
    while waiting:
        form = waiting.pop()
        waiting += form.__subclasses__()
        if form.screened:
            yield form


def _as_typed(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _refusal(words: Iterable[tuple[str, str]]) -> str:
    listed = "; ".join(f"“{found}” ({kind})" for found, kind in words)
    return _(
        "A coach can read this box, and some words look medical: %(words)s. Use other words, or say that the patient "
        "wants the coach to read them"
    ) % {"words": listed}
