"""The form that takes a practice's list."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pilot.web import fields
from pilot.web.forms import Form
from referrals.importing.reading import Reading, UnreadableFile, read


class UploadForm(Form):
    """A CSV file. Once valid, `reading` holds what was found in it; a clinical column sends the file back."""

    file = fields.FileField(
        label=_("Your list of referrals"),
        help_text=_("A CSV file of up to 10 MB. Nothing is saved until you have seen what is in it."),
        endings=[".csv", ".txt"],
        megabytes=10,
    )
    reading: Reading

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        try:
            self.reading = read(file.read())
        except UnreadableFile as problem:
            raise ValidationError(str(problem)) from problem
        if self.reading.has_clinical_columns:
            raise ValidationError([f"“{p.column}”: {p.problem}" for p in self.reading.refused])
        if not self.reading.candidates and not self.reading.refused:
            raise ValidationError(_("The file has a heading and no rows."))
        return file
