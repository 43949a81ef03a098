"""From a presented token to who acts and for which tenant, or to one of a closed set of refusals.

Rules:
- The cheapest check comes first, and the first that fails decides the reason: form, header, key, signature, claims,
  tenant, binding, revocation.
- Nothing of a token chooses how it is checked: issuers are configured, and a key has one algorithm.
- A good result is kept by the digest of its token, until the token ends, for a minute at most, and only while no key
  and no revocation has come or gone. A proof of possession is checked every time.
- Memory is bounded, whatever is presented.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from typing import NamedTuple

from stella.kernel.instant import Instant, Reading, Seconds
from stella.runtime.ports import Clock
from stella.tenancy import binding, claims, compact
from stella.tenancy.errors import (
    REASONS,
    Refusal,
    TokenAlgorithmDenied,
    TokenIssuer,
    TokenKeyUnknown,
    TokenMalformed,
    TokenRevoked,
    TokenScopeMissing,
    TokenSignatureBad,
    TokenTenantMismatch,
    Whose,
)
from stella.tenancy.model import ALGORITHMS, SKEW, Found, Issuer, KeySource, Meter, Presented, SilentMeter, Verified
from stella.tenancy.nonce import Nonces
from stella.tenancy.revocation import Revocations

KEPT_SECONDS: Seconds = 60  # a good result is used again for so long at most
CAPACITY = 10_000  # good results that are kept
HEADERS = 256  # headers of good tokens; an issuer has one for each key

ACCESS_TOKEN = "at+jwt"  # noqa: S105  # a media type


class _Kept(NamedTuple):
    """A good result: between which instants it holds, until when on the boot clock, and at which epochs."""

    verified: Verified
    begins: Instant
    ends: Instant
    until: Seconds
    keys: KeySource
    key_epoch: int
    revocation_epoch: int


class Verifier:
    """Verifies the access tokens for one audience. Safe from any thread. With `nonces` a proof must carry one."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        audience: str,
        clock: Clock,
        *,
        revocations: Revocations | None = None,
        replays: binding.Replays | None = None,
        nonces: Nonces | None = None,
        meter: Meter | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        listed = list(issuers)
        self._issuers = {issuer.name: issuer for issuer in listed}
        if len(self._issuers) != len(listed) or not audience:
            raise ValueError("each issuer has a name of its own, and the audience has one")
        if any(not issuer.algorithms or issuer.algorithms - ALGORITHMS for issuer in listed):
            raise ValueError(f"an issuer signs with some of {sorted(ALGORITHMS)}")
        self._audience = audience
        self._clock = clock
        self._revocations = revocations or Revocations()
        self._replays = binding.Replays() if replays is None else replays  # one that is empty is false
        self._nonces = nonces
        self._meter = meter or SilentMeter()
        for reason in REASONS:
            self._meter.zero("token_verify_failures_total", reason=reason)
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: dict[bytes, _Kept] = {}
        self._headers: dict[bytes, compact.Header] = {}

    def verify(self, request: Presented, *, wait: bool = True, bound: bool = True) -> Verified:
        """Who presents a token; raises one of the closed set of `errors.Refusal`.

        Without `wait` it raises Pending where it would have to wait for a download: ask again from a thread. Without
        `bound` the token is only looked at, as when somebody revokes it: nothing proves that its holder presents it.
        """
        try:
            return self._verify(request, wait=wait, bound=bound)
        except Refusal as refused:
            self._meter.count("token_verify_failures_total", reason=refused.reason)
            raise

    def _verify(self, request: Presented, *, wait: bool, bound: bool) -> Verified:
        token = request.token
        if len(token) > compact.MAX_TOKEN or not token.isascii():
            raise TokenMalformed(problem=f"it is longer than {compact.MAX_TOKEN} characters, or not ASCII")
        now, data = self._clock.read(), token.encode()
        digest = hashlib.sha256(data).digest()
        kept = self._kept.get(digest)
        good = kept is not None and self._holds(kept, now)
        if kept is None or not good:
            kept = self._judge(data, now, wait=wait)
        plain = kept.verified.confirmation is None and request.scheme == "Bearer" and request.tenant is None
        if good and plain:  # most requests: nothing is left to check
            return kept.verified
        try:
            self._check(kept.verified, request, now, bound=bound, known=good)
        except Refusal as refused:
            refused.whose = Whose(kept.verified.tenant, kept.verified.subject)
            raise
        if not good:
            self._keep(digest, kept)
        return kept.verified

    def _check(self, verified: Verified, request: Presented, now: Reading, *, bound: bool, known: bool) -> None:
        """Whether this request may use a token that is good by itself; `known` is one that is not revoked."""
        if request.tenant is not None and request.tenant != verified.tenant:
            raise TokenTenantMismatch(asked="the request's")
        if bound and (verified.confirmation is not None or request.scheme == "DPoP"):
            binding.check(verified, request, now, self._replays, self._nonces)
        if not known and self._revocations.covers(verified):
            raise TokenRevoked

    def _holds(self, kept: _Kept, now: Reading) -> bool:
        return (
            kept.begins <= now.wall < kept.ends
            and now.boot_seconds < kept.until
            and kept.keys.epoch == kept.key_epoch
            and self._revocations.epoch == kept.revocation_epoch
        )

    def _judge(self, token: bytes, now: Reading, *, wait: bool) -> _Kept:
        """Form, header, key, signature and claims of a token."""
        revocation_epoch = self._revocations.epoch  # read before what depends on it
        parts = compact.split(token)
        header = self._headers.get(parts.header) or self._header(parts)
        found = claims.read(parts.payload)
        issuer = self._issuers.get(found.iss)
        if issuer is None:
            raise TokenIssuer
        if header.alg not in issuer.algorithms:
            raise TokenAlgorithmDenied
        source = issuer.keys.get(header.kid, wait=wait)
        check_signature(parts, header, source)
        try:
            verified = claims.check(found, issuer, issuer.audience or self._audience, now.wall)
        except Refusal as refused:
            refused.whose = claims.whose(found, issuer)
            raise
        if parts.header not in self._headers:
            self._remember(parts.header, header)
        begins = max(found.iat, found.nbf) - SKEW
        until = min(now.boot_seconds + KEPT_SECONDS, source.until)
        return _Kept(verified, begins, found.exp, until, issuer.keys, source.epoch, revocation_epoch)

    @staticmethod
    def _header(parts: compact.Compact) -> compact.Header:
        header, _ = compact.read_header(parts.header)
        if header.alg not in ALGORITHMS:
            raise TokenAlgorithmDenied
        if not compact.is_type(header.typ, ACCESS_TOKEN):
            raise TokenMalformed(problem=f"its type is not `{ACCESS_TOKEN}`")
        if not header.kid:
            raise TokenKeyUnknown(problem="it names none")
        return header

    def _remember(self, text: bytes, header: compact.Header) -> None:
        """Keep the header of a good token; strangers cannot fill this."""
        with self._lock:
            if len(self._headers) >= HEADERS:
                self._headers.clear()
            self._headers[text] = header

    def _keep(self, digest: bytes, kept: _Kept) -> None:
        with self._lock:
            self._kept.pop(digest, None)
            while len(self._kept) >= self._capacity:
                del self._kept[next(iter(self._kept))]
            self._kept[digest] = kept


def check_signature(parts: compact.Compact, header: compact.Header, source: Found) -> None:
    """Raise TokenAlgorithmDenied or TokenSignatureBad unless the key is for that algorithm and signed this."""
    if source.key.alg != header.alg:
        raise TokenAlgorithmDenied
    if not source.key.verify(parts.signature, parts.signed):
        raise TokenSignatureBad


def require(found: Verified, scope: str) -> None:
    """Raise TokenScopeMissing unless a token carries the scope."""
    if scope not in found.scopes:
        raise TokenScopeMissing(scope=scope)
