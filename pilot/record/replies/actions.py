"""Putting the patient's own words beside a session."""

from __future__ import annotations

from coaching.models import Reply, Session
from pilot.access import Actor, Permission, action


@action("session_reply.written", Permission.MAKE_REQUESTS)
def reply_to_session(session: Session, words: str, *, by: Actor) -> Reply:
    """Put the patient's own words beside what is written of a session, for ever. Whoever reads the one reads the other.

    Nothing is asked of anybody by it; a correction is asked for by `ask_for_correction`.
    """
    reply = Reply(
        patient_id=session.patient_id, referral_id=session.referral_id, session=session, words=words
    )
    reply.save(force_insert=True)
    return reply
