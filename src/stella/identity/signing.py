"""The signing keys of the issuer in the database: made, rotated, retired, dropped.

Rules:
- A private key is stored encrypted under a passphrase that the database does not hold.
- Every step may be repeated, and two processes that take one at the same time do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stella.identity import rotation
from stella.identity.errors import WeakPassphrase
from stella.identity.model import KeyRotated, KeyRow, KeysShown, RotateKey, ShowKeys
from stella.identity.reach import PACKAGE
from stella.identity.rotation import Stored
from stella.kernel.instant import Instant, Seconds, format_time
from stella.operations import Context
from stella.runtime.ports import Entropy
from stella.runtime.roles import ISSUER
from stella.runtime.transaction import Duty
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import Algorithm

ALG: Algorithm = "ES256"
LEAST = 16  # characters of a passphrase


def passphrase(ctx: Context) -> bytes:
    """What the private keys are encrypted with; raises WeakPassphrase, or as a secret that cannot be read."""
    found = ctx.secret(ctx.settings.identity.passphrase)
    if len(found) < LEAST:
        raise WeakPassphrase(length=len(found), least=LEAST)
    return found


def load(duty: Duty) -> list[Stored]:
    """Every signing key, in the order in which they begin."""
    return [Stored(*row) for row in duty.all(PACKAGE, "signing_keys")]


def make(duty: Duty, secret: bytes, entropy: Entropy, now: Instant, *, first: bool = False) -> None:
    """Publish a new key; the first one signs at once, unless another process has made one meanwhile."""
    key = SigningKey.generate(entropy, ALG)
    duty.all(
        PACKAGE,
        "put_signing_key",
        kid=key.kid,
        alg=key.alg,
        private=key.to_pem(secret).decode(),
        public=msgspec.json.encode(key.jwk()).decode(),
        made=now,
        starts=now if first else now + rotation.LEAD,
        first=first,
    )


def tend(duty: Duty, secret: bytes, entropy: Entropy, now: Instant, every: Seconds) -> list[Stored]:
    """Make the first key, make the next one when it is time, retire and drop; the keys as they are then."""
    keys = load(duty)
    if not keys or rotation.is_due(keys, now, every):
        make(duty, secret, entropy, now, first=not keys)
        keys = load(duty)
    for key in rotation.superseded(keys, now):
        duty.all(PACKAGE, "retire_signing_key", kid=key.kid, retired=now)
    if any(key.retired is not None and key.retired + rotation.KEPT < now for key in keys):
        duty.all(PACKAGE, "drop_signing_keys", before=now - rotation.KEPT)
    return load(duty)


def shown(ctx: Context, want: ShowKeys) -> KeysShown:
    """The keys and what each does now."""
    del want
    return KeysShown(keys=_rows(load(ctx.duty(ISSUER)), ctx.clock.read().wall))


def rotate(ctx: Context, want: RotateKey) -> KeyRotated:
    """Publish the next key; one that waits already is the next one."""
    del want  # its reason and ticket are for the audit log
    duty, now = ctx.duty(ISSUER), ctx.clock.read().wall
    keys = load(duty)
    if rotation.following(keys, now) is None:
        make(duty, passphrase(ctx), ctx.entropy, now, first=not keys)
        keys = load(duty)
    return KeyRotated(keys=_rows(keys, now))


def _rows(keys: Sequence[Stored], now: Instant) -> tuple[KeyRow, ...]:
    signs = rotation.signer(keys, now)
    return tuple(
        KeyRow(
            kid=key.kid,
            alg=key.alg,
            state="active" if key is signs else "next" if key.starts > now else "retired",
            made=format_time(key.made),
            starts=format_time(key.starts),
            retired=None if key.retired is None else format_time(key.retired),
        )
        for key in keys
    )
