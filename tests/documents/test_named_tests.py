"""A document that names the test of a promise names one that is there."""

import re

import pytest
from django.conf import settings

NAMED = sorted(
    {
        (document.name, file, name)
        for document in (settings.BASE_DIR / "docs").rglob("*.md")
        for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", document.read_text(encoding="utf-8"))
    }
)


def test_there_are_some() -> None:
    assert len(NAMED) >= 10


@pytest.mark.parametrize(("document", "file", "name"), NAMED)
def test_it_is_there(document: str, file: str, name: str) -> None:
    path = settings.BASE_DIR / file
    assert path.exists(), f"{document} names {file}, which is not there"
    assert re.search(rf"^\s*def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE), (
        f"{document}: {name}"
    )
