"""The drill of clocks passes, and each property that it guards fails it when it is broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stella.drill import clock_skew
from stella.tenancy import claims
from stella.tenancy.jwks import KeyCache
from stella.tenancy.tokens import Verifier
from tests.unit.drill.planned import broken, plan, quick

pytestmark = pytest.mark.network
__all__ = ["quick"]


@pytest.mark.usefixtures("quick")
def test_clocks_may_differ_by_half_a_minute() -> None:
    found = clock_skew.drill(plan())
    assert broken(found) == []
    steps = [event.detail for event in found.events if event.name == "clock.stepped"]
    assert steps[2:4] == ["+90000 s", "-90000 s"]


def skew(seconds: int) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(claims, "SKEW", seconds)


def by_the_wall_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KeyCache, "_now", lambda self: self._clock.read().wall)


def kept_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Verifier, "_holds", lambda *_: True)


@pytest.mark.parametrize(
    ("mutation", "guard"),
    [
        (skew(29), "issuer 30 s ahead: served"),
        (skew(31), "issuer 31 s ahead: token.not_yet"),
        (skew(32), "ended 31 s ago: token.expired"),
        (by_the_wall_clock, "keys expired by steps of the clock"),
        (kept_for_ever, "tokens served on a clock on which they have ended or not begun"),
    ],
)
def test_a_broken_clock_fails_the_drill(
    quick: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None], guard: str
) -> None:
    mutation(quick)
    assert guard in broken(clock_skew.drill(plan()))
