"""Answering what the screening asks: the same words again, as a browser sends them, with a tick or to a note."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from django.db import models
from django.test import Client

from pilot.access import Actor, acting
from tests.forms import hidden_in

CLINICAL = "I take sertraline 50 mg and would like to work with animals."
REWORDED = "I would like to work with animals, mornings only."


def tick_in(page: Any, box: str) -> dict[str, str]:
    """The box "these are the patient's own words", ticked as this page offers it."""
    html = page.content.decode()
    [value] = re.findall(rf'name="own_words_of_{box}" type="checkbox" value="([0-9a-f]+)"', html)
    return {f"own_words_of_{box}": value}


def held_in(page: Any, box: str) -> dict[str, str]:
    [text] = re.findall(rf'name="held_{box}" value="([^"]*)"', page.content.decode())
    return {f"held_{box}": unescape(text)}


def again(browser: Client, address: str, page: Any, **fields: Any) -> Any:
    return browser.post(address, {**hidden_in(page), **fields}, follow=True)


def rows(model: type[models.Model], by: Actor) -> list[Any]:
    with acting(by, "test.looked"):
        return list(model._default_manager.all())
