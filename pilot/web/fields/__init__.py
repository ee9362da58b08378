"""Form fields that know their component of the NHS design system: a template says `form.x.as_field_group()`.

Messages say what to do next. Labels of optional fields end in "(optional)". Nothing is ticked beforehand.
"""

from pilot.web.fields.base import DesignedField, DesignField
from pilot.web.fields.choices import (
    CheckboxesField,
    RadioField,
    RowRadioField,
    SelectField,
    TickField,
    TimeSlotsField,
    YesNoField,
)
from pilot.web.fields.dates import DateField, TimeField
from pilot.web.fields.files import FileField
from pilot.web.fields.text import (
    EmailField,
    NHSNumberField,
    PhoneField,
    TextAreaField,
    TextField,
    WholeNumberField,
)

__all__ = [
    "CheckboxesField",
    "DateField",
    "DesignField",
    "DesignedField",
    "EmailField",
    "FileField",
    "NHSNumberField",
    "PhoneField",
    "RadioField",
    "RowRadioField",
    "SelectField",
    "TextAreaField",
    "TextField",
    "TickField",
    "TimeField",
    "TimeSlotsField",
    "WholeNumberField",
    "YesNoField",
]
