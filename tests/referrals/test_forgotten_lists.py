"""Uploaded lists that nobody decides on do not stay: they hold people who may never be registered."""

from __future__ import annotations

import datetime as dt

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pilot.access import Actor, acting
from pilot.people.models import Patient
from referrals.importing.actions import confirm, stage
from referrals.importing.reading import read
from referrals.importing.selectors import KEPT_DAYS
from referrals.models import ImportBatch
from referrals.tasks import forget_old_lists
from tests import factories
from tests.log import events

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

LIST = b"given_name,family_name,date_of_birth\r\nAnn,Arbor,27/03/1984\r\n"


def upload(pilot: factories.Pilot, by: Actor, *, days_ago: float = 0) -> ImportBatch:
    with time_machine.travel(timezone.now() - dt.timedelta(days=days_ago)):
        return stage(pilot.practice, "list.csv", read(LIST), by=by)


def left(by: Actor) -> set[object]:
    with acting(by, "test.looked"):
        return set(ImportBatch.objects.values_list("pk", flat=True))


def test_a_list_is_forgotten_after_fourteen_days_and_saves_nobody(
    pilot: factories.Pilot, receptionist: Actor
) -> None:
    old, young = (
        upload(pilot, receptionist, days_ago=KEPT_DAYS + 0.1),
        upload(pilot, receptionist, days_ago=KEPT_DAYS - 0.1),
    )
    forget_old_lists()
    assert left(receptionist) == {young.pk}
    with acting(receptionist, "test.looked"):
        assert not Patient.objects.filter(family_name="Arbor").exists()
    [event] = events(action="referrals.list_discarded")
    assert (event.actor, event.row_id) == ("system:referrals.forget_old_lists", str(old.pk))


def test_it_is_safe_to_run_twice_and_beside_somebody_who_decides(
    pilot: factories.Pilot, receptionist: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = upload(pilot, receptionist, days_ago=KEPT_DAYS + 1)
    forgotten = upload(pilot, receptionist, days_ago=KEPT_DAYS + 1)
    confirm(decided, by=receptionist)
    # Between looking and forgetting somebody decided.
    monkeypatch.setattr(
        "referrals.importing.selectors.expired_lists", lambda actor: [decided.pk, forgotten.pk]
    )
    forget_old_lists()
    assert left(receptionist) == set()
    forget_old_lists()


def test_the_pages_say_so(pilot: factories.Pilot, desk: Client, receptionist: Actor) -> None:
    batch = upload(pilot, receptionist)
    for address in (reverse("referrals:upload-list"), reverse("referrals:review-list", args=[batch.pk])):
        assert f"is forgotten after {KEPT_DAYS} days" in desk.get(address).content.decode()
