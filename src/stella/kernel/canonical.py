"""Canonical JSON (RFC 8785): one spelling for each document that is hashed or signed.

Rules:
- Writing goes through `dump`; structs become plain objects first, keys sorted, no white space.
- Reading a signed document goes through `load`, which refuses every other spelling of the same value.
"""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec
import rfc8785

from stella.kernel.errors import NotCanonical, NotJson

T = TypeVar("T")


def dump(value: object) -> bytes:
    """Canonical UTF-8 bytes of a struct or of plain JSON values (RFC 8785).

    Raises rfc8785's errors on NaN or unsafe integers.
    """
    plain = msgspec.to_builtins(value)
    return rfc8785.dumps(plain)


def dump_whole(value: object) -> bytes:
    """The bytes of `dump`, some forty times faster, for a value whose names are ASCII and that holds no float.

    Whole numbers must be safe ones (RFC 8785 appendix D); nothing here looks, so the type of the value has to say so.
    """
    return msgspec.json.encode(value, order="sorted")


def parse(data: bytes, kind: type[T], what: str) -> T:
    """Parse JSON bytes into `kind`; raises NotJson naming `what`.

    Unknown fields are refused where the struct forbids them.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(what=what, problem=str(error)) from None


def parse_once(data: bytes, kind: type[T], what: str) -> T:
    """As `parse`, for documents that others read as well; raises NotJson.

    No object may say a name twice, since readers differ in which of both counts.
    """
    found = parse(data, kind, what)
    try:
        json.loads(data, object_pairs_hook=_once, parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise NotJson(what=what, problem=str(error)) from None
    return found


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("an object says a name twice")


def _number(_: str) -> None:
    """Numbers are judged by `parse`; a long one takes long to convert."""


def convert(value: object, kind: type[T], what: str) -> T:
    """Turn plain JSON values into `kind`; raises NotJson naming `what`."""
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.MsgspecError as error:
        raise NotJson(what=what, problem=str(error)) from None


def load(data: bytes, kind: type[T], what: str) -> T:
    """Parse bytes that must already be canonical; raises NotJson or NotCanonical naming `what`."""
    value = parse(data, kind, what)
    try:
        canonical = dump(value)
    except (rfc8785.CanonicalizationError, RecursionError):  # a number or a depth without canonical form
        raise NotCanonical(what=what) from None
    if canonical != data:
        raise NotCanonical(what=what)
    return value
