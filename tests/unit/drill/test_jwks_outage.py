"""The drill of an outage passes, and each property that it guards fails it when it is broken."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from stella.drill import jwks_outage
from stella.drill.endpoint import FAULTS
from stella.drill.model import Outcome
from stella.tenancy import fetch, jwks
from stella.tenancy.errors import KeySetUnreachable
from stella.tenancy.jwks import Answer, KeyCache
from tests.unit.drill.planned import broken, plan, quick

pytestmark = pytest.mark.network
__all__ = ["quick"]


def drilled(tenants: int = 7) -> Outcome:
    return jwks_outage.drill(plan(tenants), 120, "endpoint")


@pytest.mark.usefixtures("quick")
def test_nobody_notices_that_no_key_set_can_be_fetched() -> None:
    found = drilled(tenants=14)
    assert broken(found) == []
    names = [event.name for event in found.events]
    assert names.count("auth.degraded") == names.count("auth.recovered") == len(FAULTS) + 1
    assert names.count("alert.fired") == 1
    assert {event.detail.rpartition(" ")[2] for event in found.events if event.name == "outage.began"} == set(FAULTS)
    assert found.requests > 50_000


@pytest.mark.usefixtures("quick")
def test_fewer_tenants_than_faults_leave_some_out_and_it_is_said() -> None:
    found = drilled(tenants=2)
    assert broken(found) == []
    assert found.notes[0] == "not tried, for lack of tenants: slow, 500, garbage, redirect, huge"


def cleared(patch: pytest.MonkeyPatch) -> None:
    land = KeyCache._land

    def forgetful(self: KeyCache, flight: Any, result: str, problem: str) -> None:
        land(self, flight, result, problem)
        if problem:
            self._set = None

    patch.setattr(KeyCache, "_land", forgetful)


def lives(seconds: int) -> Callable[[pytest.MonkeyPatch], None]:
    def change(patch: pytest.MonkeyPatch) -> None:
        make = KeyCache.__init__

        def made(self: KeyCache, *words: Any, **named: Any) -> None:
            make(self, *words, **named | {"hard": seconds})

        patch.setattr(KeyCache, "__init__", made)

    return change


def told_each_time(patch: pytest.MonkeyPatch) -> None:
    land = KeyCache._land

    def again(self: KeyCache, flight: Any, result: str, problem: str) -> None:
        self._failures = 0 if problem else self._failures
        land(self, flight, result, problem)

    patch.setattr(KeyCache, "_land", again)


def told_never(patch: pytest.MonkeyPatch) -> None:
    make = KeyCache.__init__

    def made(self: KeyCache, *words: Any, **named: Any) -> None:
        make(self, *words, **named | {"told": jwks.tell_nobody})

    patch.setattr(KeyCache, "__init__", made)


def never_patient(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(jwks, "FIRST_DELAY", 0)


def expiry_not_counted(patch: pytest.MonkeyPatch) -> None:
    count = KeyCache._count
    patch.setattr(KeyCache, "_count", lambda self, result: None if result == "expired" else count(self, result))


def never_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KeyCache, "_refresh_behind", lambda *_: None)


def follows_redirects(patch: pytest.MonkeyPatch) -> None:
    fetch_once = fetch.KeyAddress.__call__

    def fetched(self: fetch.KeyAddress, etag: str) -> Answer:
        try:
            return fetch_once(self, etag)
        except KeySetUnreachable as error:
            if "status 302" not in error.message:
                raise
            with urllib.request.urlopen(self._url, timeout=5) as response:
                return Answer(response.read(), "", 60)

    patch.setattr(fetch.KeyAddress, "__call__", fetched)


@pytest.mark.parametrize(  # a break or two each time, all of them every night
    ("mutation", "guard"),
    [
        pytest.param(cleared, "failed requests while kept keys are valid", marks=pytest.mark.nightly),
        pytest.param(lives(60), "failed requests while kept keys are valid", marks=pytest.mark.nightly),
        pytest.param(lives(10**9), "with keys that expire: seconds until the first refusal", marks=pytest.mark.nightly),
        pytest.param(
            told_each_time, "events auth.degraded and auth.recovered per issuer, most", marks=pytest.mark.nightly
        ),
        pytest.param(
            told_never, "events auth.degraded and auth.recovered per issuer, fewest", marks=pytest.mark.nightly
        ),
        pytest.param(never_patient, "downloads that failed at one issuer, most", marks=pytest.mark.nightly),
        pytest.param(
            expiry_not_counted, "with keys that expire: alert jwks_cache_expired fired", marks=pytest.mark.nightly
        ),
        (never_behind, "downloads that failed at one issuer, fewest"),
        pytest.param(follows_redirects, "redirects followed", marks=pytest.mark.nightly),
    ],
)
def test_a_broken_cache_fails_the_drill(
    quick: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None], guard: str
) -> None:
    mutation(quick)
    assert guard in broken(drilled())
