"""What a patient writes when they ask for something, and what whoever answers writes."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from pilot.record.models import Detail, Kind
from pilot.record.requests.policies import OUTCOMES
from pilot.record.requests.words import called, draft_answer
from pilot.web.fields import RadioField, TextAreaField
from pilot.web.forms import Form

LONGEST = 4000


class QuestionForm(Form):
    words = TextAreaField(
        label=_("What looks wrong?"),
        help_text=_("In your own words. If you would just like to know why, leave it empty."),
        required=False,
        max_length=LONGEST,
        rows=5,
    )


class ComplaintForm(Form):
    words = TextAreaField(
        label=_("What happened, or what worries you?"),
        help_text=_("In your own words, as much or as little as you like. You can name people."),
        missing=_("Write what happened or what worries you"),
        max_length=LONGEST,
        rows=8,
    )


class AfterStoppingForm(ComplaintForm):
    """The same box on the receipt of whoever stopped, sent to the same address. Left alone, nothing is sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words: Any = self.fields["words"]
        words.label, words.help_text = _("What would you like them to know?"), _("In your own words.")
        words.rows = 4


class RightForm(Form):
    words = TextAreaField(
        label=_("What should happen, and why?"),
        help_text=_("In your own words. If you would rather not say why, leave it empty."),
        required=False,
        max_length=LONGEST,
        rows=5,
    )

    def __init__(self, *args: Any, question: Any = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if question:
            self.fields["words"].label = question


class CorrectionForm(Form):
    words = TextAreaField(
        label=_("What is not right, and what should it say?"),
        help_text=_("In your own words. If it stays as it is, these words will stand beside it for ever."),
        missing=_("Write what is not right"),
        max_length=LONGEST,
        rows=5,
    )


class DetailCorrectionForm(CorrectionForm):
    detail = RadioField(
        label=_("What is it about?"), choices=Detail.choices, missing=_("Choose what it is about")
    )
    field_order = ("detail", "words")


class ReplyForm(Form):
    words = TextAreaField(
        label=_("How do you see it?"),
        help_text=_("In your own words. They stand beside the text for ever, and cannot be changed later."),
        missing=_("Write how you see it"),
        max_length=LONGEST,
        rows=6,
    )


class AnswerForm(Form):
    answer = TextAreaField(
        label=_("Your answer"),
        help_text=_(
            "The patient reads it on their own pages. Say what you looked at, what you found, and what happens next."
        ),
        missing=_("Write your answer"),
        max_length=LONGEST,
        rows=8,
    )
    outcome = RadioField(
        label=_("What became of it?"), choices=[("", "")], missing=_("Choose what became of it")
    )
    field_order = ("outcome", "answer")

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        of_kind = Kind(kind)
        outcomes = OUTCOMES[of_kind]
        if outcomes:
            field: Any = self.fields["outcome"]
            field.choices = [(each.value, called(of_kind, each)) for each in outcomes]
        else:
            del self.fields["outcome"]
        self.fields["answer"].initial = draft_answer(of_kind)


class MoreTimeForm(Form):
    because = TextAreaField(
        label=_("Why does it take longer?"),
        help_text=_("The patient reads this. Say what is complex, and what you do meanwhile."),
        missing=_("Write why it takes longer"),
        max_length=2000,
        rows=4,
    )
