"""What a clinician writes, and the ground on which a note is withheld."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pilot.web import fields
from pilot.web.forms import Form
from referrals.models import ClinicalNote


class NoteForm(Form):
    kind = fields.RadioField(
        label=_("What is it?"), choices=ClinicalNote.Kind.choices, missing=_("Choose what it is")
    )
    text = fields.TextAreaField(
        label=_("Note"),
        help_text=_("The patient can read it, and so can the clinicians of this practice. Nobody else can."),
        max_length=10_000,
        rows=10,
        missing=_("Write the note"),
    )


class WithholdForm(Form):
    ground = fields.RadioField(
        label=_("Why should the patient not read it?"),
        choices=ClinicalNote.Ground.choices,
        missing=_("Choose the ground. Without one of these the patient has a right to read it"),
    )
