"""The keys of an issuer through an outage, a rotation and steps of the clock."""

from __future__ import annotations

import json

import pytest

from stella.tenancy.errors import KeySetUnreachable, TokenKeyUnknown
from stella.tenancy.jwks import HARD, SOFT, Answer, KeyCache
from stella.tenancy.model import ASKED, FETCHED, Presented
from stella.testing import counted_entropy
from tests.unit.tenancy.endpoint import World
from tests.unit.tenancy.issued import ED, ES, ISSUER, OTHER, token, verifier


def test_fresh_keys_cost_one_download() -> None:
    world = World(ES, ED)
    for _ in range(100):
        assert world.cache.get(ES.kid).key.thumbprint == ES.kid
        assert world.cache.get(ED.kid).key.thumbprint == ED.kid
    world.clock.pass_time(SOFT - 1)
    world.cache.get(ES.kid)
    assert world.endpoint.downloads == 1
    assert world.counted["jwks_cache_requests_total hit"] == 200
    assert {f"jwks_cache_requests_total {result}" for result in ASKED} <= world.counted.keys()
    assert {f"jwks_fetch_total {result}" for result in FETCHED} <= world.counted.keys()
    assert world.counted["jwks_cache_requests_total miss"] == 1
    assert world.counted["jwks_fetch_total ok"] == 1
    assert world.gauges == {"jwks_cache_age_seconds": 0, "jwks_keys": 2}
    assert world.events == []


def test_stale_keys_answer_at_once_and_are_refreshed_behind() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    world.clock.pass_time(SOFT)
    for _ in range(50):
        assert world.cache.get(ES.kid).key.thumbprint == ES.kid
    assert world.endpoint.downloads == 1
    assert len(world.behind) == 1
    world.run_behind()
    assert world.endpoint.downloads == 2
    world.cache.get(ES.kid)
    assert not world.behind
    assert world.cache.age() == 0


def test_fifty_tokens_through_an_outage_cost_one_download() -> None:
    world = World(ES)
    asked = verifier(world.cache, world.clock)
    asked.verify(Presented(token(jti="first", exp=world.clock.reading.wall + 900)))
    world.endpoint.fail()
    world.clock.pass_time(SOFT)
    before = world.endpoint.downloads
    for number in range(50):
        asked.verify(Presented(token(jti=f"token-{number}", exp=world.clock.reading.wall + 300)))
        world.run_behind()
    assert world.endpoint.downloads - before == 1
    assert world.events == [("auth.degraded", "Key set at https://issuer.example/jwks was not fetched: status 503")]


def test_an_outage_is_told_once_and_so_is_its_end() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    world.endpoint.fail()
    for _ in range(60):  # ten minutes
        world.clock.pass_time(10)
        world.cache.get(ES.kid)
        world.run_behind()
    assert [event for event, _ in world.events] == ["auth.degraded"]
    assert 3 <= world.endpoint.downloads <= 8, "the delay between attempts grows"
    world.endpoint.fault = None
    for _ in range(40):
        world.clock.pass_time(10)
        world.cache.get(ES.kid)
        world.run_behind()
    assert [event for event, _ in world.events] == ["auth.degraded", "auth.recovered"]
    assert (
        world.counted["jwks_fetch_total failed"]
        == world.endpoint.downloads
        - world.counted["jwks_fetch_total ok"]
        - (world.counted["jwks_fetch_total unchanged"])
    )


def test_keys_expire_when_an_outage_lasts_and_come_back_with_the_issuer() -> None:
    world = World(ES)
    found = world.cache.get(ES.kid)
    world.endpoint.fail()
    world.clock.pass_time(HARD - 1)
    world.cache.get(ES.kid)
    world.run_behind()
    assert found.until == world.clock.reading.boot_seconds + 1
    world.clock.pass_time(1)
    for _ in range(100):
        world.unknown(ES.kid)
    assert world.counted["jwks_cache_requests_total expired"] == 100
    assert world.endpoint.downloads <= 3, "who finds expired keys does not hammer the issuer"
    world.endpoint.fault = None
    world.clock.pass_time(600)
    assert world.cache.get(ES.kid).key.thumbprint == ES.kid
    assert world.events[-1][0] == "auth.recovered"


def test_a_start_without_the_issuer_refuses_and_tries_again_later() -> None:
    world = World(ES)
    world.endpoint.fail()
    for _ in range(100):
        world.unknown(ES.kid)
    assert world.endpoint.downloads == 1
    assert world.cache.age() is None
    assert world.cache.epoch == 0
    world.endpoint.fault = None
    world.clock.pass_time(10)
    assert world.cache.get(ES.kid).epoch == 1


@pytest.mark.parametrize(
    "fault",
    [
        OSError("no route"),
        ValueError("x"),
        RuntimeError("anything"),
        KeySetUnreachable(url="https://x.example", problem="status 302"),
    ],
    ids=repr,
)
def test_whatever_a_transport_raises_the_keys_stay(fault: Exception) -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    world.endpoint.fault = fault
    world.clock.pass_time(SOFT)
    world.cache.get(ES.kid)
    world.run_behind()
    assert world.cache.get(ES.kid).key.thumbprint == ES.kid
    assert [event for event, _ in world.events] == ["auth.degraded"]


