"""What a clinician writes, and the ground on which a note is withheld."""

from __future__ import annotations

from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from pilot.web import fields
from pilot.web.forms import Form
from referrals.models import ClinicalNote
from referrals.notes.policies import MOST_MONTHS, Grounds, latest_review

YES, NO = "yes", "no"

_GROUND_HINTS = {
    ClinicalNote.Ground.SERIOUS_HARM.value: _("To their own health, or to somebody else's."),
    ClinicalNote.Ground.THIRD_PARTY.value: _("Or came from somebody who asked that it stays with you."),
}


class WithholdForm(Form):
    """The ground, the reason, and by when somebody looks again."""

    ground = fields.RadioField(
        label=_("Why should the patient not read it?"),
        choices=ClinicalNote.Ground.choices,
        choice_hints=_GROUND_HINTS,
        missing=_("Choose the ground. Without one of these the patient has a right to read it"),
    )
    because = fields.TextAreaField(
        label=_("The reason"),
        help_text=_("Only clinicians of this practice read it, now and later."),
        missing=_("Write why. Only clinicians of this practice read it"),
        max_length=2000,
        rows=4,
    )
    review_on = fields.DateField(
        label=_("When will a clinician look at this again?"),
        help_text=format_lazy(_("Within {months} months. Sooner is kinder."), months=MOST_MONTHS),
        missing=_("Enter the day on which a clinician looks again"),
        future=True,
        latest=latest_review,
    )

    def grounds(self) -> Grounds:
        """What was answered, for the action."""
        given = self.cleaned_data
        return Grounds(given["ground"], given["because"], given["review_on"])


class _IfWithheld(WithholdForm):
    """The same questions, asked only if the answer before them says that something is withheld."""

    # The question before, and its answer that leaves the rest unasked.
    question = ""
    leaves_it = ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.is_withheld:
            for name in WithholdForm.base_fields:
                self.errors.pop(name, None)
        return cleaned

    @property
    def is_withheld(self) -> bool:
        """Whether the patient is not to read it. Until somebody says, nothing is decided."""
        return self.data.get(self.question) not in (self.leaves_it, None, "")


class NoteForm(_IfWithheld):
    kind = fields.RadioField(
        label=_("What is it?"), choices=ClinicalNote.Kind.choices, missing=_("Choose what it is")
    )
    text = fields.TextAreaField(
        label=_("Note"),
        help_text=_(
            "The clinicians of this practice read it. So does the patient, unless you withhold it. Nobody else can."
        ),
        max_length=10_000,
        rows=10,
        missing=_("Write the note"),
    )
    readable = fields.RadioField(
        label=_("Can the patient read it?"),
        choices=[(YES, _("Yes, at once")), (NO, _("No, it is withheld from the start"))],
        missing=_("Choose whether the patient can read it"),
    )
    field_order = ("kind", "text", "readable", "ground", "because", "review_on")
    question, leaves_it = "readable", YES


class ReviewForm(_IfWithheld):
    outcome = fields.RadioField(
        label=_("Is there still a ground to withhold it?"),
        choices=[(YES, _("Yes, it stays withheld")), (NO, _("No, show it to the patient now"))],
        missing=_("Choose whether it stays withheld"),
    )
    field_order = ("outcome", "ground", "because", "review_on")
    question, leaves_it = "outcome", NO
