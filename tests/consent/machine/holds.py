"""What holds after every step, whatever was done: asked of the tables, and at both walls as whoever is kept out."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, models
from django.utils import timezone
from hypothesis.stateful import invariant

from audit.privacy import declared, privacy_of
from consent.models import NEEDED_TO_BEGIN
from pilot.access import Actor, Role, acting, current, reach_of, visible_to
from pilot.people.models import Patient
from tests.consent.machine import facts
from tests.consent.machine.base import LAPSED, REFUSED, WITHDRAWN, Machine
from tests.consent.machine.people import YES, Person

# Said of nobody, anywhere.
BLAME = re.compile(
    r"fail|refus|disengag|complian|\bdna\b|did not attend|non-?attend|no[- ]show|missed|blame|\bfault|unreliable"
    r"|uncooperative|unwilling|unmotivated|sanction|excuse|\breason why not",
    re.IGNORECASE,
)
# After these a message may be written down as sent although it could not leave any more: it had left before.
_HAD_LEFT = {"message.settled_by_hand", "message.looked_up"}
# Which receipt somebody gets of what was decided.
_RECEIPT_OF = {YES: "decided", REFUSED: "decided", WITHDRAWN: "withdrawn", LAPSED: "lapsed"}
_UNDER_WAY = {"due", "sending", "sent"}
# Rows of a referral are seen with it, whatever came before; so they are held against the referral, not the person.
Sight = set[tuple[str, str, str]]


class Holds(Machine):
    """Consent's promises."""

    def __init__(self) -> None:
        super().__init__()
        # How each message stood after the step before.
        self._stood: dict[str, str] = {}

    @invariant()
    def everything_holds(self) -> None:
        self.no_coach_sees_anybody_without_live_consent()
        self.nobody_at_the_provider_sees_whoever_has_stopped()
        self.no_message_goes_for_a_purpose_that_has_ended()
        self.every_withdrawal_has_a_receipt()
        self.nothing_that_anybody_is_told_blames_them()
        self.nothing_lies_ahead_for_whoever_has_stopped()

    def no_coach_sees_anybody_without_live_consent(self) -> None:
        """Neither at the wall in Python nor at the database's; and whoever may see, does: the walls are not shut for all."""
        for coach in self.staff.coaches:
            mine = [p for p in self.persons if p.coach == coach and self.takes_part(p)]
            expected = {str(p.key) for p in mine}
            referrals = {p.coached_in for p in mine}
            with acting(coach, "tests.looked"):
                database = self._at_the_database()
                python = self._in_python(coach)
            for wall, sight in (("database", database), ("Python", python)):
                people = {patient for table, patient, _ in sight if table == "people_patient"}
                assert people == expected, (
                    f"At the wall in {wall} {coach.name} sees {people}, and may see {expected}"
                )
                for table, patient, referral in sight:
                    assert patient in expected, (
                        f"{wall}: {coach.name} sees {table} of {patient} without consent"
                    )
                    if referral:
                        assert referral in referrals, (
                            f"{wall}: {coach.name} sees {table} of a referral that is over"
                        )
                    assert table in _for_coaches(), f"{wall}: {coach.name} sees {table}"

    def _at_the_database(self, *tables: str) -> Sight:
        """What rows the database shows to whoever acts, of these tables or of all that have any about patients."""
        parts = [
            f"SELECT '{table}', {privacy.patient}::text, {(privacy.referral or 'NULL')}::text FROM {table}"
            f" WHERE {privacy.patient} = ANY($1)"
            for table, privacy in facts.personal().items()
            if not tables or table in tables
        ]
        name, keys = "_".join(("machine_sight", *tables)), [person.key for person in self.persons]
        return set(facts.execute_prepared(connection, f"{name}(uuid[])", " UNION ALL ".join(parts), keys))

    def _in_python(self, coach: Actor) -> Sight:
        """What `visible_to` lets through by itself: asked of the owner, who is kept from nothing."""
        current().forget_grants()
        grants = current().grants
        # Without a grant the filter of every table is the same: it lets nothing through.
        asked = list(models_by_table().values()) if grants.patients or grants.referrals else [Patient]
        keys = [person.key for person in self.persons]
        sight: Sight = set()
        for model in asked:
            privacy: Any = privacy_of(model)
            columns = [_attribute(model, name) for name in (privacy.patient, privacy.referral) if name]
            rows: Any = visible_to(model._default_manager.all(), coach)
            found = rows.using("owner").filter(**{f"{columns[0]}__in": keys}).values_list(*columns)
            sight |= {
                (model._meta.db_table, str(row[0]), str(row[1]) if len(row) > 1 else "") for row in found
            }
        return sight

    def nobody_at_the_provider_sees_whoever_has_stopped(self) -> None:
        with acting(self.staff.supervisor, "tests.looked"):
            seen = {patient for _, patient, _ in self._at_the_database("referrals_referral")}
        for person in self.persons:
            if str(person.key) in seen:
                assert set(NEEDED_TO_BEGIN) <= set(person.given()), (
                    "The provider sees somebody who has stopped"
                )

    def no_message_goes_for_a_purpose_that_has_ended(self) -> None:
        stands: dict[str, str] = {}
        for person in self.persons:
            latest = person.latest()
            for key, purpose, status, _, _, _, created_at, _ in person.rows["messages"]:
                stands[key] = status
                if not purpose:
                    continue
                before = self._stood.get(key)
                if (
                    status in _UNDER_WAY
                    and before != status
                    and not (status == "sent" and self.did in _HAD_LEFT)
                ):
                    may_go = person.may_be_written_to(purpose, self.sheets)
                    assert may_go, f"{self.did}: a message is {status} for {purpose}, which has ended"
                    # Of the time before they left and came back: that is over.
                    is_old = person.joined_at and facts.moment(created_at) < person.joined_at
                    assert not is_old, f"{self.did}: a message of before they joined again is {status}"
                if status == "due":
                    assert any(each == purpose and row[1] == YES for each, row in latest.items()), (
                        f"Waits for {purpose}"
                    )
                if person.died or person.closed:
                    assert status not in ("due", "not_sent") or before == status
        self._stood = stands

    def every_withdrawal_has_a_receipt(self) -> None:
        """And each receipt was of something: they are written in one transaction."""
        for person in self.persons:
            owed: dict[str, set[str]] = defaultdict(set)
            given = {row[6] for row in person.rows["decisions"] if row[1] == YES}
            for _, answer, _, _, _, transaction, _, _, corrects in person.rows["decisions"]:
                if corrects is None:
                    owed[transaction].add(_RECEIPT_OF[answer])
                elif corrects in given:
                    owed[transaction].add("corrected")
            kept: dict[str, list[str]] = defaultdict(list)
            for kind, transaction, *_ in person.rows["receipts"]:
                kept[transaction].append(kind)
            for transaction in (set(owed) | set(kept)) - person.ended_at_once:
                assert sorted(kept[transaction]) == sorted(owed[transaction]), (
                    f"{self.did}: owed are receipts of {owed[transaction]}, and kept {kept[transaction]}"
                )

    def nothing_that_anybody_is_told_blames_them(self) -> None:
        for person in self.persons:
            texts = [
                " ".join(f"{line['title']} {line['text']}" for line in row[2])
                for row in person.rows["receipts"]
            ]
            texts += [row[7] for row in person.rows["messages"]]
            for text in texts if len(texts) != person.read else []:
                assert not BLAME.search(text), text
            person.read = len(texts)

    def nothing_lies_ahead_for_whoever_has_stopped(self) -> None:
        for person in self.persons:
            if not set(NEEDED_TO_BEGIN) <= set(person.given()):
                assert not person.sessions("booked"), "A session is booked with somebody who has stopped"
                assert not person.open_referral("waiting", "with_coach", "paused"), "A referral goes on"
                assert person.coach is None


def models_by_table() -> dict[str, type[models.Model]]:
    wanted = facts.personal()
    return {model._meta.db_table: model for model in declared() if model._meta.db_table in wanted}


def _for_coaches() -> set[str]:
    return {table for table, privacy in facts.personal().items() if reach_of(Role.COACH, privacy.see)}


def _attribute(model: type[models.Model], column: str) -> str:
    return next(field.attname for field in model._meta.concrete_fields if field.column == column)


def labels() -> list[tuple[str, str]]:
    """Every name, label and choice of every column with personal data, by where it stands."""
    said = []
    for model in apps.get_models():
        if model not in declared():
            continue
        said += [(model.__name__, str(model._meta.verbose_name))]
        for field in model._meta.concrete_fields:
            where = f"{model.__name__}.{field.name}"
            said += [(where, field.name), (where, str(field.verbose_name)), (where, str(field.help_text))]
            said += [(where, f"{value} {label}") for value, label in field.choices or ()]
    return said


__all__ = ["BLAME", "UUID", "Holds", "Person", "labels", "timezone"]
