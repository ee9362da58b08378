"""What base views keep: which form, sent once, led where."""

from __future__ import annotations

from django.db import models

from audit.privacy import Impersonal


class IdempotencyKey(models.Model):
    """A form that was acted on. The same form sent again leads to the same place and does nothing."""

    key = models.UUIDField(primary_key=True)
    location = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    privacy = Impersonal("a random key, and an address on this site made of random keys")

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return str(self.key)
