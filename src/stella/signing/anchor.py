"""Proofs of time: fetching and verifying RFC 3161 tokens. The channel's own are made by `authority`.

Rules:
- A token counts when it is over the very data, by a root of the signer policy, within the life that the policy gives
  that root.
- Certificates are judged at the token's own time, never at a local clock; the answer is that time and nothing else.
- Tokens are bound by their digest in a signed document: unsigned parts of a token could be changed without breaking it.
- Nothing heavy is loaded before the first token is read.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stella.kernel.canonical import dump
from stella.kernel.errors import BadTime
from stella.kernel.instant import Instant, format_time, parse_time
from stella.signing.errors import AnchorInvalid
from stella.signing.signers import AnchorRoot

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

MAX_TOKEN = 64 * 1024  # bytes; a token with its certificates has one to ten thousand
MAX_SHOWN = 120  # characters of a library's message that an error repeats


def fetch(url: str, data: bytes, nonce: bytes) -> bytes:
    """A token by an outside authority: `exchange.fetch`; raises what that raises."""
    from stella.signing import exchange

    return exchange.fetch(url, data, nonce)


def decode(token: bytes) -> TimeStampResponse:
    """Parse a token (TimeStampResp, DER) without judging it; raises AnchorInvalid."""
    if len(token) > MAX_TOKEN:
        raise AnchorInvalid(problem=f"{len(token)} bytes, the limit is {MAX_TOKEN}")
    from rfc3161_client import decode_timestamp_response

    try:
        return decode_timestamp_response(token)
    except Exception as error:  # noqa: BLE001  # a parser fed with hostile bytes; whatever it raises means the same
        raise AnchorInvalid(problem=f"it is not a time-stamp response: {shown(error)}") from None


def shown(error: Exception) -> str:
    """A library's message, cut to what an error may repeat of hostile input."""
    return ascii(str(error).partition(": ErrorStack")[0])[1:-1][:MAX_SHOWN]


def verify(token: bytes, data: bytes, roots: Sequence[AnchorRoot]) -> Instant:
    """The time that `token` (TimeStampResp, DER; RFC 3161 2.4.2) proves for `data`, whole seconds.

    Raises AnchorInvalid.

    It proves "not earlier than". Each root counts within its own `valid_from` and `valid_to`, unless it is revoked.
    """
    response = decode(token)
    problem = "no authority of the signer policy"
    for root in roots:
        try:
            proved = _proved(response, data, root)
        except Exception as error:  # noqa: BLE001  # as in `decode`: certificates and attributes are hostile bytes as well
            problem = shown(error)
            continue
        if root.revoked or not _in_force(root, proved):
            problem = f"authority `{root.name}` is revoked or was not valid at {format_time(proved)}"
            continue
        return proved
    raise AnchorInvalid(problem=problem)


def _proved(response: TimeStampResponse, data: bytes, root: AnchorRoot) -> Instant:
    """The time of a response that verifies under `root`; raises whatever the libraries raise."""
    from cryptography import x509
    from rfc3161_client import VerifierBuilder

    certificate = x509.load_der_x509_certificate(base64.b64decode(root.certificate, validate=True))
    VerifierBuilder(roots=[certificate]).build().verify_message(response, data)
    return int(response.tst_info.gen_time.timestamp())


def _in_force(root: AnchorRoot, proved: Instant) -> bool:
    try:
        return parse_time(root.valid_from) <= proved < parse_time(root.valid_to)
    except BadTime:
        return False


def time_anchor_json(proved: Instant, token_digest: str) -> bytes:
    """`time-anchor.json` v1, canonical: the plain description of a token for readers that cannot parse it."""
    return dump(
        {"anchorTime": format_time(proved), "format": "rfc3161-v1", "source": "rfc3161", "tokenDigest": token_digest}
    )
