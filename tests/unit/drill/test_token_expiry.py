"""The drill of tokens that end passes, and each property that it guards fails it when it is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stella.drill import stage, token_expiry
from stella.tenancy import claims
from stella.tenancy.tokens import Verifier
from tests.unit.drill.planned import broken, plan, quick

pytestmark = pytest.mark.network
__all__ = ["quick"]


@pytest.mark.usefixtures("quick")
def test_tokens_end_when_they_end() -> None:
    found = token_expiry.drill(plan())
    assert broken(found) == []
    assert [event.name for event in found.events][:2] == ["outage.began", "auth.degraded"]


def generous(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "SKEW", 120)


def strict(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "SKEW", -90)


def kept_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Verifier, "_holds", lambda *_: True)


def any_life(patch: pytest.MonkeyPatch) -> None:
    judge = claims._check_times

    def longer(found: Any, issuer: Any, now: int) -> None:
        judge(found, issuer._replace(max_life=10**6), now)

    patch.setattr(claims, "_check_times", longer)


def late_clients(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stage, "RENEW", 400)


@pytest.mark.parametrize(  # a break or two each time, all of them every night
    ("mutation", "guard"),
    [
        pytest.param(generous, "an ended token is served 30 s after its end or later", marks=pytest.mark.nightly),
        pytest.param(strict, "a token is refused before its end", marks=pytest.mark.nightly),
        pytest.param(kept_for_ever, "an ended token is served 30 s after its end or later", marks=pytest.mark.nightly),
        (any_life, "a life of 901 s is served"),
        pytest.param(late_clients, "failed requests of clients that renew in time", marks=pytest.mark.nightly),
    ],
)
def test_a_broken_verifier_fails_the_drill(
    quick: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None], guard: str
) -> None:
    mutation(quick)
    assert guard in broken(token_expiry.drill(plan()))
