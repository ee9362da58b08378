"""What goes by the clock: referrals follow their organisations, and lists that nobody decides on are forgotten."""

import logging

from django.core.exceptions import ValidationError

from pilot.access import Actor, NotVisible, acting
from pilot.celery import app
from referrals import selectors
from referrals.actions import hand_back
from referrals.allocation import selectors as allocation
from referrals.allocation.actions import follow_practice
from referrals.importing import selectors as importing
from referrals.importing.actions import discard

logger = logging.getLogger(__name__)


@app.task(name="referrals.follow_organisations")
def follow_organisations() -> None:
    """Hand back what is with a coach of a closed organisation; move who waits to the provider at their practice now.

    Closed organisations open nothing from their last day on, whether this has run or not. Safe to run twice.
    """
    system = Actor.system("referrals.follow_organisations")
    with acting(system, "referrals.organisations_changed"):
        stranded = allocation.with_coaches_of_closed(system)
    for key in stranded:
        try:
            with acting(system, "referrals.organisations_changed"):
                hand_back(selectors.referral(system, key), by=system)
        except ValidationError:
            # Ended or handed back meanwhile. The referral is named by its key alone.
            logger.info("Referral %s moved meanwhile.", key)
    with acting(system, "referrals.organisations_changed"):
        elsewhere = allocation.waiting_elsewhere(system)
    for key in elsewhere:
        with acting(system, "referrals.organisations_changed"):
            follow_practice(selectors.referral(system, key), by=system)


@app.task(name="referrals.forget_old_lists")
def forget_old_lists() -> None:
    """Forget uploaded lists that nobody decided on in time. Safe to run twice."""
    system = Actor.system("referrals.forget_old_lists")
    with acting(system, "referrals.lists_expired"):
        expired = importing.expired_lists(system)
    for key in expired:
        try:
            with acting(system, "referrals.lists_expired"):
                discard(importing.uploaded_list(system, key), by=system)
        except (NotVisible, ValidationError):
            logger.info("List %s was decided on meanwhile.", key)
