"""What the worker does about signing in: the mail with a link to a new password, and tidying up by the clock."""

from allauth.account.forms import default_token_generator
from allauth.account.internal.flows.password_reset import request_password_reset

from pilot.access import Actor, acting
from pilot.celery import app
from pilot.sign_in import actions, selectors
from pilot.sign_in.door import SIGN_IN


@app.task(name="sign_in.mail_password_link")
def mail_password_link(key: str) -> None:
    """Mail the account with this key, at its own address, a link to choose a new password; nothing for an empty key.

    Run twice it mails two links, of which one can be used.
    """
    with acting(SIGN_IN, "account.password_link_mailed"):
        user = selectors.open_account(key)
        if user:
            request_password_reset(None, user.email, [user], default_token_generator)


@app.task(name="sign_in.forget_ended_sessions")
def forget_ended_sessions() -> None:
    """Remove what is left of sessions that ended by themselves. Safe to run twice."""
    actions.forget_ended_sessions(by=Actor.system("forget-sessions"))
