"""The signing keys as the service holds them: a source of keys for its own tokens, and the key that signs.

Rules:
- Nothing here waits for the database: what is known is replaced as a whole by `take`.
- A private key is opened once, when it is about to sign.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from stella.identity import rotation
from stella.identity.errors import WrongPassphraseOfKeys
from stella.identity.rotation import Stored
from stella.kernel.instant import Instant
from stella.runtime.ports import Clock
from stella.signing.errors import WrongPassphrase
from stella.tenancy.errors import TokenKeyUnknown
from stella.tenancy.keys import VerifyKey, read_key
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import Found, Meter, SilentMeter, begin

STALE = 60 * 60  # seconds on the boot clock after which keys that could not be read again are not believed any more


class _State(NamedTuple):
    keys: Mapping[str, VerifyKey]
    stored: tuple[Stored, ...]
    published: bytes
    epoch: int
    until: int


class Keyring:
    """A `tenancy.model.KeySource` over the keys that `take` was last given. Safe from any thread."""

    def __init__(self, clock: Clock, passphrase: bytes, issuer: str = "", meter: Meter | None = None) -> None:
        self._issuer = issuer
        self._meter = meter or SilentMeter()
        self._clock = clock
        self._passphrase = passphrase
        self._lock = threading.Lock()
        self._state = _State({}, (), b'{"keys":[]}', 0, 0)
        self._opened: dict[str, SigningKey] = {}
        begin(self._meter, issuer)

    @property
    def epoch(self) -> int:
        return self._state.epoch

    @property
    def published(self) -> bytes:
        """The key set (RFC 7517): active, next and retired keys."""
        return self._state.published

    def get(self, kid: str, *, wait: bool = True) -> Found:
        del wait  # nothing to wait for
        state = self._state
        key, alive = state.keys.get(kid), self._clock.read().boot_seconds < state.until
        result = "expired" if not alive else "miss" if key is None else "hit"
        self._meter.count("jwks_cache_requests_total", issuer=self._issuer, result=result)
        if key is None or not alive:
            raise TokenKeyUnknown(problem="it is not in the key set")
        return Found(key, state.epoch, state.until)

    def take(self, stored: Sequence[Stored]) -> None:
        """Replace what is known."""
        jwks = [msgspec.json.decode(key.public, type=dict[str, object]) for key in stored]
        keys = {key.kid: read for key, jwk in zip(stored, jwks, strict=True) if (read := read_key(jwk)) is not None}
        with self._lock:
            old = self._state
            until = self._clock.read().boot_seconds + STALE
            changed = keys.keys() != old.keys.keys()
            self._state = _State(keys, tuple(stored), msgspec.json.encode({"keys": jwks}), old.epoch + changed, until)
        self._meter.count("jwks_fetch_total", issuer=self._issuer, result="ok" if changed else "unchanged")
        self.measure()

    def missed(self) -> None:
        """The keys could not be read."""
        self._meter.count("jwks_fetch_total", issuer=self._issuer, result="failed")

    def measure(self) -> None:
        """Let the meter know how old the keys are by now, and how many."""
        state = self._state
        if state.until:
            age = self._clock.read().boot_seconds + STALE - state.until
            self._meter.gauge("jwks_cache_age_seconds", age, issuer=self._issuer)
            self._meter.gauge("jwks_keys", len(state.keys), issuer=self._issuer)

    def signer(self, now: Instant) -> SigningKey | None:
        """The key that signs now, None when there is none; raises WrongPassphraseOfKeys."""
        found = rotation.signer(self._state.stored, now)
        if found is None:
            return None
        with self._lock:
            opened = self._opened.get(found.kid)
            if opened is None:
                try:
                    opened = SigningKey.from_pem(found.private.encode(), self._passphrase, found.kid)
                except WrongPassphrase:
                    raise WrongPassphraseOfKeys(kid=found.kid) from None
                self._opened = {found.kid: opened}
            return opened
