"""Which of two records is kept."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from pilot.web import fields
from pilot.web.forms import Form


class MergeForm(Form):
    """`records`: the key of each and how it is told from the other."""

    keep = fields.RadioField(label=_("Which record do you keep?"), missing=_("Choose the record to keep"))
    is_one_person = fields.TickField(
        label=_("I have checked that this is one person"),
        missing=_("Check it with the patient, or by their details, and tick this"),
    )

    def __init__(self, *args: Any, records: list[tuple[str, Any, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keep: Any = self.fields["keep"]
        keep.choices = [(key, name) for key, name, _hint in records]
        keep.choice_hints = {key: hint for key, _name, hint in records}
