"""`make tamper-demo`: a database superuser edits an event behind every trigger's back, and `audit verify` names it.

On a scratch database of the tests' own servers, which is gone afterwards. No other data is touched.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg


def main() -> None:
    """Set up, show, and end with 0 where the edit was found and named."""
    if os.environ.get("DATABASE_URL"):
        sys.exit(
            "DATABASE_URL is set: this needs a superuser, and takes the embedded servers' own. Unset it."
        )
    os.environ |= {"PILOT_MODE": "test", "PILOT_DEMO": "1", "DJANGO_SETTINGS_MODULE": "pilot.settings"}
    import django

    django.setup()
    from django.conf import settings

    from pilot import embedded
    from tests.databases import Cloner

    superuser = embedded.servers_of_tests(settings.HOME / "test").superuser_url
    _say("Making a scratch database. The first time that takes a minute …")
    cloner = Cloner()
    cloner.prepare()
    with cloner.clone() as name:
        was_named = show(superuser, name, _say)
    cloner.close()
    sys.exit(0 if was_named else "The edit was NOT found.")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def show(superuser: str, name: str, write: Callable[[str], Any]) -> bool:
    """Make a small log in this database, edit one of its events, and verify. Returns whether the event was named."""
    from django.test import override_settings

    from audit.sealing.verification import verify
    from tests.audit.tampering import seal_all, write_some_of_everything

    with tempfile.TemporaryDirectory() as place:
        where = {
            "AUDIT_CHECKPOINT_DIR": f"{place}/checkpoints",
            "AUDIT_SIGNING_KEY": f"{place}/key",
            "AUDIT_VERIFIERS": "",
        }
        with override_settings(**where):
            for _ in range(5):
                write_some_of_everything()
            write(f"\nA log of {seal_all()} events, sealed. This was published outside the database:\n")
            [published] = Path(place, "checkpoints").iterdir()
            write(published.read_text())
            write("$ manage.py audit verify")
            before = verify()
            write(before.in_words())
            with psycopg.connect(superuser, dbname=name, autocommit=True) as connection:
                statement = "SET session_replication_role = replica"
                write(f"\nNow as superuser, with every trigger silent:\n  {statement};")
                connection.execute(statement)
                event = connection.execute("SELECT event_id FROM audit_leaf WHERE index = 11").fetchone()
                statement = (
                    f"UPDATE audit_event SET actor = 'somebody else' WHERE id = {event[0] if event else 0}"
                )
                write(f"  {statement};")
                write(f"  {connection.execute(statement.encode()).statusmessage}")
            write("\n$ manage.py audit verify")
            after = verify()
            write(after.in_words())
    return before.is_well and [(each.kind, each.event) for each in after.findings] == [
        ("changed", event and event[0])
    ]


if __name__ == "__main__":
    main()
