"""Asking, and answering what was asked."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.models import Event
from pilot.access import Actor, Permission, action
from pilot.access.records import broken_rule
from pilot.outbox.actions import post
from pilot.people.models import Patient
from pilot.record.models import Kind, Request, Status
from pilot.record.requests import policies

_ONE_AT_A_TIME = "one_open_request_about_a_line"


@action("request.opened", Permission.MAKE_REQUESTS)
def open_request(
    patient: Patient, kind: Kind, words: str, *, about: Event | None = None, by: Actor
) -> Request:
    """Put it before the guardian, with the last day for the answer. Refused while one about the same line is open."""
    now = timezone.now()
    request = Request(
        patient=patient,
        kind=kind,
        words=words,
        about_event=about.pk if about else None,
        about_relation=about.relation or "" if about else "",
        about_row=about.row_id or "" if about else "",
        opened_at=now,
        due_on=policies.due_on(kind, now),
    )
    try:
        # A savepoint: the page goes on after a refusal.
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError as error:
        if broken_rule(error) != _ONE_AT_A_TIME:
            raise
        raise ValidationError(_("You have asked about this already. You will have an answer.")) from error
    return request


@action("request.answered", Permission.ANSWER_REQUESTS)
def answer_request(request: Request, answer: str, *, by: Actor) -> Request:
    """Answer, once and for all, and tell the patient that there is something to read. Refused where it has an answer.

    The message does not say what about: whoever prints or sees it need not know that they asked.
    """
    # Locked: two guardians may answer at once.
    fresh = Request.objects.select_for_update(of=("self",)).get(pk=request.pk)
    policies.check_can_move(fresh, "answered", by.role)
    fresh.status, fresh.answer = Status.ANSWERED, answer
    fresh.answered_by_id, fresh.answered_at = by.user_id, timezone.now()
    fresh.save(update_fields=["status", "answer", "answered_by", "answered_at"], force_update=True)
    post(fresh.patient, template="news", context={}, by=by)
    return fresh
