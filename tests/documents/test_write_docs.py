"""The generated documents agree with the code, and say so when they do not."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from pilot.documents.management.commands.write_docs import documents
from pilot.web.expectations import addresses, counts_in_words
from referrals.policies import TRANSITIONS


def test_the_documents_in_the_repository_are_in_step() -> None:
    call_command("write_docs", "--check")


def test_the_count_is_that_of_the_walk_with_both_providers() -> None:
    """`tests/access/test_walk.py` asks at all of these."""
    text = documents()["access.md"]
    assert counts_in_words(addresses("tests.sign_in.oidc.site")) in text
    assert "\n8 of the addresses, for signing in through others" in text


def test_everything_that_the_clock_does_is_told() -> None:
    text = (settings.BASE_DIR / "docs" / "running.md").read_text()
    assert [
        each["task"] for each in settings.CELERY_BEAT_SCHEDULE.values() if f"`{each['task']}`" not in text
    ] == []


def test_every_move_is_in_the_table_and_in_the_diagram() -> None:
    text = documents()["states.md"]
    for move in TRANSITIONS:
        assert f"| {move.name} |" in text
        for source in move.sources:
            assert f"{source.value if source else '[*]'} --> {move.target.value}: {move.name}" in text
    assert "ended --> [*]" in text


def test_what_is_out_of_step_is_named_and_written_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, consent = (
        (settings.BASE_DIR / "docs" / name).read_text() for name in ("access.md", "consent.md")
    )
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    (tmp_path / "docs").mkdir()
    with pytest.raises(CommandError, match=r"docs/access.md is missing"):
        call_command("write_docs", "--check")
    (tmp_path / "docs" / "consent.md").write_text(consent)
    # Of this one only parts are generated; the rest is somebody's words, and stays.
    stale = tmp_path / "docs" / "access.md"
    stale.write_text(access.replace("- **Coach.**", "- **Someone else.**"))
    with pytest.raises(CommandError, match="is out of step"):
        call_command("write_docs", "--check")
    call_command("write_docs", verbosity=0)
    call_command("write_docs", "--check")
    assert stale.read_text() == access
    assert (tmp_path / "docs" / "states.md").exists()
    stale.write_text(access.replace("<!-- end of roles -->", ""))
    with pytest.raises(CommandError, match="has lost its marks for roles"):
        call_command("write_docs", "--check")
