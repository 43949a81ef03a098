"""The drill of keys that change passes, and each property that it guards fails it when it is broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stella.drill import key_rotation
from stella.tenancy import jwks
from stella.tenancy.flood import TokenBucket
from stella.tenancy.keys import VerifyKey, read_set
from stella.tenancy.tokens import Verifier
from tests.unit.drill.planned import broken, plan, quick

pytestmark = pytest.mark.network
__all__ = ["quick"]

WITHDRAWN = "seconds until a withdrawn key is refused"
UNANNOUNCED = "seconds until a key that was not published ahead is accepted"


@pytest.mark.usefixtures("quick")
def test_keys_rotate_unnoticed() -> None:
    found = key_rotation.drill(plan(tenants=10))
    assert broken(found) == []
    assert [event.name for event in found.events].count("key.retired") == 2


def merged(patch: pytest.MonkeyPatch) -> None:
    every: dict[str, VerifyKey] = {}

    def added(body: bytes, issuer: str) -> dict[str, VerifyKey]:
        every.update(read_set(body, issuer))
        return dict(every)

    patch.setattr(jwks, "read_set", added)


def kept_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Verifier, "_holds", lambda *_: True)


def unknown_stays_unknown(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TokenBucket, "ready", lambda *_: False)


def spent_without_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TokenBucket, "take", lambda *_: True)
    patch.setattr(TokenBucket, "ready", lambda *_: True)


@pytest.mark.parametrize(  # a break or two each time, all of them every night
    ("mutation", "guard"),
    [
        pytest.param(merged, WITHDRAWN, marks=pytest.mark.nightly),
        (kept_for_ever, WITHDRAWN),
        pytest.param(unknown_stays_unknown, UNANNOUNCED, marks=pytest.mark.nightly),
        pytest.param(spent_without_end, "downloads for 10 guessed key ids", marks=pytest.mark.nightly),
    ],
)
def test_a_broken_rotation_fails_the_drill(
    quick: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None], guard: str
) -> None:
    mutation(quick)
    assert guard in broken(key_rotation.drill(plan()))
