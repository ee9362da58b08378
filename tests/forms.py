"""Sending forms as a browser does: with everything hidden that the page put into them."""

import re
from html import unescape
from typing import Any

from django.http import HttpResponse
from django.test import Client

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"[^>]*>')


def hidden_in(response: HttpResponse) -> dict[str, str]:
    """The hidden inputs of the page's form; of several, the first one's."""
    found = reversed(_HIDDEN.findall(response.content.decode()))
    return {name: unescape(value) for name, value in found}


def send(client: Client, url: str, follow: bool = True, **fields: Any) -> Any:
    """Open the form at this address, the first on the page, fill it in and send it."""
    page = client.get(url)
    assert page.status_code == 200, f"{url}: {page.status_code}"
    return client.post(url, {**hidden_in(page), **fields}, follow=follow)
