"""A service of a sealed site: issuers and revocation lists from its trust folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stella.http.identity import Identity
from stella.kernel.errors import StellaError
from stella.signing.keys import PrivateKey
from stella.tenancy.errors import TokenExpired, TokenIssuer, TokenKeyUnknown, TokenRevoked, TokenTenantMismatch
from stella.tenancy.mint import SigningKey
from stella.tenancy.revocation import Revocation, RevocationList, sign_list
from stella.testing import counted_entropy
from tests.database import postgres
from tests.identity import ADDRESS, World, presented, world
from tests.tenants import guarded
from tests.unit.tenancy.issued import claims

__all__ = ["guarded", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

HUB = "https://hub.example"
KEY = SigningKey.generate(counted_entropy("hub"), "EdDSA")
REVOKER = PrivateKey.generate(counted_entropy("revoker"))
STRANGER = PrivateKey.generate(counted_entropy("stranger"))
DAY = 86_400


@pytest.fixture
def trust(world: World, tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    (folder / "revocations").mkdir(parents=True)
    put(folder)
    world.settings = msgspec.structs.replace(world.settings, trust=str(folder))
    return folder


def put(folder: Path, *others: dict[str, Any], **more: Any) -> None:
    one = {
        "issuer": HUB,
        "valid_to": "2026-02-01T00:00:00Z",
        "max_life": 7 * DAY,
        "tenants": ["acme"],
        "jwks": {"keys": [KEY.jwk()]},
        "revocation_keys": [REVOKER.public.to_base64()],
    }
    document = {"schema": "stella.issuers@1", "issuers": [one | more, *others]}
    (folder / "issuers.json").write_text(json.dumps(document))


def token(world: World, **changes: Any) -> str:
    now = world.clock.read().wall
    found = claims(iss=HUB, sub="operator", exp=now + DAY, iat=now, nbf=now) | changes
    return KEY.sign({"typ": "at+jwt", "alg": KEY.alg, "kid": KEY.kid}, json.dumps(found).encode())


def revoke(folder: Path, number: int, *ids: str, key: PrivateKey = REVOKER, issuer: str = HUB, name: str = "") -> None:
    entries = tuple(Revocation("token", each, 2**40, 2**40) for each in ids)
    listed = RevocationList(issuer=issuer, number=number, issued=1, entries=entries)
    (folder / "revocations" / f"{name or number}.json").write_bytes(sign_list(listed, [key]))


def look(identity: Identity) -> None:
    assert identity._carried is not None
    identity._carried.look()


def test_a_token_that_lives_for_days_is_good_without_a_network(world: World, trust: Path) -> None:
    assert trust
    identity, text = world.identity(), token(world)
    who = identity.verify(presented(text))
    assert (who.name, who.tenant) == ("operator", "acme")
    with pytest.raises(TokenTenantMismatch):
        identity.verify(presented(token(world, tid="default")))
    with pytest.raises(TokenIssuer):
        identity.verify(presented(token(world, iss="https://other.example")))
    world.clock.pass_time(DAY + 60)
    with pytest.raises(TokenExpired):
        identity.verify(presented(text))
    world.clock.pass_time(30 * DAY)
    with pytest.raises(TokenKeyUnknown):
        identity.verify(presented(token(world)))


def test_a_list_counts_when_it_is_put_there_and_from_the_start(world: World, trust: Path) -> None:
    identity, one, two = world.identity(), token(world, jti="one"), token(world, jti="two")
    identity.verify(presented(one))
    revoke(trust, 2, "one")
    look(identity)
    for asked in (identity, world.identity()):
        with pytest.raises(TokenRevoked):
            asked.verify(presented(one))
        assert asked.verify(presented(two)).name == "operator"
    revoke(trust, 1, "two")  # an older one may lie there, and changes nothing
    look(identity)
    assert identity.verify(presented(two)).name == "operator"
    revoke(trust, 3, "one", "two")
    look(identity)
    with pytest.raises(TokenRevoked):
        identity.verify(presented(two))


BAD: dict[str, Callable[[Path], object]] = {
    "by a stranger": lambda folder: revoke(folder, 9, "one", key=STRANGER),
    "for another issuer": lambda folder: revoke(folder, 9, "one", issuer=ADDRESS),
    "no envelope": lambda folder: (folder / "revocations/9.json").write_text("{}"),
    "no file": lambda folder: (folder / "revocations/9.json").mkdir(),
    "cut off": lambda folder: (
        revoke(folder, 9, "one"),
        (folder / "revocations/9.json").write_bytes((folder / "revocations/9.json").read_bytes()[:-20]),
    ),
}


@pytest.mark.parametrize("how", BAD)
def test_a_list_that_cannot_be_used_is_told_once_and_holds_no_other_back(world: World, trust: Path, how: str) -> None:
    identity, text = world.identity(), token(world, jti="one")
    BAD[how](trust)
    revoke(trust, 1, "two", name="a later name")
    with pytest.raises(StellaError):
        look(identity)
    assert identity.verify(presented(text)).name == "operator"
    with pytest.raises(TokenRevoked):
        identity.verify(presented(token(world, jti="two")))
    look(identity)
    with pytest.raises(StellaError):
        world.identity()  # a start says so at once


@pytest.mark.parametrize(
    "more",
    [
        {"issuer": ADDRESS},
        {"issuer": "https://idp.example"},
        {"revocation_keys": ["x"]},
        {"revocation_keys": [REVOKER.public.to_base64()] * 17},
        {"valid_to": "never"},
        {"max_life": 8 * DAY},
        {"unknown": 1},
    ],
    ids=lambda more: ascii(more)[:40],
)
def test_a_document_that_cannot_be_used_stops_the_start(world: World, trust: Path, more: dict[str, Any]) -> None:
    world.settings = msgspec.structs.replace(world.settings, issuers="https://idp.example audience=x")
    put(trust, **more)
    with pytest.raises(StellaError):
        world.identity()


def test_no_document_where_one_is_promised_stops_the_start(world: World, trust: Path) -> None:
    (trust / "issuers.json").unlink()
    with pytest.raises(StellaError, match=r"issuers\.json"):
        world.identity()
