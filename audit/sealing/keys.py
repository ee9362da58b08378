"""Where the keys of the log are: the private one that signs checkpoints, the public ones by which they are believed."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from django.conf import settings

from audit.sealing import notes


class NoKeyError(RuntimeError):
    """A key that is needed is not there or cannot be used; the message says what to do, and never what the key is."""


def signing_key() -> notes.Signer:
    """The key that checkpoints are signed with; made here once, unless this is production."""
    if not settings.AUDIT_SIGNING_KEY:
        raise NoKeyError("There is no key to sign with: set AUDIT_SIGNING_KEY to its file.")
    file = Path(settings.AUDIT_SIGNING_KEY)
    if not file.exists():
        if settings.PRODUCTION:
            raise NoKeyError(f"There is no key in {file}: make one with `manage.py audit make-key {file}`.")
        # Somebody else who needs one at this moment may be first; theirs serves both.
        with contextlib.suppress(FileExistsError):
            make_key(file)
    signer = _read(file)
    if signer.name != settings.AUDIT_ORIGIN:
        raise NoKeyError(
            f"The key is that of the log {signer.name}, and AUDIT_ORIGIN is {settings.AUDIT_ORIGIN}: each log has its own."
        )
    return signer


def old_signing_keys() -> list[notes.Signer]:
    """While a key is replaced, the one before it; none at other times."""
    return [_read(Path(settings.AUDIT_OLD_SIGNING_KEY))] if settings.AUDIT_OLD_SIGNING_KEY else []


def make_key(file: Path) -> notes.Verifier:
    """Write a new private key, readable by this account alone. Refused where the file is there (FileExistsError).

    Whoever finds the file finds all of it: it is written under another name first.
    """
    signer = notes.Signer.new(settings.AUDIT_ORIGIN)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    draft.touch(mode=0o600, exist_ok=False)
    try:
        draft.write_text(signer.text + "\n", encoding="utf-8")
        file.hardlink_to(draft)
    finally:
        draft.unlink()
    return signer.verifier


def listed_verifiers() -> list[notes.Verifier]:
    """The public keys of AUDIT_VERIFIERS, a file or the keys themselves with commas between; none where it is not set."""
    if not settings.AUDIT_VERIFIERS:
        return []
    try:
        if "+" in settings.AUDIT_VERIFIERS:
            return notes.verifiers_in(settings.AUDIT_VERIFIERS.replace(",", "\n"))
        return notes.read_verifiers(Path(settings.AUDIT_VERIFIERS))
    except (OSError, UnicodeDecodeError, notes.BadKeyError) as error:
        raise NoKeyError(f"AUDIT_VERIFIERS cannot be read. {error}") from error


def believed() -> list[notes.Verifier]:
    """The keys by which whoever checks believes a checkpoint: those of AUDIT_VERIFIERS, and nothing else where that is set.

    Without it, the public halves of the keys that sign here. No key is made. Refused (NoKeyError): none at all.
    """
    listed = listed_verifiers()
    if listed:
        return listed
    if not settings.AUDIT_SIGNING_KEY or not Path(settings.AUDIT_SIGNING_KEY).exists():
        raise NoKeyError(
            "It is not known whose checkpoints to believe: set AUDIT_VERIFIERS to the log's public keys, or a file of them."
        )
    return [signer.verifier for signer in (_read(Path(settings.AUDIT_SIGNING_KEY)), *old_signing_keys())]


def _read(file: Path) -> notes.Signer:
    try:
        return notes.read_signer(file)
    except (OSError, UnicodeDecodeError, notes.BadKeyError) as error:
        raise NoKeyError(f"The key {file.name} cannot be used. {error}") from error
