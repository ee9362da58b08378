"""Saving a list of referrals: all of it or, if asked, what is good of it; and keeping it for review before that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from consent.policies import check_may_be_raised
from pilot.access import Actor, Permission, acting, action
from pilot.access.context import hold
from pilot.access.records import broken_rule
from pilot.people.models import Organisation, Patient
from referrals import codes
from referrals.actions import log_referral
from referrals.importing.reading import Candidate, Problem, Reading
from referrals.models import ImportBatch, Referral
from referrals.policies import transition

# The database allows writing rows of the patients that are named; a few hundred names travel well.
BATCH = 300

Progress = Callable[[int], Any]


@dataclass(frozen=True)
class Duplicate:
    """A row that is there already: `of` another row of the file, or of what the practice has."""

    row: int
    of: str


@dataclass
class Report:
    """What came of a file. Where nothing was to be saved unless everything is good, `accepted` is then 0."""

    accepted: int = 0
    refused: list[Problem] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "refused": [vars(problem) for problem in self.refused],
            "duplicates": [vars(duplicate) for duplicate in self.duplicates],
        }


@action("referrals.imported", Permission.IMPORT_REFERRALS, about_patient=False)
def import_referrals(
    practice: Organisation,
    reading: Reading,
    *,
    partial: bool = False,
    dry_run: bool = False,
    on_progress: Progress = lambda rows: None,
    by: Actor,
) -> Report:
    """Log a referral for each good row, and register whoever the practice does not know yet.

    One transaction: with a single bad row nothing is saved, unless `partial`. Rows that are there already are named and
    left alone. With `dry_run` everything is tried and nothing kept. `on_progress` is told how many rows were dealt with.
    """
    report = Report(refused=list(reading.refused))
    if reading.has_clinical_columns:
        return report
    # One list at a time: two that name the same person must not register them twice.
    hold(practice.pk, exclusive=True)
    try:
        with transaction.atomic():
            _save_all(practice, reading.candidates, report, on_progress=on_progress, by=by)
            spoilt = bool(report.refused) and not partial
            if spoilt or dry_run:
                transaction.set_rollback(True)
    except IntegrityError as clash:
        raise ValidationError(
            _(
                "Somebody else changed this practice’s patients meanwhile. Nothing was saved: please try again."
            )
        ) from clash
    if spoilt:
        report.accepted = 0
    return report


@action("referrals.list_uploaded", Permission.IMPORT_REFERRALS, about_patient=False)
def stage(practice: Organisation, file_name: str, reading: Reading, *, by: Actor) -> ImportBatch:
    """Keep what was read of a file until somebody has looked at it and decided. Tries it without saving."""
    report = import_referrals(practice, reading, partial=True, dry_run=True, by=by)
    batch = ImportBatch(
        practice=practice,
        uploaded_by_id=cast(UUID, by.user_id),  # only people hold this permission over a practice
        file_name=file_name[:200],
        rows=[candidate.as_json() for candidate in reading.candidates],
        report={**report.as_json(), "ignored_columns": reading.ignored_columns},
    )
    batch.save(force_insert=True)
    return batch


@action("referrals.list_confirmed", Permission.IMPORT_REFERRALS, about_patient=False)
def confirm(batch: ImportBatch, *, by: Actor) -> Report:
    """Save what is good of a list that was looked at, and forget the list. Refused if that was done already."""
    current = _undecided(batch)
    reading = Reading(candidates=[Candidate.from_json(row) for row in current.rows])
    report = import_referrals(current.practice, reading, partial=True, by=by)
    current.delete()
    return report


@action("referrals.list_discarded", Permission.IMPORT_REFERRALS, about_patient=False)
def discard(batch: ImportBatch, *, by: Actor) -> None:
    """Forget the list without saving any of it. Refused if it was decided on already."""
    _undecided(batch).delete()


def _undecided(batch: ImportBatch) -> ImportBatch:
    # Locked: two clicks must not import a list twice.
    found = (
        ImportBatch.objects.select_for_update(of=("self",))
        .select_related("practice")
        .filter(pk=batch.pk)
        .first()
    )
    if found is None:
        raise ValidationError(_("This list has been dealt with already."))
    return found


def _save_all(
    practice: Organisation,
    candidates: Sequence[Candidate],
    report: Report,
    *,
    on_progress: Progress,
    by: Actor,
) -> None:
    new = list(_without_repetitions(candidates, report))
    on_progress(len(candidates) - len(new))
    for start in range(0, len(new), BATCH):
        batch = new[start : start + BATCH]
        report.accepted += _save(practice, batch, report, by=by)
        on_progress(len(batch))
    report.refused.sort(key=lambda problem: problem.row)
    report.duplicates.sort(key=lambda duplicate: duplicate.row)


def _without_repetitions(candidates: Sequence[Candidate], report: Report) -> Iterator[Candidate]:
    """The rows that describe somebody for the first time in this file."""
    by_number: dict[str, Candidate] = {}
    by_person: dict[tuple[object, ...], Candidate] = {}
    for candidate in candidates:
        number, person = candidate.details.nhs_number, _person(candidate)
        same = by_number.get(number) if number else None
        alike = by_person.get(person)
        if same and _person(same) != person:
            report.refused.append(_somebody_else(candidate))
        elif same or (alike and not (number and alike.details.nhs_number)):
            report.duplicates.append(Duplicate(candidate.row, f"row {(same or alike or candidate).row}"))
        else:
            if number:
                by_number[number] = candidate
            by_person.setdefault(person, candidate)
            yield candidate


def _save(practice: Organisation, batch: Sequence[Candidate], report: Report, *, by: Actor) -> int:
    """Save these rows and return how many. What the practice knows already decides what becomes of a row."""
    known = _known(practice, batch)
    open_referrals = {
        each.patient_id: each for each in Referral.objects.open().filter(patient__in=known.values())
    }
    unknown: list[Candidate] = []
    accepted = 0
    for candidate in batch:
        found = known.get(candidate.details.nhs_number or "") or known.get(_person(candidate))
        if found is None:
            unknown.append(candidate)
        elif candidate.details.nhs_number is None or found.nhs_number is None:
            # Without both numbers nobody can tell whether they are one person: a receptionist has to look.
            report.duplicates.append(
                Duplicate(candidate.row, _("a patient of this practice with this name and date of birth"))
            )
        elif found.nhs_number != candidate.details.nhs_number:
            unknown.append(candidate)
        elif not _is(found, candidate):
            report.refused.append(_somebody_else(candidate))
        else:
            accepted += _log_for_known(found, candidate, open_referrals.get(found.pk), report, by=by)
    _register(practice, unknown, by=by)
    return accepted + len(unknown)


def _known(practice: Organisation, batch: Sequence[Candidate]) -> dict[object, Patient]:
    """The practice's patients that these rows may be about, by NHS number and by name with date of birth."""
    born = {candidate.details.date_of_birth for candidate in batch}
    numbers = {candidate.details.nhs_number for candidate in batch if candidate.details.nhs_number}
    names = {candidate.details.family_name.lower() for candidate in batch}
    found: dict[object, Patient] = {}
    for patient in Patient.objects.who_may_be(practice, numbers=numbers, names=names, born=born):
        found[_key(patient.given_name, patient.family_name, patient.date_of_birth)] = patient
        if patient.nhs_number:
            found[patient.nhs_number] = patient
    return found


