"""Asking an outside time-stamp authority for a token (RFC 3161 section 3.4).

Rules:
- https, or http on this machine; an answer that points elsewhere is not followed, and no proxy or credential is used.
- Size and time of the whole exchange are bounded.
- The answer must echo the nonce and be granted; whether its signer counts is `anchor.verify`'s question.
"""

from __future__ import annotations

import hashlib
import http.client
from urllib.parse import SplitResult, urlsplit

from asn1crypto import tsp

from stella.runtime.watch import Watch
from stella.signing.anchor import MAX_TOKEN, decode
from stella.signing.errors import AnchorInvalid, AuthorityUnreachable, UnusableAuthority

FETCH_SECONDS = 30  # authorities answer in well below a second; longer means that nobody is there
LOOPBACK = ("127.0.0.1", "::1", "localhost")
REPLY_TYPE = "application/timestamp-reply"


def request(data: bytes, nonce: bytes) -> bytes:
    """A TimeStampReq (DER) over the SHA-512 of `data` that asks for the certificate too (RFC 3161 section 2.4.1)."""
    imprint = {"hash_algorithm": {"algorithm": "sha512"}, "hashed_message": hashlib.sha512(data).digest()}
    question = {"version": "v1", "message_imprint": imprint, "nonce": int.from_bytes(nonce), "cert_req": True}
    return bytes(tsp.TimeStampReq(question).dump())


def fetch(url: str, data: bytes, nonce: bytes) -> bytes:
    """A token (TimeStampResp, DER) over `data` by the authority at `url`; `nonce` is 8 fresh random bytes.

    Raises UnusableAuthority, AuthorityUnreachable, or AnchorInvalid when the answer is no token for this question.
    """
    parts = _address(url)
    host, path = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, parts.port, timeout=FETCH_SECONDS)
    watch, late = Watch(connection, FETCH_SECONDS), f"no whole answer within {FETCH_SECONDS} s"
    try:
        connection.request("POST", path, request(data, nonce), {"Content-Type": "application/timestamp-query"})
        watch.hold()
        response = connection.getresponse()
        token = response.read(MAX_TOKEN + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        problem = late if watch.late else str(error) or type(error).__name__
        raise AuthorityUnreachable(url=url, problem=problem) from None
    finally:
        watch.end()
        connection.close()
    if watch.late:
        raise AuthorityUnreachable(url=url, problem=late)
    if response.status != http.client.OK:
        raise AuthorityUnreachable(url=url, problem=f"status {response.status}")
    kind_found = response.headers.get_content_type()
    if kind_found != REPLY_TYPE:
        raise AuthorityUnreachable(url=url, problem=f"it answers with {ascii(kind_found)[1:-1][:40]}, not with a token")
    _check_answer(token, nonce)
    return token


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        raise UnusableAuthority(url=url, problem="it is not an address") from None
    if not usable:
        raise UnusableAuthority(url=url, problem="it names no host")
    if parts.username is not None or parts.password is not None:
        raise UnusableAuthority(url=_without_user(parts), problem="it carries a user name or password")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise UnusableAuthority(url=url, problem="it is neither https nor on this machine")
    return parts


def _without_user(parts: SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _check_answer(token: bytes, nonce: bytes) -> None:
    response = decode(token)
    if response.status != 0:
        raise AnchorInvalid(problem=f"the authority refused with status {response.status}")
    try:
        echoed = response.tst_info.nonce
    except ValueError:
        raise AnchorInvalid(problem="the answer has no content") from None
    if echoed != int.from_bytes(nonce):
        raise AnchorInvalid(problem="the answer is for another question: it does not echo the nonce")
