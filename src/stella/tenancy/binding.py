"""Proof that whoever presents a token is its holder: DPoP (RFC 9449) and client certificates (RFC 8705).

Rules:
- A bound token is never good without its proof, and a proof never makes an unbound token better: a token that came as
  `DPoP` must be bound to a key, one that is bound to a key must come as `DPoP`.
- A proof is for one method, one address, one token, made within a minute, and used once.
- The memory of used proofs is bounded. No tenant can fill it for others, however many keys its holders have, and
  nothing is remembered of whoever has not proved more than a key. When it is full proofs are refused: to forget one
  that could be used again is never the answer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections import Counter
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from stella.kernel.instant import Instant, Reading, Seconds
from stella.tenancy.compact import is_type, read_header, split
from stella.tenancy.errors import TokenBinding, TokenMalformed
from stella.tenancy.keys import VerifyKey, holds_secret, read_key
from stella.tenancy.model import ALGORITHMS, SKEW, Presented, Verified
from stella.tenancy.nonce import Nonces

PROOF_SECONDS: Seconds = 60  # age at which a proof is too old
MEMORY = 200_000  # used proofs that are remembered: 50 MiB
SHARE = 40_000  # of one tenant: 400 in a second
MAX_JTI = 128  # characters

WRONG_CLAIMS = "the proof's claims are missing or of a wrong type"

_PORTS = {"https": 443, "http": 80}


class Proof(msgspec.Struct, frozen=True):
    """The claims of a DPoP proof."""

    jti: str
    htm: str
    htu: str
    iat: int
    ath: str | msgspec.UnsetType = msgspec.UNSET  # absent where there is no token yet
    nonce: str = ""


_decoder = msgspec.json.Decoder(Proof)


class Replays:
    """The proofs that were used, for as long as they could be used again. Safe from any thread."""

    def __init__(self, size: int = MEMORY, share: int = SHARE) -> None:
        self._size = size
        self._share = share
        self._lock = threading.Lock()
        self._seen: dict[bytes, tuple[Instant, Seconds, str]] = {}
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._seen)

    def first_use(self, owner: str, by: str, jti: str, iat: Instant, now: Reading) -> bool:
        """Remember a proof by a key or client of a tenant; whether it is new and there was room for it."""
        name = hashlib.sha256(f"{by} {jti}".encode()).digest()  # neither has a space; 32 bytes whatever came
        with self._lock:
            self._forget(now)
            if name in self._seen or len(self._seen) >= self._size or self._of.get(owner, 0) >= self._share:
                return False
            self._seen[name] = (iat, now.boot_seconds, owner)
            self._of[owner] += 1
            return True

    def _forget(self, now: Reading) -> None:
        """Drop those, oldest first, that both clocks call too old: a wall clock that is set back changes nothing."""
        done = []
        for name, (iat, boot, owner) in self._seen.items():
            if now.wall <= iat + PROOF_SECONDS or now.boot_seconds <= boot + PROOF_SECONDS + SKEW:
                break
            done.append((name, owner))
        for name, owner in done:
            del self._seen[name]
            self._of[owner] -= 1
            if not self._of[owner]:
                del self._of[owner]


class ProvedKey(NamedTuple):
    """A key that a request proves to have which has no token yet, and the proof by its id and time."""

    thumbprint: str
    jti: str
    iat: Instant


def check(token: Verified, request: Presented, now: Reading, replays: Replays, nonces: Nonces | None = None) -> None:
    """Raise TokenBinding unless the request proves what the token's confirmation asks for."""
    bound = token.confirmation
    if bound is not None and bound.x5t:
        _check_certificate(bound.x5t, request.certificate)
    if bound is not None and bound.jkt:
        if request.scheme != "DPoP":
            raise TokenBinding(binding="dpop", problem="it is bound to a key and came as a bearer token")
        proof = _check_proof(bound.jkt, request, now)
        if nonces is not None and not nonces.good(proof.nonce, now.wall):
            raise TokenBinding(binding="nonce", problem="the proof does not carry this service's nonce")
        use(ProvedKey(bound.jkt, proof.jti, proof.iat), token.tenant, now, replays)
    elif request.scheme == "DPoP":
        raise TokenBinding(binding="dpop", problem="it is bound to no key and came with a proof")


def proved_key(request: Presented, now: Reading) -> ProvedKey:
    """The key to which a request wants its token bound (RFC 9449 section 5), not yet used; raises TokenBinding."""
    key, proof = _fitting(request, now)
    return ProvedKey(key.thumbprint, proof.jti, proof.iat)


