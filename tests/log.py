"""What the audit log holds, for tests that look whether something was written down."""

from typing import Any

from audit.models import Event
from pilot.access import Role, acting
from tests import factories


def events(**wanted: Any) -> list[Event]:
    """The events of this kind, oldest first, as a Caldicott Guardian of an office of their own reads them."""
    office = factories.make_organisation(factories.Kind.PILOT_OFFICE)
    with acting(factories.make_staff(Role.CALDICOTT_GUARDIAN, office), "test.looked"):
        return list(Event.objects.filter(**wanted).order_by("id"))
