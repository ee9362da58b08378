"""`manage.py begin_pilot EMAIL NAME`: the pilot's office and its first manager, who adds everybody else."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from pilot.access import Actor, Role, acting
from pilot.people.actions import add_organisation, add_person
from pilot.people.models import Organisation
from pilot.people.selectors import office_with_manager


class Command(BaseCommand):
    help = (
        "Add the pilot's office and its first manager. Refused once there is a manager: they add the others."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the address the manager signs in with")
        parser.add_argument("name", help="the manager's name")
        parser.add_argument("--office", default="Pilot office", help="what the office is called")
        parser.add_argument(
            "--ods-code", default="PILOT", help="a code for it, of capital letters and digits"
        )

    def handle(self, *args: Any, email: str, name: str, office: str, ods_code: str, **options: Any) -> None:
        by = Actor.system("begin-pilot")
        try:
            with acting(by, "pilot.begun"), transaction.atomic():
                existing, has_manager = office_with_manager()
                if has_manager:
                    raise CommandError(
                        "There is a pilot manager already. They add people at /office/people/."
                    )
                place = existing or add_organisation(
                    Organisation(kind=Organisation.Kind.PILOT_OFFICE, name=office, ods_code=ods_code), by=by
                )
                add_person(place, email, name, Role.PILOT_MANAGER, by=by)
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from refusal
        self.stdout.write(
            f"{name} is the first manager. To choose a password they follow “Forgot your password?” on the sign-in"
            " page; the first sign-in asks for a second step."
        )
