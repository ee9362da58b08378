"""`manage.py publish_sheets`: publish the charter and the information sheets that are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from consent.models import InformationSheet
from consent.publishing import drafts
from consent.publishing.actions import publish_sheet
from pilot.access import Actor
from pilot.charter import drafts as charters
from pilot.charter.actions import publish_charter
from pilot.charter.models import PARTS, Charter

WORDS = ("title", "text", "change", "what_changed")


class Command(BaseCommand):
    """Safe to repeat. A file that was edited after it was published is refused, by name."""

    help = "Publish the charter and the information sheets that are written. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        by = Actor.system("publish_sheets")
        published = [*self._charters(by), *self._sheets(by)]
        for each in published:
            self.stdout.write(f"Published: {each}")
        if not published:
            self.stdout.write("Nothing to publish: everything that is written is published.")

    def _charters(self, by: Actor) -> list[Charter]:
        new = []
        for draft in charters.drafts():
            stands = Charter.objects.published().filter(version=draft.version).first()
            if stands is None:
                new.append(_publish(publish_charter, draft, by=by))
            elif any(getattr(stands, part) != getattr(draft, part) for part in PARTS):
                raise CommandError(f"{draft} was published and differs now. Write a new version instead.")
        return new

    def _sheets(self, by: Actor) -> list[InformationSheet]:
        new = []
        for draft in drafts.drafts():
            stands = (
                InformationSheet.objects.published()
                .filter(
                    version=draft.version,
                    language=draft.language,
                    format=draft.format,
                    readers=draft.readers,
                )
                .first()
            )
            if stands is None:
                new.append(_publish(publish_sheet, draft, by=by))
            elif any(getattr(stands, word) != getattr(draft, word) for word in WORDS):
                raise CommandError(f"{draft} was published and differs now. Write a new version instead.")
        return new


def _publish(publish: Callable[..., Any], draft: Any, *, by: Actor) -> Any:
    try:
        return publish(draft, by=by)
    except ValidationError as refusal:
        raise CommandError(
            f"{draft} cannot be published: {' '.join(refusal.messages)} If the admin holds a draft of the same version, "
            "publish that or throw it away, or give the file another number."
        ) from refusal
