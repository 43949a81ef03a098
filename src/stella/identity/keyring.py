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
from stella.tenancy.model import Found

STALE = 60 * 60  # seconds on the boot clock after which keys that could not be read again are not believed any more


class _State(NamedTuple):
    keys: Mapping[str, VerifyKey]
    stored: tuple[Stored, ...]
    published: bytes
    epoch: int
    until: int


class Keyring:
    """A `tenancy.model.KeySource` over the keys that `take` was last given. Safe from any thread."""

    def __init__(self, clock: Clock, passphrase: bytes) -> None:
        self._clock = clock
        self._passphrase = passphrase
        self._lock = threading.Lock()
        self._state = _State({}, (), b'{"keys":[]}', 0, 0)
        self._opened: dict[str, SigningKey] = {}

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
        key = state.keys.get(kid)
        if key is None or self._clock.read().boot_seconds >= state.until:
            raise TokenKeyUnknown(problem="it is not in the key set")
        return Found(key, state.epoch, state.until)

    def take(self, stored: Sequence[Stored]) -> None:
        """Replace what is known."""
        jwks = [msgspec.json.decode(key.public, type=dict[str, object]) for key in stored]
        keys = {key.kid: read for key, jwk in zip(stored, jwks, strict=True) if (read := read_key(jwk)) is not None}
        with self._lock:
            old = self._state
            until = self._clock.read().boot_seconds + STALE
            epoch = old.epoch + (keys.keys() != old.keys.keys())
            self._state = _State(keys, tuple(stored), msgspec.json.encode({"keys": jwks}), epoch, until)

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
