"""The log in plain words."""

from __future__ import annotations

import pytest

from audit import words
from audit.models import Event, Kind


@pytest.mark.parametrize(
    ("kind", "relation", "columns", "said"),
    [
        (Kind.CREATED, "referrals_clinicalnote", [], "Added: clinical note"),
        (Kind.CHANGED, "consent_decision", ["answer"], "Changed: decision"),
        (
            Kind.READ,
            None,
            ["clinical", "identity"],
            "Looked at: name and contact details, clinical notes",
        ),
        (Kind.READ, None, ["newer"], "Looked at: newer"),
        (Kind.REFUSED, None, [], "Was refused"),
        (Kind.DISCLOSED, "a letter", ["consent"], "Sent outside the pilot: what the patient agreed to"),
        (Kind.DELETED, "a_table_of_long_ago", [], "Removed: a_table_of_long_ago"),
    ],
)
def test_what_happened(kind: Kind, relation: str | None, columns: list[str], said: str) -> None:
    assert words.what(Event(kind=kind, relation=relation, columns=columns)) == said


def test_the_parts_that_changed_are_named_as_people_name_them() -> None:
    changed = Event(relation="people_patient", columns=["family_name", "account_id", "gone", "version"])
    assert words.parts(changed) == ["last name", "account", "gone"]
    assert words.parts(Event(relation="a_table_of_long_ago", columns=["old"])) == ["old"]


@pytest.mark.parametrize(
    ("actor", "action", "said"),
    [
        ("7b0e", "patient.registered", "Patient registered"),
        ("7b0e", "referrals.patient-edit", "Page: referrals, patient edit"),
        ("system:outbox.send", "outbox.send_due", "Task: outbox, send due"),
    ],
)
def test_what_somebody_was_doing(actor: str, action: str, said: str) -> None:
    assert words.doing(Event(actor=actor, action=action)) == said


def test_the_task_of_the_system_is_named_and_a_person_has_none() -> None:
    assert words.task("system:outbox.send") == "outbox.send"
    assert words.task("7b0e") == ""
