"""A receipt set as a page."""

from __future__ import annotations

from django.utils.translation import gettext as _

from consent.models import Receipt
from pilot.web.formats import date_and_time
from pilot.web.paper import Block, typeset


def pages_of(receipt: Receipt) -> bytes:
    """The receipt as PDF: for whom, of when, and every line of it as it was given."""
    patient = receipt.patient
    when = date_and_time(receipt.created_at)
    blocks: list[Block] = [{"kind": "p", "text": f"{patient.name}. {when}. {patient.practice.name}"}]
    for title, lines in receipt.by_title:
        blocks.append({"kind": "h1", "text": title})
        texts = [line["text"] for line in lines]
        blocks.append({"kind": "list", "items": texts} if len(texts) > 1 else {"kind": "p", "text": texts[0]})
    foot = _("This is for you. Nobody may ask you to show it.")
    return typeset(str(receipt.get_kind_display()), blocks, foot=foot)
