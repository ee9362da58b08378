"""What the worker does about the log by the clock: sealing it, and mailing the guardian a copy of the newest checkpoint."""

import logging

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connections
from django.utils.translation import gettext as _

from audit.sealing import sealer, state
from pilot.celery import app

logger = logging.getLogger(__name__)


@app.task(name="audit.seal")  # type: ignore[untyped-decorator]  # Celery has no types
def seal() -> None:
    """Seal what has happened. Safe to run twice, and twice at once. A refusal is logged and nothing is sealed: what waits
    is seen on the guardian's page."""
    try:
        sealer.seal()
    except sealer.SealingRefusedError as error:
        # It names files and sizes; there is nothing about a person in it.
        logger.error("The log is not sealed any further. %s", error)


@app.task(name="audit.mail_checkpoint")  # type: ignore[untyped-decorator]
def mail_checkpoint() -> None:
    """Mail the newest checkpoint to those who keep a second copy. Twice is as good as once."""
    if not settings.AUDIT_CHECKPOINT_EMAIL or "sealer" not in connections:
        return
    newest = state.newest_note()
    if newest is None:
        return
    size, note = newest
    message = EmailMessage(
        _("Checkpoint of the log: %(size)s events") % {"size": f"{size:,}"},
        _(
            "This is the newest signed checkpoint of the log of %(pilot)s. There is nothing about anybody in it.\n\n"
            "Keep the attached file where nobody who runs the pilot can reach it. With it, you can show later that the log"
            " was not changed. Nothing else has to be done."
        )
        % {"pilot": settings.PILOT_NAME},
        to=settings.AUDIT_CHECKPOINT_EMAIL,
    )
    message.attach(f"checkpoint-{size}.txt", note, "text/plain")
    message.send()
