"""Without the demo nothing of it exists, and production refuses to switch it on."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

LOOK = """
import django
django.setup()
from django.apps import apps
from django.core.management import get_commands
from django.urls import Resolver404, resolve
assert not apps.is_installed("pilot.demo")
assert "load_demo" not in get_commands()
for path in ("/demo/", "/demo/personas.json", "/demo/sign-in/coach/"):
    try:
        resolve(path)
    except Resolver404:
        continue
    raise AssertionError(path)
from django.template import engines
assert engines["jinja2"].env.globals["is_demo"] is False
"""


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("value", ["0", ""])
def test_nothing_of_the_demo_exists_when_it_is_off(value: str):
    done = _python(LOOK, PILOT_DEMO=value)
    assert done.returncode == 0, done.stderr


def test_production_refuses_the_demo():
    done = _python("import django; django.setup()", PILOT_MODE="production", PILOT_DEMO="1")
    assert done.returncode != 0
    assert "PILOT_DEMO" in done.stderr.splitlines()[-1]
