"""Import a practice's list of referrals from a CSV file."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand
from tqdm import tqdm

from pilot.access import Actor, Role
from pilot.people.models import Membership, Organisation
from referrals.importing.actions import Report, import_referrals
from referrals.importing.reading import LARGEST_FILE, Reading, UnreadableFile, read

ALL_ACCEPTED, SOME_REFUSED, NOT_READ = 0, 1, 2


class Command(BaseCommand):
    help = (
        "Import referrals from a CSV file (docs/import.md lists the columns). With one bad row nothing is saved, unless "
        "--partial. Exit status: 0 every row accepted or there already, 1 some refused, 2 the file could not be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--practice", required=True, metavar="ODS", help="the practice's ODS code, like F83673"
        )
        parser.add_argument("--by", required=True, metavar="EMAIL", help="the receptionist who imports")
        parser.add_argument("--dry-run", action="store_true", help="try everything, keep nothing")
        parser.add_argument(
            "--partial", action="store_true", help="save the good rows even if others are refused"
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="print the report as JSON, and nothing else, to standard output",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            practice = _practice(options["practice"])
            by = _receptionist(options["by"], practice)
            reading = read(_content(options["file"]))
            report = self._import(practice, reading, by, options)
        except (UnreadableFile, PermissionDenied) as problem:
            self.stderr.write(str(problem))
            sys.exit(NOT_READ)
        except ValidationError as problem:
            self.stderr.write(" ".join(problem.messages))
            sys.exit(NOT_READ)
        self._tell(report, reading, options)
        sys.exit(SOME_REFUSED if report.refused else ALL_ACCEPTED)

    def _import(self, practice: Organisation, reading: Reading, by: Actor, options: dict[str, Any]) -> Report:
        quiet = options["json"] or not sys.stderr.isatty()
        with tqdm(total=len(reading.candidates), unit=" rows", disable=quiet, file=sys.stderr) as bar:
            return import_referrals(
                practice,
                reading,
                partial=options["partial"],
                dry_run=options["dry_run"],
                on_progress=bar.update,
                by=by,
            )

    def _tell(self, report: Report, reading: Reading, options: dict[str, Any]) -> None:
        if reading.ignored_columns and not reading.has_clinical_columns:
            self.stderr.write(f"Columns not known, left alone: {', '.join(reading.ignored_columns)}")
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), ensure_ascii=False))
            return
        for problem in report.refused:
            self.stdout.write(f"Row {problem.row}, {problem.column or 'whole row'}: {problem.problem}")
        for duplicate in report.duplicates:
            self.stdout.write(f"Row {duplicate.row} is there already: {duplicate.of}")
        saved = "would be saved" if options["dry_run"] else "saved"
        self.stdout.write(
            f"{report.accepted} {saved}, {len(report.refused)} problems, {len(report.duplicates)} there already."
        )
        if report.refused and not report.accepted:
            self.stdout.write(
                "Nothing was saved. Mend the rows above, or use --partial to save the good ones."
            )


def _practice(ods_code: str) -> Organisation:
    found = (
        Organisation.objects.in_force()
        .filter(kind=Organisation.Kind.PRACTICE, ods_code=ods_code.upper())
        .first()
    )
    if not isinstance(found, Organisation):
        raise UnreadableFile(f"There is no practice with the ODS code {ods_code}.")
    return found


def _receptionist(email: str, practice: Organisation) -> Actor:
    held = Membership.objects.in_force().filter(
        user__email__iexact=email, user__is_active=True, organisation=practice, role=Role.RECEPTIONIST.value
    )
    membership = held.select_related("user").first()
    if membership is None:
        raise UnreadableFile(
            f"{email} is not a receptionist at {practice}; only receptionists import referrals."
        )
    return Actor(Role.RECEPTIONIST, membership.user.pk, membership.user.display_name)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UnreadableFile(f"{file} cannot be opened: {error.strerror}.") from error
