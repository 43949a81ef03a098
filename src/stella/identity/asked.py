"""A request to the issuer, whatever brought it: a form, and what the connection says of its sender."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from stella.identity.refusals import bad_client, bad_request

MAX_FORM = 16 * 1024  # bytes; an assertion is the largest thing in one, of 8 KiB at most
MAX_FIELDS = 32
MAX_BASIC = 4 * 1024  # characters


class Asked(NamedTuple):
    """One request. `url` is the endpoint's own address, as it is published; `address` is whom the answer goes to."""

    form: Mapping[str, str]
    url: str
    address: str
    authorization: str = ""
    proofs: tuple[str, ...] = ()
    certificate: bytes | None = None


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form, each once; empty ones count as absent (RFC 6749 section 3.2). Raises Refused."""
    if len(body) > MAX_FORM:
        raise bad_request("the form is too large")
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError:  # also what is no ASCII or no UTF-8
        raise bad_request("the form is malformed") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise bad_request("a field is there twice")
    if any("\0" in value for value in found.values()):
        raise bad_request("a field contains a NUL")
    return {name: value for name, value in found.items() if value}


def read_basic(header: str) -> tuple[str, str]:
    """Id and secret of a client in an Authorization header (RFC 6749 section 2.3.1); raises Refused."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic" or len(text) > MAX_BASIC:
        raise bad_client()
    try:
        given = base64.b64decode(text, validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        raise bad_client() from None
    name, colon, secret = given.partition(":")
    if not colon:
        raise bad_client()
    return unquote_plus(name), unquote_plus(secret)
