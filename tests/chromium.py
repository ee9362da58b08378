"""Finds a Chromium for browser tests: the system's, else the one inside an npm package, unpacked here."""

import fcntl
import hashlib
import io
import os
import platform
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BASE = Path(__file__).resolve().parent.parent
PACKAGE = BASE / "node_modules" / "@sparticuz" / "chromium" / "bin"
UNPACKED = BASE / ".pilot" / "browser"
ON_THE_SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Parts packed beside the browser: the libraries that a bare machine lacks, a renderer, a font.
PARTS = ("al2023.tar.br", "swiftshader.tar.br", "fonts.tar.br")
# The font that comes along, and whatever the system has.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{place}/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <dir>/usr/local/share/fonts</dir>
  <cachedir>{place}/fonts-cache</cachedir>
</fontconfig>
"""


class NoBrowserError(RuntimeError):
    """There is no browser for this machine; the message says why."""


@dataclass(frozen=True)
class Chromium:
    """An executable and the environment it needs."""

    path: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def launch_options(self) -> dict[str, Any]:
        """What Playwright's `chromium.launch` takes."""
        return {
            "executable_path": self.path,
            "env": {**os.environ, **self.environment},
            # It visits our own pages only, and neither root nor a container can have the sandbox.
            "chromium_sandbox": False,
        }


def find() -> Chromium:
    """A Chromium that starts on this machine. Raises NoBrowserError if there is none."""
    chromium = _on_the_system() or _from_npm()
    done = subprocess.run(
        [chromium.path, "--version"],
        env={**os.environ, **chromium.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoBrowserError(f"{chromium.path} does not start: {done.stderr.strip()[-300:]}")
    return chromium


def _on_the_system() -> Chromium | None:
    for name in ON_THE_SYSTEM:
        path = shutil.which(name)
        if path:
            return Chromium(path)
    return None


def _from_npm() -> Chromium:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise NoBrowserError(
            "There is no Chromium on this machine, and the npm package has one for 64-bit Intel Linux only."
        )
    if not PACKAGE.exists():
        raise NoBrowserError(
            "There is no Chromium on this machine, and its npm package is not installed: run `make setup`."
        )
    place = UNPACKED / _mark()
    UNPACKED.mkdir(parents=True, exist_ok=True)
    with (UNPACKED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            _unpack(place)
    environment = {
        "LD_LIBRARY_PATH": f"{place}:{place / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":"),
        "FONTCONFIG_FILE": str(place / "our-fonts.conf"),
    }
    return Chromium(str(place / "chromium"), environment)


def _mark() -> str:
    files = sorted(PACKAGE.glob("*.br"))
    return hashlib.sha256(
        "".join(f"{file.name} {file.stat().st_size} " for file in files).encode()
    ).hexdigest()[:12]


def _unpack(place: Path) -> None:
    import brotli

    draft = place.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    program = draft / "chromium"
    program.write_bytes(brotli.decompress((PACKAGE / "chromium.br").read_bytes()))
    program.chmod(0o755)
    for part in PARTS:
        with tarfile.open(fileobj=io.BytesIO(brotli.decompress((PACKAGE / part).read_bytes()))) as archive:
            # Early releases of Python 3.11 know no filters; the lock file vouches for the archive.
            if hasattr(tarfile, "data_filter"):
                archive.extraction_filter = tarfile.data_filter
            archive.extractall(draft)  # noqa: S202 - see above
    (draft / "our-fonts.conf").write_text(FONTS.format(place=place))
    draft.rename(place)