def test_an_interrupted_download_holds_nobody_up() -> None:
    world = World(ES)
    world.endpoint.fault = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        world.cache.get(ES.kid)
    world.endpoint.fault = None
    world.clock.pass_time(10)
    assert world.cache.get(ES.kid).epoch == 1


SECRET_INSIDE = json.dumps({"keys": [ES.jwk(), {"kty": "EC", "crv": "P-256", "kid": "d", "d": "AAAA"}]}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"keys":[]}',
        b"x" * 1_000_000,
        json.dumps({"keys": [{"kty": "OKP", "kid": str(number)} for number in range(1000)]}).encode(),
        json.dumps({"keys": [ES.jwk(), ES.jwk()]}).encode(),
        SECRET_INSIDE,
        json.dumps({"keys": [{**ES.jwk(), "use": "enc"}]}).encode(),
    ],
    ids=["empty", "html", "no keys", "1 MB", "1000 keys", "duplicate", "private", "unusable"],
)
def test_a_set_that_cannot_be_used_changes_nothing(body: bytes) -> None:
    world = World(ES)
    epoch = world.cache.get(ES.kid).epoch
    world.endpoint.body = body
    world.clock.pass_time(SOFT)
    world.cache.get(ES.kid)
    world.run_behind()
    assert world.cache.get(ES.kid).epoch == epoch
    assert world.counted["jwks_fetch_total failed"] == 1
    assert [event for event, _ in world.events] == ["auth.degraded"]
    assert "AAAA" not in world.events[0][1]


def test_a_key_that_was_dropped_is_gone_at_once() -> None:
    world = World(ES, ED)
    asked = verifier(world.cache, world.clock)
    kept = Presented(token(ES, exp=world.clock.reading.wall + 900))
    asked.verify(kept)
    world.endpoint.keys = [ED]
    world.clock.pass_time(SOFT)
    world.cache.get(ED.kid)
    world.run_behind()
    with pytest.raises(TokenKeyUnknown):
        asked.verify(kept)
    assert world.gauges["jwks_keys"] == 1


def test_the_epoch_moves_with_the_keys_alone() -> None:
    world = World(ES)
    assert world.cache.get(ES.kid).epoch == 1
    for change, epoch in (([ES], 1), ([ES, ED], 2), ([ED, ES], 2), ([ES], 3), ([ES], 3)):
        world.endpoint.keys = change
        world.clock.pass_time(SOFT)
        world.cache.get(ES.kid)
        world.run_behind()
        assert world.cache.epoch == epoch


def test_another_key_under_an_old_id_moves_the_epoch() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    world.endpoint.body = json.dumps({"keys": [OTHER.jwk() | {"kid": ES.kid}]}).encode()
    world.clock.pass_time(SOFT)
    world.cache.get(ES.kid)
    world.run_behind()
    assert world.cache.get(ES.kid).key.thumbprint == OTHER.kid
    assert world.cache.epoch == 2


def test_a_rotated_key_is_found_at_its_first_use() -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    world.endpoint.keys = [ES, ED]
    assert world.cache.get(ED.kid).key.thumbprint == ED.kid
    assert world.endpoint.downloads == 2


def test_etag_and_max_age_are_honoured_within_bounds() -> None:
    world = World(ES)
    world.endpoint.etag = '"one"'
    for said, fresh in ((None, 300), (0, 60), (5, 60), (600, 600), (10**9, 3600)):
        world.endpoint.max_age = said
        world.clock.pass_time(4000)
        world.cache.get(ES.kid)
        world.run_behind()
        downloads = world.endpoint.downloads
        world.clock.pass_time(fresh - 1)
        world.cache.get(ES.kid)
        assert not world.behind
        world.clock.pass_time(1)
        world.cache.get(ES.kid)
        assert len(world.behind) == 1
        world.run_behind()
        assert world.endpoint.downloads == downloads + 1
    assert world.endpoint.etags[0] == ""
    assert set(world.endpoint.etags[1:]) == {'"one"'}
    assert world.cache.epoch == 1
    assert world.counted["jwks_fetch_total unchanged"] == world.endpoint.downloads - 1


def test_unchanged_to_somebody_who_knows_nothing_is_a_failure() -> None:
    world = World(ES)
    cache = KeyCache(ISSUER, lambda _: Answer(None), world.clock, counted_entropy("x"))
    with pytest.raises(TokenKeyUnknown):
        cache.get(ES.kid)


@pytest.mark.parametrize("step", [-(10**6), 10**6])
def test_a_step_of_the_wall_clock_changes_nothing(step: int) -> None:
    world = World(ES)
    world.cache.get(ES.kid)
    world.clock.set_wall(world.clock.reading.wall + step)
    world.cache.get(ES.kid)
    assert not world.behind
    assert world.cache.age() == 0
