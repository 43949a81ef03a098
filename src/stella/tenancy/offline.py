"""Issuers that a sealed site believes: their keys come with its trust, and no network is ever asked.

Rules:
- The document is read from where trust is kept: the trust folder, or a bundle whose signatures were checked.
- Keys end with the document's `valid_to`, judged by the same clock as the tokens; then every token is refused. On a
  sealed site that clock is a TrustedClock.
- A key that is not in the document does not exist; a newer document replaces all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from stella.kernel.canonical import parse
from stella.kernel.errors import BadTime
from stella.kernel.instant import Floor, Instant, Reading, Seconds, judge, parse_time, raise_floor
from stella.kernel.tenant import is_tenant
from stella.runtime.ports import Clock
from stella.signing.errors import MalformedPublicKey
from stella.signing.keys import PublicKey
from stella.tenancy.errors import BadIssuers, TokenKeyUnknown
from stella.tenancy.keys import VerifyKey, keys_of
from stella.tenancy.model import ALGORITHMS, MAX_LIFE, Algorithm, Found, Issuer, Meter, SilentMeter, begin

DOCUMENT = "issuers.json"
MAX_REVOKERS = 16  # keys that sign the lists of one issuer
MAX_DOCUMENT = 4 * 1024 * 1024  # bytes
MAX_ISSUERS = 64
LONGEST_LIFE: Seconds = 7 * 24 * 60 * 60  # of an offline token, where no issuer can be asked for another


class KeySet(msgspec.Struct, frozen=True):
    """A key set (RFC 7517) inside the document."""

    keys: list[dict[str, object]]


class OfflineIssuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One issuer. `tenants` empty is all; `max_life` bounds its tokens in seconds.

    `revocation_keys` sign its revocation lists: Ed25519, base64 of the 32 bytes.
    """

    issuer: str
    valid_to: str
    jwks: KeySet
    algorithms: tuple[Algorithm, ...] = ("ES256", "EdDSA", "RS256")
    tenants: tuple[str, ...] = ()
    max_life: Seconds = MAX_LIFE
    revocation_keys: tuple[str, ...] = ()


class OfflineIssuers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`issuers.json`."""

    schema: Literal["stella.issuers@1"] = "stella.issuers@1"
    issuers: tuple[OfflineIssuer, ...]


class TrustedClock:
    """A Clock that shows trusted time, for a site whose own clock is not believed alone: never before the floor."""

    def __init__(self, clock: Clock, floor: Floor, max_gap: Seconds, *, confirmed: bool = False) -> None:
        self._clock = clock
        self._floor = floor
        self._max_gap = max_gap
        self._confirmed = confirmed

    def read(self) -> Reading:
        found = self._clock.read()
        trusted = judge(raise_floor(self._floor, found), found, self._max_gap, confirmed=self._confirmed)
        return Reading(wall=trusted.now, boot_id=found.boot_id, boot_seconds=found.boot_seconds)


class FixedKeys:
    """A KeySource without a network."""

    def __init__(
        self, issuer: str, keys: Mapping[str, VerifyKey], until: Instant, clock: Clock, meter: Meter | None = None
    ) -> None:
        self._issuer = issuer
        self._keys = dict(keys)
        self._until = until
        self._clock = clock
        self._meter = meter or SilentMeter()
        begin(self._meter, issuer, ())

    @property
    def epoch(self) -> int:
        return 0

    def get(self, kid: str, *, wait: bool = True) -> Found:  # noqa: ARG002  # there is nothing to wait for
        key, now = self._keys.get(kid), self._clock.read()
        result = "miss" if key is None else "expired" if now.wall >= self._until else "hit"
        self._meter.count("jwks_cache_requests_total", issuer=self._issuer, result=result)
        if key is None:
            raise TokenKeyUnknown(problem="it is not among the keys of this site's trust")
        if now.wall >= self._until:
            raise TokenKeyUnknown(problem="the keys of this site's trust have expired")
        return Found(key, 0, now.boot_seconds + self._until - now.wall)


def read_issuers(data: bytes, clock: Clock, meter: Meter | None = None) -> list[Issuer]:
    """The issuers of a document that is trusted already; raises NotJson, BadIssuers or BadKeySet."""
    return [_issuer(one, clock, meter, DOCUMENT) for one in _listed(data)]


def revocation_keys(data: bytes) -> dict[str, list[PublicKey]]:
    """The keys that sign the revocation lists of each issuer that has such keys; raises as `read_issuers`."""
    found = {one.issuer: one.revocation_keys for one in _listed(data) if one.revocation_keys}
    if any(len(keys) > MAX_REVOKERS for keys in found.values()):
        raise BadIssuers(what=DOCUMENT, problem=f"an issuer has more than {MAX_REVOKERS} keys for revocation lists")
    try:
        return {issuer: [PublicKey.from_base64(key) for key in keys] for issuer, keys in found.items()}
    except MalformedPublicKey:
        raise BadIssuers(what=DOCUMENT, problem="a key for revocation lists is no Ed25519 key in base64") from None


def _listed(data: bytes) -> tuple[OfflineIssuer, ...]:
    if len(data) > MAX_DOCUMENT:
        raise BadIssuers(what=DOCUMENT, problem=f"it is larger than {MAX_DOCUMENT} bytes")
    found = parse(data, OfflineIssuers, DOCUMENT).issuers
    if len(found) > MAX_ISSUERS:
        raise BadIssuers(what=DOCUMENT, problem=f"{len(found)} issuers, the limit is {MAX_ISSUERS}")
    if len({one.issuer for one in found}) != len(found):
        raise BadIssuers(what=DOCUMENT, problem="it names one issuer twice")
    return found


def _issuer(found: OfflineIssuer, clock: Clock, meter: Meter | None, what: str) -> Issuer:
    try:
        until = parse_time(found.valid_to)
    except BadTime:
        raise BadIssuers(what=what, problem="`valid_to` is not a time") from None
    if not found.issuer or not set(found.algorithms) <= ALGORITHMS or not found.algorithms:
        raise BadIssuers(what=what, problem="an issuer has no name or no algorithm")
    if not 0 < found.max_life <= LONGEST_LIFE:
        raise BadIssuers(what=what, problem=f"`max_life` is {found.max_life} s, the limit is {LONGEST_LIFE} s")
    if not all(is_tenant(tenant) for tenant in found.tenants):
        raise BadIssuers(what=what, problem="it names a tenant that is no tenant id")
    keys = FixedKeys(found.issuer, keys_of(found.jwks.keys, found.issuer), until, clock, meter)
    tenants = frozenset(found.tenants) or None
    return Issuer(found.issuer, keys, frozenset(found.algorithms), tenants, found.max_life)


def write_issuers(issuers: Iterable[OfflineIssuer]) -> bytes:
    """The document, to be put where trust is kept."""
    return msgspec.json.format(msgspec.json.encode(OfflineIssuers(issuers=tuple(issuers)))) + b"\n"
