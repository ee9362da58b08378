"""Settings: what they refuse to start with, and what production cannot be without."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from pilot.checking import PRODUCTION
from tests.setup.conftest import BASE

NEEDED = sorted(PRODUCTION.keys() - {"PILOT_MODE", "PILOT_DEMO"})


def start(environment: dict[str, str], *wanted: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process of its own and print those wanted."""
    code = (
        "import json; from django.conf import settings; settings.DEBUG\n"
        f"print(json.dumps([getattr(settings, name) for name in {wanted!r}]))"
    )
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")}
    # An empty variable wins over what a developer's .env says, and counts as missing.
    unset = dict.fromkeys(NEEDED, "")
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=BASE,
        env={**kept, **unset, "DJANGO_SETTINGS_MODULE": "pilot.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def production(*wanted: str) -> list[Any]:
    done = start(PRODUCTION, *wanted)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


def test_production_names_everything_that_is_missing() -> None:
    complaint = last_line(start({"PILOT_MODE": "production", "PILOT_DEMO": "0"}))
    assert "ImproperlyConfigured" in complaint
    for name in NEEDED:
        assert name in complaint


@pytest.mark.parametrize("name", NEEDED)
def test_production_names_the_one_that_is_missing(name: str) -> None:
    complaint = last_line(start({**PRODUCTION, name: ""}))
    assert name in complaint.replace(
        "OWNER_DATABASE_URL", "" if name == "DATABASE_URL" else "OWNER_DATABASE_URL"
    )
    assert not any(other in complaint for other in NEEDED if other not in name and name not in other)


def test_production_refuses_the_demo() -> None:
    assert "PILOT_DEMO=1" in last_line(start({**PRODUCTION, "PILOT_DEMO": "1"}))


@pytest.mark.parametrize("environment", [PRODUCTION, {"PILOT_MODE": "test"}], ids=["production", "test"])
def test_only_a_demo_lets_staff_in_without_a_second_step(environment: dict[str, str]) -> None:
    assert "STAFF_SECOND_FACTOR" in last_line(start({**environment, "STAFF_SECOND_FACTOR": "0"}))


def test_an_unknown_mode_is_refused() -> None:
    assert "'staging'" in last_line(start({"PILOT_MODE": "staging"}))


def test_one_database_url_without_the_other_is_refused() -> None:
    complaint = last_line(
        start({"PILOT_MODE": "test", "DATABASE_URL": "postgresql://pilot_app@db.invalid/pilot"})
    )
    assert "OWNER_DATABASE_URL" in complaint


def test_only_who_is_given_the_roles_can_seal_and_audit() -> None:
    [databases] = production("DATABASES")
    assert databases.keys() == {"default", "owner"}
    urls = {
        "SEALER_DATABASE_URL": "postgresql://grows@db.invalid/pilot",
        "AUDITOR_DATABASE_URL": "postgresql://reads@db.invalid/pilot",
    }
    done = start({**PRODUCTION, **urls}, "DATABASES")
    [databases] = json.loads(done.stdout)
    assert (databases["sealer"]["USER"], databases["auditor"]["USER"]) == ("grows", "reads")


def test_production_has_no_key_and_no_place_for_checkpoints_unless_told() -> None:
    names = ("AUDIT_SIGNING_KEY", "AUDIT_CHECKPOINT_DIR", "AUDIT_CHECKPOINT_EMAIL", "AUDIT_ORIGIN")
    assert production(*names) == ["", "", [], "pilot.invalid/log"]


def test_production_keeps_cookies_to_this_host_over_https() -> None:
    names = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
    names += ("SESSION_COOKIE_HTTPONLY", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "DEBUG")
    assert production(*names) == ["__Host-session", "__Host-csrf", True, True, True, True, 31536000, False]


def test_nothing_unsafe_and_no_other_host_is_allowed_in_a_page() -> None:
    (policy,) = production("CONTENT_SECURITY_POLICY")
    sources = {source for values in policy["DIRECTIVES"].values() for source in values}
    assert sources == {"'self'", "'none'"}


def test_passwords_are_hashed_by_argon2id_first() -> None:
    (hashers,) = production("PASSWORD_HASHERS")
    assert hashers[0].endswith(".Argon2PasswordHasher")


def test_the_demo_exists_only_when_asked_for() -> None:
    (apps,) = production("INSTALLED_APPS")
    assert "pilot.demo" not in apps
