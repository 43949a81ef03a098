"""The keys of an issuer under a flood of unknown key ids, and under many threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.tenancy import jwks
from stella.tenancy.errors import TokenKeyUnknown
from stella.tenancy.flood import Absent, TokenBucket
from stella.tenancy.jwks import ABSENT, FEW_WAITING, INTERVAL, SOFT
from stella.tenancy.model import Pending
from tests.unit.tenancy.endpoint import World, in_threads
from tests.unit.tenancy.issued import ED, ES


def test_a_flood_of_unknown_ids_is_bounded() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    for number in range(20_000):
        world.unknown(f"kid-{number}")
    assert world.endpoint.downloads == 1 + 5
    assert len(world.cache._absent) <= 5
    for number in range(100):  # over 100 seconds: one each interval
        world.clock.pass_time(1)
        world.unknown(f"later-{number}")
    assert world.endpoint.downloads == 1 + 5 + 100 // INTERVAL
    assert world.cache.get(ES.kid).key.thumbprint == ES.kid


def test_a_key_rotated_during_a_flood_is_accepted_within_an_interval() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    for number in range(1000):
        world.unknown(f"kid-{number}")
    world.unknown(ED.kid)  # not published yet, and asked for while the allowance is used up
    world.endpoint.keys = [ES, ED]
    waited = 0
    while not has(world, ED.kid):
        world.clock.pass_time(1)
        waited += 1
        for number in range(50):  # strangers take what the allowance gives, and bring the whole set by that
            world.unknown(f"more-{waited}-{number}")
    assert waited <= INTERVAL
    assert world.endpoint.downloads == 7


def has(world: World, kid: str) -> bool:
    try:
        return world.cache.get(kid).key.thumbprint == kid
    except TokenKeyUnknown:
        return False


def test_a_flood_does_not_keep_a_scheduled_refresh_back() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    world.clock.pass_time(SOFT)
    for number in range(1000):
        with pytest.raises(TokenKeyUnknown):
            world.cache.get(f"kid-{number}")
    world.clock.pass_time(SOFT)
    world.endpoint.keys = [ES, ED]
    before = world.endpoint.downloads
    world.cache.get(ES.kid)
    world.run_behind()
    assert world.endpoint.downloads == before + 1
    assert world.cache.get(ED.kid).key.thumbprint == ED.kid


def test_one_unknown_id_does_not_use_up_the_allowance() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    for _ in range(1000):
        world.unknown("always-the-same")
    assert world.endpoint.downloads == 2
    assert world.counted["jwks_cache_requests_total negative"] == 999
    world.endpoint.keys = [ES, ED]
    assert world.cache.get(ED.kid).key.thumbprint == ED.kid
    world.clock.pass_time(30)
    world.unknown("always-the-same")
    assert world.endpoint.downloads == 4


def test_an_id_that_was_absent_is_found_when_a_refresh_brings_it() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    world.unknown(ED.kid)
    world.endpoint.keys = [ES, ED]
    world.unknown(ED.kid)  # remembered as absent
    world.unknown("another")  # brings the whole set
    assert world.cache.get(ED.kid).key.thumbprint == ED.kid


def test_a_download_that_failed_says_nothing_of_an_id() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    world.endpoint.fail()
    world.unknown(ED.kid)
    world.endpoint.fault = None
    world.endpoint.keys = [ES, ED]
    assert world.cache.get(ED.kid).key.thumbprint == ED.kid


def test_a_caller_that_may_not_wait_never_downloads() -> None:
    world = World(ES)
    with pytest.raises(Pending):
        world.cache.get(ES.kid, wait=False)
    assert world.endpoint.downloads == 0
    world.cache.get(ES.kid)
    assert world.cache.get(ES.kid, wait=False).epoch == 1
    with pytest.raises(Pending):
        world.cache.get("unknown", wait=False)
    for number in range(5):
        world.unknown(f"kid-{number}")
    with pytest.raises(TokenKeyUnknown):  # nothing is to be had by waiting
        world.cache.get("unknown", wait=False)
    with pytest.raises(TokenKeyUnknown):
        world.cache.get("kid-0", wait=False)
    assert world.endpoint.downloads == 6


def test_many_threads_at_a_cold_start_share_one_download() -> None:
    world = World(ES)
    world.endpoint.hold = threading.Event()
    found: list[object] = []
    threads = in_threads(32, lambda _: found.append(world.cache.get(ES.kid).epoch))
    world.endpoint.entered.wait(10)
    world.endpoint.hold.set()
    for thread in threads:
        thread.join()
    assert found == [1] * 32
    assert world.endpoint.downloads == 1


def test_a_flood_cannot_occupy_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "WAIT_SECONDS", 10)
    world = World(ES)
    world.cache.get(ES.kid)
    world.endpoint.entered.clear()
    world.endpoint.hold = threading.Event()
    refused: list[object] = []
    done = threading.Semaphore(0)

    def ask(number: int) -> None:
        try:
            world.cache.get(f"kid-{number}")
        except TokenKeyUnknown as error:
            refused.append(error)
        done.release()

    first = in_threads(1, ask)
    world.endpoint.entered.wait(10)
    threads = in_threads(100, ask)
    for _ in range(100 - FEW_WAITING):  # all but those who wait are answered while the download hangs
        assert done.acquire(timeout=10)
    assert world.cache._flight is not None
    assert world.cache._flight.waiting == FEW_WAITING
    assert world.cache.get(ES.kid).key.thumbprint == ES.kid
    with pytest.raises(TokenKeyUnknown):
        world.cache.get("late", wait=False)
    world.endpoint.hold.set()
    for thread in [*first, *threads]:
        thread.join()
    assert len(refused) == 101
    assert world.endpoint.downloads == 2


def test_no_thread_to_be_had_is_a_failed_refresh() -> None:
    def none_left(_: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    world = World(ES, start=none_left)
    world.cache.get(ES.kid)
    world.clock.pass_time(SOFT)
    assert world.cache.get(ES.kid).epoch == 1
    assert world.events == [("auth.degraded", "no thread can be started")]
    assert world.cache._flight is None


def test_real_threads_under_load_with_faults_and_rotation() -> None:
    world = World(ES, start=jwks.in_a_thread)
    stop, wrong = threading.Event(), []
    world.cache.get(ES.kid)

    def ask(number: int) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            try:
                if world.cache.get(ES.kid).key.thumbprint != ES.kid:
                    wrong.append("other key")
            except (TokenKeyUnknown, RuntimeError, KeyError) as error:
                wrong.append(repr(error))
            try:
                world.cache.get(f"kid-{number}-{turn}")
                wrong.append("found")
            except TokenKeyUnknown:
                pass

    threads = in_threads(6, ask)
    for turn in range(200):
        world.clock.pass_time(20)
        world.endpoint.fault = OSError() if turn % 3 == 0 else None
        world.endpoint.keys = [ES, ED] if turn % 2 else [ES]
        world.cache.get(ES.kid)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert world.endpoint.downloads <= 1 + 5 + 200 * 20 // INTERVAL + 200


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=200))
def test_an_allowance_is_never_exceeded(moves: list[tuple[int, bool]]) -> None:
    bucket, now, taken = TokenBucket(5, 10), 100, []
    for passed, wanted in moves:
        now += passed
        if wanted and bucket.take(now):
            taken.append(now)
    for at, first in enumerate(taken):
        for count, last in enumerate(taken[at:], 1):
            assert count <= 5 + (last - first) // 10 + 1


def test_an_allowance_refills_to_its_burst() -> None:
    bucket = TokenBucket(2, 10)
    assert [bucket.take(0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(9), bucket.take(10), bucket.take(10)] == [False, True, False]
    assert [bucket.take(1000) for _ in range(3)] == [True, True, False]


def test_absent_ids_are_forgotten_by_age_and_by_number() -> None:
    absent = Absent(ABSENT, 30)
    for number in range(5000):
        absent.add(f"kid-{number}", 0)
    assert len(absent) == ABSENT
    assert not absent.holds("kid-0", 0)
    assert absent.holds("kid-4999", 29)
    assert not absent.holds("kid-4999", 30)
