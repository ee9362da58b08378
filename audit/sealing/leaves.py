"""What of an event is sealed, as bytes: PostgreSQL's binary form of a row with these columns, as its COPY sends it.

The database makes it (`SELECT`), so that a million events are sealed without one of them being taken apart; `encode` makes
the same from values, so that a proof can be checked where there is no database. It is the number of fields and then
each one's length and content, so no two events have the same bytes.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from audit.merkle import LEAF

FORM = "pilot-event/1"

Key = tuple[int, int, int]  # epoch, transaction, id: the order of sealing

# Every column of an event but two: the reason and its nonce can be erased, so their digest stands in for them. The three
# that put events in order come first: nothing before them differs in length.
COLUMNS = {
    "epoch": "int2",
    "transaction": "int8",
    "id": "int8",
    "at": "timestamptz",
    "kind": "text",
    "actor": "text",
    "role": "text",
    "action": "text",
    "reason_digest": "bytea",
    "request": "text",
    "relation": "text",
    "row_id": "text",
    "patient_id": "uuid",
    "practice_id": "uuid",
    "columns": "text[]",
    "shape": "text",
    "digest": "bytea",
}

# The fields of the event `e`, in SQL, to be copied in binary. The connection must speak UTF-8.
SELECT = f"'{FORM}'::text, {', '.join(f'e.{name}::{kind}' for name, kind in COLUMNS.items())}"

_int2, _int4, _int8 = struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_TEXT = 25  # PostgreSQL's number of the type; it stands in arrays, and is part of the documented protocol.


def _micros(at: dt.datetime) -> bytes:
    return _int8.pack((at - _EPOCH) // dt.timedelta(microseconds=1))


def _texts(values: list[str]) -> bytes:
    if not values:
        return struct.pack(">iii", 0, 0, _TEXT)
    return struct.pack(">iiiii", 1, 0, _TEXT, len(values), 1) + b"".join(map(_field, map(str.encode, values)))


_SENT: dict[str, Callable[[Any], bytes]] = {
    "text": str.encode,
    "int2": _int2.pack,
    "int8": _int8.pack,
    "timestamptz": _micros,
    "uuid": lambda value: UUID(str(value)).bytes,
    "text[]": _texts,
    "bytea": bytes,
}


def encode(event: Mapping[str, Any]) -> bytes:
    """Return the bytes that are sealed of an event with these values. KeyError where one is missing, TypeError or
    ValueError where one is of another type."""
    sent = (None if event[name] is None else _SENT[kind](event[name]) for name, kind in COLUMNS.items())
    return row(FORM.encode(), *sent)


def row(*fields: bytes | None) -> bytes:
    """A row as PostgreSQL copies it in binary, of fields as it sends them."""
    return _int2.pack(len(fields)) + b"".join(map(_field, fields))


def _field(content: bytes | None) -> bytes:
    return _int4.pack(-1) if content is None else _int4.pack(len(content)) + content


# Where an event's key stands in what is hashed: behind the form, three fields that are never null.
_KEY = struct.Struct(">ihiqiq")
_BEGIN = len(LEAF + row(FORM.encode()))
_END = _BEGIN + _KEY.size


def hashed(rows: Iterable[memoryview]) -> tuple[list[bytes], list[bytes]]:
    """The leaf hash of each of these events, and its key as bytes. Nothing else of them is kept."""
    hashes, keys = [], []
    for each in rows:
        data = LEAF + each
        hashes.append(sha256(data).digest())
        keys.append(data[_BEGIN:_END])
    return hashes, keys


def numbers(keys: Iterable[bytes]) -> bytes:
    """The events' own numbers, 8 bytes each."""
    return b"".join([key[-8:] for key in keys])


def key_of(key: bytes) -> Key:
    """The key that these bytes are. One that is not whole comes before all others."""
    _, epoch, _, number, _, event = lengths = _KEY.unpack(key)
    return (epoch, number, event) if lengths[::2] == (2, 8, 8) else (-1, -1, -1)


def readable(event: Mapping[str, Any]) -> dict[str, Any]:
    """The sealed columns of an event as JSON can hold them: bytes in hexadecimal digits, times in UTC to the microsecond.

    KeyError where one is missing.
    """
    spelt: dict[str, Callable[[Any], Any]] = {
        "timestamptz": lambda at: at.astimezone(dt.UTC).isoformat(),
        "uuid": str,
        "bytea": lambda raw: bytes(raw).hex(),
        "text[]": list,
    }
    return {
        name: None if event[name] is None else spelt.get(kind, lambda value: value)(event[name])
        for name, kind in COLUMNS.items()
    }


def from_readable(spelt: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an event that `readable` spelt so. Refused (ValueError): anything spelt otherwise."""
    if set(spelt) != set(COLUMNS):
        raise ValueError("An event has other fields than these.")
    return {
        name: None if spelt[name] is None else _value(name, kind, spelt[name])
        for name, kind in COLUMNS.items()
    }


def _value(name: str, kind: str, spelt: Any) -> Any:
    value: Any = spelt
    wanted: type = {"int2": int, "int8": int, "text[]": list}.get(kind, str)
    # Exact types: `true` would pass for 1.
    parts = spelt if isinstance(spelt, list) else []
    if type(spelt) is not wanted or any(type(each) is not str for each in parts):
        raise ValueError(f"{name} is of another type.")
    back: Any = spelt
    if kind == "timestamptz":
        value = dt.datetime.fromisoformat(value)
        back = value.astimezone(dt.UTC).isoformat() if value.tzinfo else None
    elif kind == "uuid":
        value = UUID(value)
        back = str(value)
    elif kind == "bytea":
        value = bytes.fromhex(value)
        back = value.hex()
    if back != spelt:
        raise ValueError(f"{name} is not spelt in the one right way.")
    return value
