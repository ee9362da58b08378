"""No page of a patient's is heavy: with everything that it brings along, sent as it is in production."""

import gzip
import re
from functools import cache
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.urls import NoReverseMatch, get_resolver, reverse

from tests.record.cases import Case

pytestmark = pytest.mark.django_db(databases=["default", "owner"])
MOST = 150_000


@cache
def weight_of(path: str) -> int:
    found = finders.find(path)
    assert isinstance(found, str), path
    return len(gzip.compress(Path(found).read_bytes()))


def brought(html: str) -> set[str]:
    """What the page fetches at once: styles, scripts, pictures."""
    found = re.findall(r'(?:href|src|data-design-system)="/static/([^"?]+)"', html)
    return set(found)


def test_a_first_load_is_light(case: Case) -> None:
    browser, weights = case.browser, {}
    for name in {each for each in get_resolver("pilot.record.urls").reverse_dict if isinstance(each, str)}:
        try:
            answer = browser.get(reverse(f"record:{name}"))
        except NoReverseMatch:
            continue  # It is about one thing, and no heavier than the list of them.
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            files = brought(answer.content.decode())
            assert any(file.endswith(".css") for file in files)
            weights[name] = len(gzip.compress(answer.content)) + sum(weight_of(file) for file in files)
    assert {"home", "consent", "stop", "sessions", "notes", "who_looked", "messages", "copy"} <= set(weights)
    assert {name: weight for name, weight in weights.items() if weight >= MOST} == {}
