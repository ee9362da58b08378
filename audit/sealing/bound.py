"""What is not sealed itself but bound to an event by a digest: reasons, whom a look was at, and what was sent."""

from __future__ import annotations

from audit.sealing.findings import Report
from audit.sealing.snapshot import Snapshot

# Whether what belongs to the event `e` may have gone with a record that was erased: a tombstone that came later says so.
ERASED = """EXISTS (SELECT FROM public.audit_erasure t WHERE t.event_id > e.id AND (t.patient_id = e.patient_id
    OR EXISTS (SELECT FROM public.audit_subject s WHERE s.event_id = e.id AND s.patient_id = t.patient_id)))"""

_REASONS = f"""
    SELECT e.id FROM public.audit_event e
    WHERE (e.reason IS NOT NULL OR e.reason_nonce IS NOT NULL OR e.reason_digest IS NOT NULL)
        AND CASE num_nulls(e.reason, e.reason_nonce, e.reason_digest)
            WHEN 0 THEN e.reason_digest <> sha256(uuid_send(e.reason_nonce) || textsend(e.reason))
            ELSE NOT (e.reason IS NULL AND e.reason_nonce IS NULL AND {ERASED}) END
    ORDER BY 1 LIMIT 1000"""  # noqa: S608 (SQL of our own)

_SUBJECTS = """
    SELECT coalesce(e.id, s.event_id), e.id IS NULL FROM
        (SELECT id, digest FROM public.audit_event WHERE kind IN ('read', 'refused', 'sign_in') AND digest IS NOT NULL) e
        FULL JOIN (SELECT event_id, sha256(string_agg(uuid_send(patient_id), ''::bytea ORDER BY patient_id)) AS digest
            FROM public.audit_subject GROUP BY event_id) s ON s.event_id = e.id
    WHERE e.digest IS DISTINCT FROM s.digest OR e.id IS NULL
    ORDER BY 1 LIMIT 1000"""

_DISCLOSURES = f"""
    SELECT coalesce(e.id, d.event_id), CASE WHEN d.id IS NULL THEN 'gone' WHEN e.id IS NULL THEN 'alone' ELSE 'changed' END
    FROM (SELECT * FROM public.audit_event WHERE kind = 'disclosed') e
        FULL JOIN public.audit_disclosure d ON d.event_id = e.id
    WHERE CASE WHEN e.id IS NULL THEN true WHEN d.id IS NULL THEN e.digest IS NOT NULL AND NOT {ERASED}
        ELSE e.digest IS DISTINCT FROM sha256(uuid_send(d.nonce) || record_send(ROW(d.at, d.patient_id,
            d.recipient_kind::text, d.recipient, d.purpose::text, d.decision_id, d.classes, d.fields, d.relation::text,
            d.row_id::text))) END
    ORDER BY 1 LIMIT 1000"""  # noqa: S608 (SQL of our own)

_SENT = {
    "gone": "Event {id} says that something was sent, and its line of the ledger of disclosures is gone.",
    "alone": "The ledger of disclosures has a line for event {id}, which is no event of something sent.",
    "changed": "The ledger's line for event {id} is not the one that was written with it.",
}


def check_bound(snapshot: Snapshot, report: Report) -> None:
    """Find every reason, list of subjects and line of the ledger that is not the one of its event."""
    for (event,) in snapshot.rows(_REASONS):
        report.add("reason", f"The reason given in event {event} is not the one that was given.", event=event)
    for event, is_alone in snapshot.rows(_SUBJECTS):
        says = (
            f"People are listed as seen in event {event}, which is no look at several people."
            if is_alone
            else f"Those listed as seen in event {event} are not those who were."
        )
        report.add("subjects", says, event=event)
    for event, what in snapshot.rows(_DISCLOSURES):
        report.add("disclosure", _SENT[what].format(id=event), event=event)
