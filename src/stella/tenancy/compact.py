"""The compact form of a JWS (RFC 7515), read strictly.

Rules:
- At most 8 KiB, exactly three parts, each in the one spelling of its base64url: no padding, no other character, no
  stray bits in the last one.
- The header is one JSON object, each member once. It names an algorithm and never brings a key, an address of one, or
  an extension that must be understood.
- Nothing here knows a key: what is read is not yet believed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import NamedTuple

from stella.tenancy.errors import TokenMalformed

MAX_TOKEN = 8 * 1024  # bytes
MAX_KID = 128  # characters
OTHER_SPELLING = "a part is in another spelling of its base64url"

_FORM = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)")
_BRINGS_A_KEY = ("jku", "x5u", "x5c", "jwk")
_EXTENDS = ("crit", "b64")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")  # what is base64 and not base64url becomes neither
# By length modulo 4: the padding that was left off, and which characters may be the last, so that no bit is left over.
_ENDS = ((b"", b""), (b"", b"!"), (b"==", b"AQgw"), (b"=", b"AEIMQUYcgkosw048"))


class Compact(NamedTuple):
    """The parts of a JWS: the header as it is spelled, the payload, what is signed, and the signature."""

    header: bytes
    payload: bytes
    signed: bytes
    signature: bytes


class Header(NamedTuple):
    """What a header says, as far as it counts here; `kid` and `typ` are empty when they are absent."""

    alg: str
    kid: str
    typ: str


def split(token: bytes) -> Compact:
    """The parts of a token; raises TokenMalformed. The header stays as it is, since few are ever new."""
    if len(token) > MAX_TOKEN:
        raise TokenMalformed(problem=f"it is longer than {MAX_TOKEN} characters")
    form = _FORM.fullmatch(token)
    if form is None:
        raise TokenMalformed(problem="it is not three parts of base64url")
    header, payload, signature = form.groups()
    body, made = decode(payload), decode(signature)
    if body is None or made is None:
        raise TokenMalformed(problem=OTHER_SPELLING)
    return Compact(header, body, token[: form.end(2)], made)


def decode(text: bytes) -> bytes | None:
    """The bytes of base64url without padding (RFC 7515 section 2) in its one spelling; None for anything else."""
    pad, last = _ENDS[len(text) % 4]
    if last and text[-1] not in last:
        return None
    try:
        return binascii.a2b_base64(text.translate(_FROM_URL) + pad, strict_mode=True)
    except binascii.Error:
        return None


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def json_object(data: bytes, what: str) -> dict[str, object]:
    """One JSON object in UTF-8, each member once; raises TokenMalformed naming `what`."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):  # text that is no UTF-8 and numbers of 5000 digits are ValueErrors too
        raise TokenMalformed(problem=f"its {what} is not JSON with each member once") from None
    if not isinstance(found, dict):
        raise TokenMalformed(problem=f"its {what} is not a JSON object")
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _refuse(word: str) -> object:
    raise ValueError(word)


def read_header(text: bytes, *, own_key: bool = False) -> tuple[Header, dict[str, object]]:
    """What a header says, and the whole of it; `own_key` lets it bring a `jwk`. Raises TokenMalformed."""
    data = decode(text)
    if data is None:
        raise TokenMalformed(problem=OTHER_SPELLING)
    found = json_object(data, "header")
    for name in _BRINGS_A_KEY:
        if name in found and not (own_key and name == "jwk"):
            raise TokenMalformed(problem=f"its header carries `{name}`")
    for name in _EXTENDS:
        if name in found:
            raise TokenMalformed(problem=f"its header asks for an extension by `{name}`")
    alg, kid, typ = (found.get(name, "") for name in ("alg", "kid", "typ"))
    if not (isinstance(alg, str) and isinstance(kid, str) and isinstance(typ, str)):
        raise TokenMalformed(problem="`alg`, `kid` or `typ` in its header is not text")
    if not alg:
        raise TokenMalformed(problem="its header names no `alg`")
    if len(kid) > MAX_KID:
        raise TokenMalformed(problem=f"its `kid` is longer than {MAX_KID} characters")
    return Header(alg, kid, typ), found


def is_type(typ: str, wanted: str) -> bool:
    """Whether a header's `typ` is that media type, with or without `application/` (RFC 7515 section 4.1.9)."""
    return typ.lower().removeprefix("application/") == wanted
