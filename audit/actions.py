"""Putting looks, refusals and disclosures in the log. Changes need no call: the database records them itself."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection


def record_look(patients: Collection[UUID], classes: Collection[str]) -> int:
    """Record that the current actor was shown these classes of field of these patients. Returns the event's id.

    Refused outside `acting(…)`. One event, however many patients.
    """
    return _record("read", patients, classes)


def record_refusal(relation: str | None = None, row_id: str | None = None) -> int:
    """Record that the current actor was refused. Call it in a transaction of its own: the refused one is rolled back."""
    return _record("refused", [], [], relation, row_id)


def record_disclosure(
    patient: UUID,
    *,
    recipient_kind: str,
    recipient: str,
    purpose: str,
    classes: Collection[str],
    fields: Collection[str] = (),
    decision: UUID | None = None,
    relation: str | None = None,
    row_id: str | None = None,
) -> int:
    """Record that something about this patient left the pilot: a line of the ledger of disclosures, and its event.

    `recipient_kind` is one of `Disclosure.RecipientKind`; `decision` is the consent relied on. Refused unless the patient
    is a subject of the surrounding `acting(…)`. Returns the event's id.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pilot.disclose(%s, %s, %s, %s, %s, %s::text[], %s::text[], %s, %s)",
            [
                patient,
                recipient_kind,
                recipient,
                purpose,
                decision,
                sorted(classes),
                sorted(fields),
                relation,
                row_id,
            ],
        )
        return int(cursor.fetchone()[0])


def record_sign_in(account: UUID | None, ways: Collection[str] = ()) -> int:
    """Record something about signing in: the current action says what, `account` whose it was, `ways` by what means.

    None where nobody knows: what was typed in is not kept, since it may be anybody's address, or a password.
    """
    return _record("sign_in", [], ways, "people_user", str(account) if account else None)


def _record(
    happened: str,
    patients: Collection[UUID],
    classes: Collection[str],
    relation: str | None = None,
    row_id: str | None = None,
) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pilot.record(%s, %s::uuid[], %s::text[], %s, %s)",
            [happened, sorted(patients), sorted(classes), relation, row_id],
        )
        return int(cursor.fetchone()[0])