def use(proved: ProvedKey, owner: str, now: Reading, replays: Replays) -> None:
    """Use a proof of somebody of the tenant `owner`; raises TokenBinding when it was used, or there is no room."""
    if not replays.first_use(owner, proved.thumbprint, proved.jti, proved.iat, now):
        raise TokenBinding(binding="dpop", problem="the proof was used before, or too many were")


def certificate_thumbprint(der: bytes) -> str:
    """`x5t#S256` of a certificate in DER (RFC 8705 section 3.1)."""
    return _url64(hashlib.sha256(der).digest())


def token_hash(token: str) -> str:
    """`ath`: the hash of a token that its proof names (RFC 9449 section 4.2)."""
    return _url64(hashlib.sha256(token.encode()).digest())


def _check_certificate(wanted: str, der: bytes | None) -> None:
    if der is None:
        raise TokenBinding(binding="certificate", problem="the connection has no client certificate")
    if not _same(certificate_thumbprint(der), wanted):
        raise TokenBinding(binding="certificate", problem="the client certificate is another one")


def _check_proof(jkt: str, request: Presented, now: Reading) -> Proof:
    """The proof of a request, if it is for that request and its token; whether it was used is another question."""
    key, proof = _fitting(request, now)
    if not _same(key.thumbprint, jkt):
        raise TokenBinding(binding="dpop", problem="the proof is by another key")
    if not isinstance(proof.ath, str):
        raise TokenBinding(binding="dpop", problem=WRONG_CLAIMS)
    if not _same(proof.ath, token_hash(request.token)):
        raise TokenBinding(binding="dpop", problem="the proof is for another token")
    return proof


def _fitting(request: Presented, now: Reading) -> tuple[VerifyKey, Proof]:
    """The key and the proof of a request, whatever its token."""
    if len(request.proofs) != 1:
        raise TokenBinding(binding="dpop", problem=f"{len(request.proofs)} proofs, expected one")
    key, proof = _read(request.proofs[0])
    if proof.htm != request.method:
        raise TokenBinding(binding="dpop", problem="the proof is for another method")
    if (asked := address(request.url)) is None or address(proof.htu) != asked:
        raise TokenBinding(binding="dpop", problem="the proof is for another address")
    if not now.wall - PROOF_SECONDS <= proof.iat <= now.wall + SKEW:
        raise TokenBinding(binding="dpop", problem=f"the proof is older than {PROOF_SECONDS} s, or from the future")
    if not 0 < len(proof.jti) <= MAX_JTI or not proof.jti.isprintable() or " " in proof.jti:
        raise TokenBinding(binding="dpop", problem="the proof has no usable id")
    return key, proof


def _read(text: str) -> tuple[VerifyKey, Proof]:
    """The key and the claims of a proof whose signature matches."""
    try:
        compact = split(text.encode("ascii"))
        header, whole = read_header(compact.header, own_key=True)
        proof = _decoder.decode(compact.payload.decode())
    except TokenMalformed as error:
        raise TokenBinding(binding="dpop", problem=f"the proof is malformed: {error.facts['problem']}") from None
    except (ValueError, RecursionError):
        raise TokenBinding(binding="dpop", problem=WRONG_CLAIMS) from None
    jwk = whole.get("jwk")
    if not is_type(header.typ, "dpop+jwt") or header.alg not in ALGORITHMS or not isinstance(jwk, dict):
        raise TokenBinding(binding="dpop", problem="the proof has a wrong type or algorithm, or no key")
    if holds_secret(jwk):
        raise TokenBinding(binding="dpop", problem="the proof shows a private key")
    key = read_key(jwk)
    if key is None or key.alg != header.alg:
        raise TokenBinding(binding="dpop", problem="the proof's key cannot be used with its algorithm")
    if not key.verify(compact.signature, compact.signed):
        raise TokenBinding(binding="dpop", problem="the proof's signature does not match")
    return key, proof


def address(url: str) -> tuple[str, str, int, str] | None:
    """Scheme, host, port and path of an address, in one spelling (RFC 9449 section 4.3); None when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.username is not None or not (url.isascii() and url.isprintable()):
        return None
    return parts.scheme, parts.hostname, port, parts.path or "/"


def _same(found: str, wanted: str) -> bool:
    return hmac.compare_digest(found.encode(), wanted.encode())


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
