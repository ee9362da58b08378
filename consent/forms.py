"""The questions of consent: one per purpose, none answered beforehand, and how the answers were given."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from consent.actions import How
from consent.models import NEEDED_TO_BEGIN, Decision, InformationSheet, Purpose, Representative
from consent.policies import DO_NOT_RAISE_MONTHS
from pilot.web.fields import DateField, DesignField, RadioField, TextField, TickField, YesNoField
from pilot.web.forms import Form

QUESTIONS = {
    Purpose.TAKE_PART: (
        _("Do you want to take part?"),
        _("A coach meets you and helps with what you choose. If you say no, your care stays the same."),
    ),
    Purpose.SHARE_WITH_COACH: (
        _("May we share your name, contact details and needs with your coach?"),
        _("A coach cannot reach you without them. Your coach never gets your medical record."),
    ),
    Purpose.REMINDERS: (
        _("Do you want reminders of your sessions?"),
        _("By text, e-mail or letter, the way you like best."),
    ),
    Purpose.CONTACT_EMPLOYERS: (
        _("May your coach talk to employers for you?"),
        _("Only to those you choose, and only about what you both agreed to say."),
    ),
    Purpose.EVALUATION: (
        _("May we count your answers, without your name?"),
        _("This shows whether the pilot helps people or harms them. Only numbers are made public."),
    ),
}

# What is stored as "freely given" is that exactly this was read, or read out.
FREE_CHOICE = _(
    "I know what this is about, and I could ask questions. It is my own free choice. Nobody pushed me."
)


class _AskedInContext:
    """Whether the field may be left out depends on the other answers: the form says."""

    def validate(self, value: Any) -> None:
        if value:
            super().validate(value)  # type: ignore[misc]


class PurposeField(_AskedInContext, YesNoField):
    """Yes or no to one purpose."""


class HowField(_AskedInContext, RadioField):
    """Something that is asked only if there is an answer to keep."""


class DecisionForm(Form):
    """The questions for a patient who answers alone. Say which purposes are `asked`, and whether answering
    `joins`.
    """

    freely_given = TickField(label=FREE_CHOICE, required=False)
    sooner = TickField(
        label=_("I do not need a day to think it over. You can book a session straight away."), required=False
    )

    def __init__(self, *args: Any, asked: Collection[Purpose], joins: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked, self.joins = tuple(asked), joins
        if not joins:
            del self.fields["sooner"]
        questions = {purpose.value: _question(purpose) for purpose in self.asked}
        self.fields = {**questions, **self.fields}

    @property
    def needed(self) -> list[DesignField]:
        """The questions that need a yes to begin, or to go on."""
        return [self._drawn(purpose) for purpose in self.asked if purpose in NEEDED_TO_BEGIN]

    @property
    def optional(self) -> list[DesignField]:
        """The questions that may be answered either way."""
        return [self._drawn(purpose) for purpose in self.asked if purpose not in NEEDED_TO_BEGIN]

    @property
    def circumstances(self) -> list[DesignField]:
        """What is asked about how the answers were given."""
        return []

    @property
    def statements(self) -> list[DesignField]:
        """What a yes needs besides the answer."""
        return [self._drawn(name) for name in ("freely_given", "sooner") if name in self.fields]

    @property
    def says_not_now(self) -> bool:
        """Whether somebody who has not joined would rather not: there is nothing more to answer, and no
        answer to keep.
        """
        return self.joins and any(
            self.cleaned_data.get(purpose.value) is False for purpose in NEEDED_TO_BEGIN
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not self.says_not_now:
            self._check_answered()
            self._check_how(is_yes=any(self.answers().values()))
        return cleaned

    def answers(self) -> dict[Purpose, bool]:
        """What was answered, by purpose; what was left out is left out."""
        answered = {purpose: self.cleaned_data.get(purpose.value) for purpose in self.asked}
        return {purpose: yes for purpose, yes in answered.items() if yes is not None}

    def how(self) -> How:
        """Online and alone. That the person can decide is presumed, as the law has it."""
        return How(
            Decision.Method.ONLINE,
            capacity_not_in_doubt=True,
            freely_given=self.cleaned_data["freely_given"],
            sooner=self.cleaned_data.get("sooner", False),
        )

    def _check_answered(self) -> None:
        answers = self.answers()
        if self.joins:
            for purpose in self.asked:
                if purpose not in answers:
                    self.add_error(purpose.value, gettext("Choose yes or no"))
        elif not answers:
            self.add_error(
                self.asked[0].value if self.asked else None, gettext("Answer at least one question")
            )

    def _check_how(self, *, is_yes: bool) -> None:
        if is_yes and not self.cleaned_data.get("freely_given"):
            self.add_error("freely_given", gettext("Tick the box if this is your own free choice"))

    def _drawn(self, name: str) -> DesignField:
        return cast(DesignField, self[name])


class StaffDecisionForm(DecisionForm):
    """The same questions, read out by somebody at the practice, and how they were answered."""

    sheet = HowField(label=_("Which information did they read, or have read to them?"))
    method = HowField(
        label=_("How did they answer?"),
        choices=[
            (Decision.Method.IN_PERSON.value, _("In person")),
            (Decision.Method.PHONE.value, _("By phone, and I read their answers back")),
            (Decision.Method.POST.value, _("By post")),
        ],
    )
    helped_by = RadioField(
        label=_("Did somebody help them to understand or to answer?"),
        choices=[("", _("No")), *Decision.Help.choices],
        required=False,
    )
    witness = TextField(
        label=_("Who else was there?"),
        help_text=_("The interpreter, the supporter, or anybody else, by name."),
        required=False,
        max_length=120,
    )
    capacity_not_in_doubt = TickField(
        label=_(
            "I had no reason to doubt that they could understand, remember, weigh up and say this decision."
        ),
        required=False,
    )
    freely_given = TickField(
        label=format_lazy(_("I read this out and they agreed: “{statement}”"), statement=FREE_CHOICE),
        required=False,
    )
    patient_asked = TickField(label=_("The patient brought this up. Nobody asked them."), required=False)
    sooner = TickField(
        label=_("They would rather not wait a day before a session is booked. It was their own wish."),
        required=False,
    )

    def __init__(
        self, *args: Any, sheets: Collection[InformationSheet], not_to_be_raised: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sheets = {str(sheet.pk): sheet for sheet in sheets}
        choices = [
            (key, f"{sheet.get_format_display()}, version {sheet.version}")
            for key, sheet in self.sheets.items()
        ]
        self.fields["sheet"].choices = choices  # type: ignore[attr-defined]
        if not not_to_be_raised:
            del self.fields["patient_asked"]

    @property
    def circumstances(self) -> list[DesignField]:
        return [self._drawn(name) for name in ("sheet", "method", "helped_by", "witness")]

    @property
    def statements(self) -> list[DesignField]:
        names = ("patient_asked", "capacity_not_in_doubt", "freely_given", "sooner")
        return [self._drawn(name) for name in names if name in self.fields]

    @property
    def sheet_shown(self) -> InformationSheet:
        return self.sheets[self.cleaned_data["sheet"]]

    def how(self) -> How:
        cleaned = self.cleaned_data
        return How(
            Decision.Method(cleaned["method"]),
            capacity_not_in_doubt=cleaned["capacity_not_in_doubt"],
            freely_given=cleaned["freely_given"],
            helped_by=cleaned["helped_by"],
            witness=cleaned["witness"],
            patient_asked=cleaned.get("patient_asked", False),
            sooner=cleaned.get("sooner", False),
        )

    def _check_how(self, *, is_yes: bool) -> None:
        cleaned = self.cleaned_data
        if cleaned.get("helped_by") and not cleaned.get("witness"):
            self.add_error("witness", gettext("Write who helped them"))
        if not cleaned.get("sheet"):
            self.add_error("sheet", gettext("Choose the information they had"))
        if not cleaned.get("method"):
            self.add_error("method", gettext("Choose how they answered"))
        if "patient_asked" in self.fields and not cleaned.get("patient_asked"):
            self.add_error(
                "patient_asked",
                gettext("Go on only if they brought it up themselves, and tick the box to say so"),
            )
        if is_yes and not cleaned.get("capacity_not_in_doubt"):
            self.add_error(
                "capacity_not_in_doubt",
                gettext(
                    "Tick the box if you had no doubt. If you had any, record nothing and talk to a clinician"
                ),
            )
        if is_yes and not cleaned.get("freely_given"):
            self.add_error("freely_given", gettext("Read the statement out, and tick the box if they agreed"))


class NotNowForm(Form):
    """Until when nobody brings the pilot up. No reason is asked for."""

    until = DateField(
        label=_("Until when?"),
        help_text=format_lazy(
            _("Leave this empty for {months} months from today."), months=DO_NOT_RAISE_MONTHS
        ),
        required=False,
        future=True,
    )


class WithdrawalForm(Form):
    """What a patient wants to stop, said by phone, by post or at the desk. No reason is asked for."""

    EVERYTHING, THE_PATIENT = "everything", "patient"

    what = RadioField(label=_("What do they want to stop?"), missing=_("Choose what they want to stop"))
    method = RadioField(
        label=_("How did they say so?"),
        choices=[
            (Decision.Method.PHONE.value, _("By phone")),
            (Decision.Method.IN_PERSON.value, _("In person")),
            (Decision.Method.POST.value, _("By post")),
        ],
        missing=_("Choose how they said so"),
    )
    said_by = RadioField(label=_("Who said so?"), missing=_("Choose who said so"))

    def __init__(
        self,
        *args: Any,
        stoppable: Collection[Purpose],
        representatives: Collection[Representative] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.representatives = {str(each.pk): each for each in representatives}
        if self.representatives:
            self.fields["said_by"].choices = [  # type: ignore[attr-defined]
                (self.THE_PATIENT, _("The patient")),
                *((key, str(each)) for key, each in self.representatives.items()),
            ]
        else:
            del self.fields["said_by"]
        single = [purpose for purpose in stoppable if purpose not in NEEDED_TO_BEGIN]
        self.fields["what"].choices = [  # type: ignore[attr-defined]
            (self.EVERYTHING, _("Everything: they leave the pilot")),
            *((purpose.value, purpose.label) for purpose in single),
        ]

    @property
    def purposes(self) -> list[Purpose] | None:
        """The one purpose to stop, or None for everything."""
        what = self.cleaned_data["what"]
        return None if what == self.EVERYTHING else [Purpose(what)]

    @property
    def representative(self) -> Representative | None:
        """Whoever spoke for the patient; None where the patient did."""
        return self.representatives.get(self.cleaned_data.get("said_by", ""))

    @property
    def method_used(self) -> Decision.Method:
        return Decision.Method(self.cleaned_data["method"])


def _question(purpose: Purpose) -> PurposeField:
    question, hint = QUESTIONS[purpose]
    return PurposeField(label=question, help_text=hint)
