"""What a patient is told after deciding or stopping: what begins or stops, what is kept and why, what stays
as it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

from django.utils.translation import gettext as _

from consent.models import Purpose
from pilot.web.formats import date, date_and_time

Line = dict[str, str]


def of_decision(answers: Mapping[Purpose, bool], begins_at: dt.datetime | None = None) -> list[Line]:
    said_yes = [purpose for purpose, yes in answers.items() if yes]
    said_no = [purpose for purpose, yes in answers.items() if not yes]
    return [
        *_lines(_("You said yes to"), [str(purpose.label) for purpose in said_yes]),
        *_lines(_("You said no to"), [str(purpose.label) for purpose in said_no]),
        *_time_to_think(begins_at),
        _line(
            _("You can stop at any time"),
            _("On your own page, by phone or at the desk of your practice. You do not have to say why."),
        ),
        _unchanged(),
    ]


def of_withdrawal(ended: Collection[Purpose], stopped: Collection[str]) -> list[Line]:
    leaves = Purpose.TAKE_PART in ended
    return [
        *_lines(_("You stopped"), [str(purpose.label) for purpose in ended]),
        *_lines(_("What has stopped now"), stopped),
        *(kept() if leaves else [_line(_("What goes on"), _("Everything else that you said yes to."))]),
        _unchanged(),
        _line(_("If you change your mind"), _again(leaves=leaves)),
    ]


def of_lapse(ended: Collection[Purpose], stopped: Collection[str]) -> list[Line]:
    return [
        *_lines(_("The time for this was over, so it has ended"), [str(purpose.label) for purpose in ended]),
        *_lines(_("What has stopped now"), stopped),
        *(kept() if Purpose.TAKE_PART in ended else []),
        _unchanged(),
        _line(
            _("If you would like to go on"),
            _("Say yes again whenever you like, on your own page or at your practice. You do not have to."),
        ),
    ]


def of_mistaken_death() -> list[Line]:
    return [
        _line(
            _("What happened"),
            _("It was written down by mistake that you had died. We are sorry. It has been put right."),
        ),
        _line(_("What has stopped"), _("What you had agreed to, your coaching, and what was booked.")),
        *kept(),
        _unchanged(),
        _line(
            _("If you would like to go on"),
            _("Say yes again whenever you like, on your own page or at your practice. You do not have to."),
        ),
    ]


def of_correction(ended: Collection[Purpose], stopped: Collection[str]) -> list[Line]:
    return [
        *_lines(_("A yes was written down by mistake for"), [str(purpose.label) for purpose in ended]),
        *_lines(_("What has stopped now"), stopped),
        *kept(),
        _unchanged(),
    ]


def of_merging(
    *,
    ended: Collection[Purpose],
    stopped: Collection[str],
    not_carried_over: Collection[Purpose],
    not_before: dt.date | None,
    account: str,
) -> list[Line]:
    """For whoever had two records: why something has ended, and what they are asked again. `account` is about signing in,
    and empty for who has none."""
    leaves = Purpose.TAKE_PART in ended
    asked_again = [purpose for purpose in not_carried_over if purpose not in ended]
    return [
        _line(
            _("What happened"),
            _(
                "Your practice had two records about you. They are one now. You can still read both on your own pages."
            )
            if account
            else _(
                "Your practice had two records about you. They are one now. Your practice can still show you both."
            ),
        ),
        *_lines(
            _(
                "In one of the two you had said no, or not now. That counts more than a yes, so this has ended"
            ),
            [str(purpose.label) for purpose in ended],
        ),
        *_lines(_("What has stopped now"), stopped),
        *(kept() if leaves else []),
        *_lines(
            _(
                "Said yes to in the record that was closed. It does not count any more, unless you say it again"
            ),
            [str(purpose.label) for purpose in asked_again],
        ),
        *([_line(_("Until when nobody asks you"), date(not_before))] if not_before else []),
        *([_line(_("How you sign in"), account)] if account else []),
        _unchanged(),
        *([_line(_("If you change your mind"), _again(leaves=leaves))] if ended or asked_again else []),
    ]


def of_move(ended: Collection[Purpose], stopped: Collection[str]) -> list[Line]:
    return [
        _line(
            _("What happened"),
            _(
                "Your practice wrote down that you have moved to another practice. It does not tell that practice of this."
            ),
        ),
        *_lines(_("This has ended with it"), [str(purpose.label) for purpose in ended]),
        *_lines(_("What has stopped now"), stopped),
        *kept(),
        _line(
            _("Your own pages"), _("If you have an account, you can sign in and read all of it as before.")
        ),
        _unchanged(),
        _line(
            _("If you would like to go on"),
            _("Ask your new practice whether it takes part. If it does, you can start again there."),
        ),
        _line(_("If you have not moved"), _("Tell the practice that wrote to you. They put it right.")),
    ]


def of_mistaken_move() -> list[Line]:
    return [
        _line(
            _("What happened"),
            _(
                "It was written down by mistake that you had moved to another practice. We are sorry. It has been put right."
            ),
        ),
        _line(_("What has stopped"), _("What you had agreed to, your coaching, and what was booked.")),
        *kept(),
        _unchanged(),
        _line(
            _("If you would like to go on"),
            _("Say yes again whenever you like, on your own page or at your practice. You do not have to."),
        ),
    ]


def kept() -> list[Line]:
    """What stays after somebody has left, and why: read before they confirm, and again on the receipt."""
    return _lines(
        _("What is kept, and why"),
        [
            _("What was written while you took part. Health records are kept for 8 years, then checked."),
            _("A list of what you agreed to and stopped, so that anyone can check we did what you asked."),
            _("A list of who looked at your record, so that you can see it."),
        ],
    )


def _again(*, leaves: bool) -> str:
    if leaves:
        return _("You can start again whenever you like. Ask your practice.")
    return _("You can say yes again whenever you like, on your own page or at your practice.")


def _time_to_think(begins_at: dt.datetime | None) -> list[Line]:
    if begins_at is None:
        return []
    text = _("Nothing is booked before %(time)s. If you change your mind until then, or later, just stop.")
    return [_line(_("Time to think it over"), text % {"time": date_and_time(begins_at)})]


def _unchanged() -> Line:
    return _line(
        _("What stays the same"),
        _("Your care at the practice and your benefits. They do not depend on your answer."),
    )


def _lines(title: str, texts: Collection[str]) -> list[Line]:
    return [_line(title, text) for text in texts]


def _line(title: str, text: str) -> Line:
    return {"title": title, "text": text}
