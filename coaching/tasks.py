"""What goes out by the clock: the e-mail after a call for help."""

import logging

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from coaching import actions, selectors
from coaching.models import DistressCall
from pilot.access import Actor, acting
from pilot.celery import app
from pilot.web import formats

logger = logging.getLogger(__name__)


@app.task(name="coaching.email_clinicians")
def email_clinicians() -> None:
    """E-mail the clinicians of every open call that no e-mail went after. Safe to run twice.

    One that cannot be sent is tried again at the next run. Where nobody knows whether it went, it goes again:
    twice is better than not at all.
    """
    system = Actor.system("coaching.email_clinicians")
    with acting(system, "distress.emails_due"):
        calls = selectors.calls_to_email(system)
    for call in calls:
        try:
            email_about(call).send()
        except OSError:
            # The call is named by its key alone: a log says nothing about a person.
            logger.exception("The e-mail after call %s was not sent; the next run tries again.", call.pk)
        else:
            actions.note_emailed(call, by=system)


def email_about(call: DistressCall) -> EmailMessage:
    """The e-mail after a call. Others may see it on a screen: it names neither patient nor coach."""
    text = _(
        "A coach has asked for a clinician at %(practice)s, at %(time)s. Someone is in distress.\n\n"
        "Sign in to see who, and to accept responsibility:\n%(address)s\n\n"
        "If nobody accepts, nobody has taken it on. If you cannot, please make sure that a colleague does."
    ) % {
        "practice": call.practice.name,
        "time": formats.time(timezone.localtime(call.raised_at)),
        "address": f"{settings.BASE_URL}{reverse('coaching:calls')}",
    }
    recipients = [clinician.email for clinician in selectors.clinicians_to_tell(call.practice_id)]
    return EmailMessage(_("Please look now: someone is in distress"), text, to=recipients)
