"""The charter: what the pilot is for, answered in public. Versioned; a consent points at the version in
force.
"""

from __future__ import annotations

from django.db import models
from django.utils.safestring import SafeString

from audit.privacy import Impersonal
from audit.triggers import OncePublishedTrigger
from pilot.access.roles import Permission
from pilot.charter.markdown import render

# The six questions that every version answers, by the name of the answer's field.
QUESTIONS = {
    "aim": "What is the aim?",
    "targets": "How are targets set, and for whom?",
    "therapy": "Is this therapy?",
    "liability": "Who is clinically responsible?",
    "measures": "What is measured?",
    "workforce": "Who does the work, and on what terms?",
}
# Every part of a charter, by field, under the heading that people read.
PARTS = {**QUESTIONS, "consulted": "Who was asked?", "changed": "What changed because of it?"}


class CharterQuerySet(models.QuerySet["Charter"]):
    def published(self) -> CharterQuerySet:
        return self.filter(published_at__isnull=False)

    def in_force(self) -> Charter | None:
        """The latest published version, or None before the first."""
        return self.published().order_by("-version").first()


class Charter(models.Model):
    """One version of the charter. Once published it is never altered."""

    version = models.PositiveIntegerField(unique=True)
    aim = models.TextField()
    targets = models.TextField()
    therapy = models.TextField()
    liability = models.TextField()
    measures = models.TextField()
    workforce = models.TextField()
    consulted = models.TextField(help_text="Who was asked.")
    changed = models.TextField(help_text="What changed because of it.")
    published_at = models.DateTimeField(null=True, blank=True)

    objects = CharterQuerySet.as_manager()

    privacy = Impersonal("public", audited=True, write=Permission.MANAGE_PILOT)

    class Meta:
        default_permissions = ()
        ordering = ["-version"]
        triggers = [OncePublishedTrigger()]

    def __str__(self) -> str:
        return f"Charter, version {self.version}"

    @property
    def parts(self) -> list[tuple[str, SafeString]]:
        """Every heading with what stands under it, ready to be shown."""
        return [(heading, render(getattr(self, field))) for field, heading in PARTS.items()]
