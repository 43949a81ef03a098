"""What the rest of Stella learns from a token, and what the verifier asks of the world."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple, Protocol

import msgspec

from stella.kernel.instant import Instant, Seconds
from stella.runtime.telemetry import MetricName
from stella.tenancy.keys import VerifyKey

Algorithm = Literal["ES256", "EdDSA", "RS256"]
ALGORITHMS: frozenset[str] = frozenset({"ES256", "EdDSA", "RS256"})

MAX_LIFE: Seconds = 15 * 60  # of an access token, from its issue to its end
SKEW: Seconds = 30  # by which clocks of two machines may differ


ASKED = ("hit", "stale", "miss", "negative", "expired")  # what becomes of asking for a key
FETCHED = ("ok", "unchanged", "failed")  # and of asking for the set


class Pending(Exception):  # no error: nobody but the caller of `wait=False` ever sees it
    """The answer needs a download, and the caller did not want to wait: ask again from a thread."""


class Found(NamedTuple):
    """A key, the epoch of the set that it was in, and until when on the boot clock it may be used."""

    key: VerifyKey
    epoch: int
    until: Seconds


class KeySource(Protocol):
    """The keys of one issuer."""

    @property
    def epoch(self) -> int:
        """Changes whenever a key comes or goes."""
        ...

    def get(self, kid: str, *, wait: bool = True) -> Found:
        """The key of that id; raises TokenKeyUnknown, and Pending when it must not wait."""
        ...


class Meter(Protocol):
    """Where figures go. Called from any thread; must not raise."""

    def count(self, name: MetricName, **labels: str) -> None: ...

    def zero(self, name: MetricName, **labels: str) -> None:
        """A counter that is there before anything is counted."""
        ...

    def gauge(self, name: MetricName, value: float, **labels: str) -> None: ...


def begin(meter: Meter, issuer: str, fetched: Collection[str] = FETCHED) -> None:
    """Let every counter of an issuer's keys be there."""
    for result in ASKED:
        meter.zero("jwks_cache_requests_total", issuer=issuer, result=result)
    for result in fetched:
        meter.zero("jwks_fetch_total", issuer=issuer, result=result)


class SilentMeter:
    """Keeps nothing."""

    def count(self, name: MetricName, **labels: str) -> None:
        """Ignore."""

    def zero(self, name: MetricName, **labels: str) -> None:
        """Ignore."""

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        """Ignore."""


class Issuer(NamedTuple):
    """An issuer that is believed: its exact name, its keys, and for whom and how it may sign.

    `tenants` limits it to some tenants, so that a provider of one tenant cannot speak for another; None is all.
    `audience` is whom its tokens are for, where that is not what the verifier says.
    """

    name: str
    keys: KeySource
    algorithms: frozenset[str] = ALGORITHMS
    tenants: frozenset[str] | None = None
    max_life: Seconds = MAX_LIFE
    audience: str = ""


class Presented(msgspec.Struct, frozen=True):
    """A token as a request presents it. `url` is the request's own address as its sender wrote it, for a DPoP proof."""

    token: str
    scheme: Literal["Bearer", "DPoP"] = "Bearer"
    tenant: str | None = None
    method: str = ""
    url: str = ""
    proofs: tuple[str, ...] = ()
    certificate: bytes | None = None


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"x5t": "x5t#S256"}):
    """To which key a token is bound (`cnf`): thumbprint of a DPoP key, or of a client certificate.

    A way of binding that is not known here makes the token malformed, since it could not be checked.
    """

    jkt: str = ""
    x5t: str = ""


class Verified(msgspec.Struct, frozen=True):
    """What a token proved. `id` is its `jti`, `acting` who acts for the subject, `authenticated` its `auth_time`."""

    issuer: str
    subject: str
    tenant: str
    scopes: frozenset[str]
    id: str
    issued: Instant
    expires: Instant
    client: str = ""
    installation: str = ""
    roles: tuple[str, ...] = ()
    acting: str = ""
    authenticated: Instant = 0
    confirmation: Confirmation | None = None
