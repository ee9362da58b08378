"""`make lighthouse`: what Lighthouse says of a patient's pages on a running demo, as the table of docs/pages.md.

It is fetched by npx, which needs a network; nothing else of the project does. Simulated: a middling phone on slow 4G.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests import chromium

LIGHTHOUSE = "lighthouse@12.8.2"
PERSONA = "Leyla"
CATEGORIES = ("performance", "accessibility", "best-practices")
HEAD = ("Page", "Performance", "Accessibility", "Best practices", "First load")
# Whoever is invited is not signed in yet.
PUBLIC = {
    "What the pilot is": "/information/plain/",
    "Opening an invitation": "/invitation/",
    "Signing in": "/account/login/",
}
OWN = {
    "My record": "/my-record/",
    "What I agreed to": "/my-record/consent/",
    "Stop taking part": "/my-record/stop/",
    "Sessions": "/my-record/sessions/",
    "Notes": "/my-record/notes/",
    "Goals": "/my-record/goals/",
    "Messages": "/my-record/messages/",
    "Who looked": "/my-record/who-looked/",
    "Ask, correct or complain": "/my-record/ask/",
    "Take a copy away": "/my-record/copy/",
}


def main() -> int:
    """Measure every page of the demo at the address given, print the table, and say by the exit code whether all hold."""
    address = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
    rows = list(measured(address))
    widths = [max(len(row[i]) for row in [HEAD, *(row for row, _ok in rows)]) for i in range(len(HEAD))]
    lines = [HEAD, tuple("-" * width for width in widths), *(row for row, _ok in rows)]
    for line in lines:
        sys.stdout.write(
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |\n"
        )
    return 0 if all(ok for _row, ok in rows) else 1


def measured(address: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """A row for each page, and whether it holds: 95 or more of each, and less than 150 kB."""
    browser = chromium.find()
    cookie = _signed_in(address, browser)
    for name, path in {**PUBLIC, **OWN}.items():
        found = _run(address + path, "" if name in PUBLIC else cookie, browser)
        if not found["finalDisplayedUrl"].startswith(address + path):
            raise SystemExit(f"{path} led to {found['finalDisplayedUrl']}")
        scores = [round(found["categories"][each]["score"] * 100) for each in CATEGORIES]
        weight = found["audits"]["total-byte-weight"]["numericValue"] / 1000
        row = (name, *(str(score) for score in scores), f"{weight:.0f} kB")
        yield row, min(scores) >= 95 and weight < 150


def _signed_in(address: str, browser: chromium.Chromium) -> str:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(**browser.launch_options)
        page = opened.new_page()
        page.goto(f"{address}/demo/")
        page.get_by_role("button", name=PERSONA).first.click()
        page.wait_for_url("**/my-record/**")
        cookies = page.context.cookies()
        opened.close()
    return "; ".join(f"{each['name']}={each['value']}" for each in cookies)


def _run(url: str, cookie: str, browser: chromium.Chromium) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        headers, report = Path(place) / "headers.json", Path(place) / "report.json"
        headers.write_text(json.dumps({"Cookie": cookie} if cookie else {}))
        command = [
            "npx", "--yes", LIGHTHOUSE, url, "--quiet", "--output=json", f"--output-path={report}",
            f"--extra-headers={headers}", f"--only-categories={','.join(CATEGORIES)}",
            "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
        ]  # fmt: skip
        environment = {**os.environ, **browser.environment, "CHROME_PATH": browser.path}
        subprocess.run(command, check=True, env=environment)
        result: dict[str, Any] = json.loads(report.read_text())
        return result


if __name__ == "__main__":
    raise SystemExit(main())
