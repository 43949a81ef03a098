"""The drill of a flood passes, and each property that it guards fails it when it is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stella.drill import kid_flood
from stella.drill.model import Outcome
from stella.tenancy.flood import Absent, TokenBucket
from stella.tenancy.jwks import KeyCache
from tests.unit.drill.planned import broken, plan, quick

pytestmark = pytest.mark.network
__all__ = ["quick"]


def drilled(kids: int = 20_000, seconds: int = 60) -> Outcome:
    return kid_flood.drill(plan(), kids, seconds)


@pytest.mark.usefixtures("quick")
def test_a_flood_of_unknown_ids_harms_nobody() -> None:
    found = drilled()
    assert broken(found) == []
    assert "key.rotated" in [event.name for event in found.events]
    limits = {measure.name: measure.limit for measure in found.measures}  # those of the promise, not of the code
    assert limits["downloads during the flood"] == 5 + 50 // 10 + 1
    assert limits["seconds until a key that was not published ahead is accepted"] == 10


@pytest.mark.usefixtures("quick")
def test_what_does_not_fit_into_the_time_is_left_out_and_said() -> None:
    found = kid_flood.drill(plan(), 10_000_000, 0.3)
    assert broken(found) == []
    assert "were left out for lack of time" in found.notes[0]


@pytest.mark.usefixtures("quick")
def test_a_flood_ends_in_the_middle_of_its_share_of_a_second() -> None:
    class Cancelled:
        """The progress of a job that is cancelled while the flood is under way."""

        def __init__(self) -> None:
            self.asked = 0

        def start(self, task: str, total: int | None, unit: str) -> None:
            """Not looked at."""

        def advance(self, amount: int) -> None:
            self.asked += amount == 0
            if self.asked > 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kid_flood.drill(plan()._replace(progress=Cancelled()), 100_000_000, 3600)


def no_bucket(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TokenBucket, "take", lambda *_: True)
    patch.setattr(TokenBucket, "ready", lambda *_: True)


def forgets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Absent, "holds", lambda *_: False)


def never_refilled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TokenBucket, "_refill", lambda *_: None)


def cleared(patch: pytest.MonkeyPatch) -> None:
    land = KeyCache._land

    def forgetful(self: KeyCache, flight: Any, result: str, problem: str) -> None:
        land(self, flight, result, problem)
        if problem:
            self._set = None

    patch.setattr(KeyCache, "_land", forgetful)


@pytest.mark.parametrize(  # a break or two each time, all of them every night
    ("mutation", "guard"),
    [
        pytest.param(no_bucket, "downloads during the flood", marks=pytest.mark.nightly),
        (forgets, "answers from the memory of absent key ids"),
        pytest.param(
            never_refilled, "seconds until a key that was not published ahead is accepted", marks=pytest.mark.nightly
        ),
        (cleared, "failed requests of tenants"),
    ],
)
def test_a_broken_allowance_fails_the_drill(
    quick: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None], guard: str
) -> None:
    mutation(quick)
    assert guard in broken(drilled(400, 3))
