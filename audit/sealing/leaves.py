"""What of an event is sealed, as bytes: PostgreSQL's binary form of a row with these columns.

The database makes it (`SQL`), so that sealing a million events moves no row; `encode` makes the same from values, so that a
proof can be checked where there is no database. Each field is its type's number, its length and its content, so no two
events have the same bytes.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

FORM = "pilot-event/1"
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

_int2, _int4, _int8 = struct.Struct(">h"), struct.Struct(">i"), struct.Struct(">q")


def _micros(at: dt.datetime) -> bytes:
    return _int8.pack((at - _EPOCH) // dt.timedelta(microseconds=1))


def _texts(values: list[str]) -> bytes:
    if not values:
        return struct.pack(">iii", 0, 0, _TYPES["text"][0])
    items = b"".join(_int4.pack(len(each)) + each for each in (value.encode() for value in values))
    return struct.pack(">iiiii", 1, 0, _TYPES["text"][0], len(values), 1) + items


# PostgreSQL's number of each type, and how a value of it is sent; numbers and forms are part of its documented protocol.
_TYPES: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "text": (25, str.encode),
    "int2": (21, _int2.pack),
    "int8": (20, _int8.pack),
    "timestamptz": (1184, _micros),
    "uuid": (2950, lambda value: UUID(str(value)).bytes),
    "text[]": (1009, _texts),
    "bytea": (17, bytes),
}

# Every column of an event but two: the reason and its nonce can be erased, so their digest stands in for them.
COLUMNS = {
    "id": "int8",
    "epoch": "int2",
    "at": "timestamptz",
    "transaction": "int8",
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

# The bytes of the event `e`, in SQL. The connection must speak UTF-8.
SQL = f"record_send(ROW('{FORM}'::text, {', '.join(f'e.{name}::{kind}' for name, kind in COLUMNS.items())}))"

# Where an event's number stands in its bytes: after how many fields there are, the form, and its own type and length.
ID = slice(4 + 8 + len(FORM) + 8, 4 + 8 + len(FORM) + 16)


def encode(event: Mapping[str, Any]) -> bytes:
    """Return the bytes that are sealed of an event with these values. KeyError where one is missing, TypeError or
    ValueError where one is of another type."""
    fields = [_field("text", FORM), *(_field(kind, event[name]) for name, kind in COLUMNS.items())]
    return _int4.pack(len(fields)) + b"".join(fields)


def _field(kind: str, value: Any) -> bytes:
    number, send = _TYPES[kind]
    if value is None:
        return _int4.pack(number) + _int4.pack(-1)
    content = send(value)
    return _int4.pack(number) + _int4.pack(len(content)) + content


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
