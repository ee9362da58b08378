"""Remembers what Django's catalogues say: they are read when it starts, and say the same ever after."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.utils import translation
from django.utils.translation import trans_real


def look_up_once(patch: pytest.MonkeyPatch) -> None:
    """From now on, while the patch lasts. Each catalogue has a memory of its own."""
    known: dict[Any, str] = {}

    def gettext(message: str) -> str:
        catalogue = getattr(trans_real._active, "value", None) or settings.LANGUAGE_CODE
        # What is marked as safe stays so.
        key = (catalogue, type(message), message)
        if key not in known:
            known[key] = trans_real.gettext(message)
        return known[key]

    patch.setattr(translation._trans, "gettext", gettext)