def _log_for_known(
    patient: Patient, candidate: Candidate, open_referral: Referral | None, report: Report, *, by: Actor
) -> int:
    if open_referral:
        report.duplicates.append(Duplicate(candidate.row, f"referral {open_referral.reference}"))
        return 0
    try:
        check_may_be_raised(patient)
    except ValidationError as refusal:
        report.refused.append(Problem(candidate.row, "", " ".join(refusal.messages)))
        return 0
    log_referral(
        patient,
        reasons=candidate.reasons,
        own_words=candidate.own_words,
        best_times=candidate.best_times,
        source=Referral.Source.IMPORT,
        by=by,
    )
    return 1


def _register(practice: Organisation, candidates: Sequence[Candidate], *, by: Actor) -> None:
    patients = [Patient(practice=practice, **candidate.details.columns()) for candidate in candidates]
    with acting(by, "referrals.imported", patients=[patient.pk for patient in patients]):
        Patient.objects.bulk_create(patients)
        referrals = [
            Referral(
                patient=patient,
                practice=practice,
                reasons=candidate.reasons,
                own_words=candidate.own_words,
                best_times=candidate.best_times,
                status=transition("logged").target,
                source=Referral.Source.IMPORT,
                logged_by_id=by.user_id,
                logged_at=timezone.now(),
            )
            for patient, candidate in zip(patients, candidates, strict=True)
        ]
        _insert_with_references(referrals)


def _insert_with_references(referrals: Sequence[Referral]) -> None:
    while True:
        for referral in referrals:
            referral.reference = codes.new_reference()
        try:
            with transaction.atomic():
                Referral.objects.bulk_create(referrals)
        except IntegrityError as clash:
            # Another practice may have one of these references; we cannot see which. All new, then.
            if broken_rule(clash) != "every_reference_is_new":
                raise
        else:
            return


def _person(candidate: Candidate) -> tuple[object, ...]:
    details = candidate.details
    return _key(details.given_name, details.family_name, details.date_of_birth)


def _key(given_name: str, family_name: str, born: object) -> tuple[object, ...]:
    return given_name.casefold(), family_name.casefold(), born


def _is(patient: Patient, candidate: Candidate) -> bool:
    """Whether a row with the patient's NHS number is plausibly about that patient."""
    details = candidate.details
    return (patient.family_name.casefold(), patient.date_of_birth) == (
        details.family_name.casefold(),
        details.date_of_birth,
    )


def _somebody_else(candidate: Candidate) -> Problem:
    return Problem(
        candidate.row,
        "nhs_number",
        _("This NHS number belongs to somebody with another name or date of birth. Check both."),
    )
