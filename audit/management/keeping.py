"""`audit make-key`, `verifier`, `rotate-key` and `resume`: what whoever runs the log does a few times in its life."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from audit.sealing import cluster, keys, notes, published


def add_arguments(choices: Any) -> None:
    """Declare the subcommands of this module."""
    make = choices.add_parser(
        "make-key", help="make the key that signs checkpoints, and print its public half"
    )
    make.add_argument("file", type=Path, metavar="FILE")
    make.set_defaults(do=_make_key)
    verifier = choices.add_parser("verifier", help="print the public key, for AUDIT_VERIFIERS and for others")
    verifier.set_defaults(do=_verifier)
    rotate = choices.add_parser(
        "rotate-key", help="replace the signing key: prints each step (docs/audit.md)"
    )
    rotate.add_argument(
        "file", type=Path, metavar="FILE", help="where the new key goes; afterwards, the old key"
    )
    rotate.add_argument(
        "--finish", action="store_true", help="retire the old key, once both have signed a checkpoint"
    )
    rotate.set_defaults(do=_rotate)
    resume = choices.add_parser(
        "resume", help="after a restore into another cluster, where transaction numbers begin again"
    )
    resume.set_defaults(do=_resume)


def _make_key(options: dict[str, Any], write: Callable[[str], Any]) -> int:
    try:
        write(keys.make_key(options["file"]).text)
    except FileExistsError:
        write(f"{options['file']} is there already, and is left alone.")
        return 1
    except (OSError, notes.BadKeyError) as error:
        write(f"No key was made. {error}")
        return 1
    return 0


def _verifier(options: dict[str, Any], write: Callable[[str], Any]) -> int:
    try:
        write(keys.believed()[0].text if settings.AUDIT_VERIFIERS else keys.signing_key().verifier.text)
    except keys.NoKeyError as error:
        write(str(error))
        return 1
    return 0


def _rotate(options: dict[str, Any], write: Callable[[str], Any]) -> int:
    return _retire(options["file"], write) if options["finish"] else _begin(options["file"], write)


def _begin(file: Path, write: Callable[[str], Any]) -> int:
    if settings.AUDIT_OLD_SIGNING_KEY:
        write("A key is being replaced already: AUDIT_OLD_SIGNING_KEY is set. Finish that first.")
        return 1
    try:
        old = keys.signing_key().verifier
    except keys.NoKeyError as error:
        write(f"There is no key to replace. {error}")
        return 1
    if _make_key({"file": file}, write):
        return 1
    write(
        f"""
That is the new public key; the old one is {old.text}

1. For everybody who checks, add the new line to AUDIT_VERIFIERS (and keep the old one).
2. Set AUDIT_SIGNING_KEY={file}
   and AUDIT_OLD_SIGNING_KEY={settings.AUDIT_SIGNING_KEY}
   for the worker, and restart it. Its next checkpoint is signed by both keys.
3. When there is one, unset AUDIT_OLD_SIGNING_KEY, restart the worker, and run
   manage.py audit rotate-key --finish {settings.AUDIT_SIGNING_KEY}
"""
    )
    return 0


def _retire(file: Path, write: Callable[[str], Any]) -> int:
    """Say up to which size the old key of this file is to be believed: that of the last checkpoint both keys signed."""
    if settings.AUDIT_OLD_SIGNING_KEY:
        write("The old key still signs: unset AUDIT_OLD_SIGNING_KEY and restart the worker first.")
        return 1
    try:
        new, old = keys.signing_key().verifier, notes.read_signer(file).verifier
    except (keys.NoKeyError, OSError, UnicodeDecodeError, notes.BadKeyError) as error:
        write(f"The keys cannot be read. {error}")
        return 1
    last, by_both = _last_signed_by(old, new)
    if old == new or last < 0 or by_both < last:
        write(
            "There is no checkpoint that both keys have signed after all that the old one signed alone: whoever knows only"
            " the old key could not follow. Set AUDIT_OLD_SIGNING_KEY again and wait for the next checkpoint."
        )
        return 1
    write(
        f"""In AUDIT_VERIFIERS, for everybody who checks, these are the lines from now on:

{old.text} until {last}
{new.text}

What the old key signs of a longer log is refused from then on. Destroy {file} and every copy of it."""
    )
    return 0


def _last_signed_by(old: notes.Verifier, new: notes.Verifier) -> tuple[int, int]:
    """The largest published sizes that the old key signed, and that both did."""
    last = by_both = -1
    for piece in published.read(Path(settings.AUDIT_CHECKPOINT_DIR)):
        size = _size_signed_by(old, piece.text)
        last = max(last, size)
        if size >= 0 and _size_signed_by(new, piece.text) == size:
            by_both = max(by_both, size)
    return last, by_both


def _size_signed_by(key: notes.Verifier, text: str) -> int:
    try:
        return notes.opened(text, key.name, [key]).size
    except notes.BadNoteError:
        return -1


def _resume(options: dict[str, Any], write: Callable[[str], Any]) -> int:
    try:
        resumed = cluster.resume()
    except cluster.NothingToResumeError as error:
        write(str(error))
        return 1
    write(
        f"Events are of epoch {resumed.epoch} from now on; {resumed.moved:,} that were written since the restore were moved"
        " to it. Sealing goes on with the next run of the worker."
    )
    return 0
