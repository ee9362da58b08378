"""Noting what came of a question, so that it is not asked again."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from audit.questions.models import Answer
from audit.questions.selectors import Asked, is_answered
from pilot.access import Actor, Permission, acting, check


def note_answer(asked: Asked, text: str, *, at: UUID, by: Actor) -> Answer:
    """Keep what a guardian was told. Afterwards the question is not asked again; the note stays as it is.

    `at` is the organisation to which it belongs where the person has none any more. Refused where somebody else noted an
    answer first.
    """
    check(by, Permission.REVIEW_AUDIT)
    with acting(by, "audit.question_answered"):
        if is_answered(asked):
            raise ValidationError(_("Somebody has noted an answer to this already."))
        return Answer.objects.create(
            question=asked.question,
            actor=asked.actor,
            organisation_id=asked.organisation or at,
            day=asked.day,
            about_patient=asked.patient,
            text=text,
            answered_by=UUID(by.label),
        )
