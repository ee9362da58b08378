"""A second step for tests: an app that shows codes, as a phone would."""

from __future__ import annotations

import time

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.utils import decrypt
from django.core.cache import cache

from pilot.access import acting
from pilot.people.models import User
from tests.factories import TESTS


def app_of(user: User) -> Authenticator:
    """The user's app, set up if there is none."""
    with acting(TESTS, "test.made"):
        found = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first()
        return found or TOTP.activate(user, generate_totp_secret()).instance


# A code counts until the half minute is over, to the second: typed too late, it is refused, as it should be.
PERIOD, NEEDED_TO_TYPE = 30, 3


def code_for(secret: str) -> str:
    """What an app that knows the secret shows, with time enough left to type it: somebody careful waits for the next."""
    left = PERIOD - time.time() % PERIOD
    if left < NEEDED_TO_TYPE:
        time.sleep(left)
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def code_now(user: User) -> str:
    """What the user's app shows now. As if the last one was used half a minute ago: no test waits for the next."""
    app = app_of(user)
    code = code_for(decrypt(app.data["secret"]))
    cache.delete(TOTP(app)._get_used_cache_key(code))
    return code


def recovery_codes_of(user: User) -> list[str]:
    """The user's recovery codes, made if there are none."""
    with acting(TESTS, "test.made"):
        return RecoveryCodes.activate(user).get_unused_codes()
