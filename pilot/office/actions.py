"""What the pilot's office does to the sign-in of a member of staff, beside suspending it."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from audit.actions import record_sign_in
from pilot.access import Actor, Permission, action
from pilot.people.models import User
from pilot.sign_in.actions import end_sessions


@action("sign_in.ended_everywhere", Permission.MANAGE_PILOT, about_patient=False)
def sign_out_everywhere(user: User, *, by: Actor) -> User:
    """End every session of a member of staff, on every device, from their next click on. They may sign in again at once.

    Refused for anybody who has never been a member of staff.
    """
    if not user.memberships.exists():
        raise ValidationError(_("This person has no role."))
    record_sign_in(user.pk)
    end_sessions(user, by=by)
    return user
