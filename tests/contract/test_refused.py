"""What is refused to somebody is in the log of his tenant: to a client without its proof, to a holder without his."""

from __future__ import annotations

from typing import Any

import pytest

from stella.http.identity import Identity
from stella.identity.model import ClientMade
from stella.tenancy.errors import Refusal
from stella.tenancy.mint import SigningKey
from stella.testing import counted_entropy
from tests.database import postgres
from tests.identity import (
    ADDRESS,
    World,
    asked,
    credentials,
    identity,
    issuer_of,
    presented,
    proof_for,
    refused,
    world,
)
from tests.tenants import guarded

__all__ = ["guarded", "identity", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

KEY = SigningKey.generate(counted_entropy("client"), "ES256")
THIEF = SigningKey.generate(counted_entropy("thief"), "ES256")
EVENT = ("client.refuse", "denied")


def wrong(name: str, **form: str) -> Any:
    return asked(grant_type="client_credentials", client_id=name, client_secret="x", **form)


def test_a_wrong_secret_is_in_the_log_of_its_tenant(world: World, identity: Identity) -> None:
    world.client("ci")
    issuer = issuer_of(identity)
    for name in ("acme.ci", "acme.nobody"):  # the log does not tell who is there either
        assert refused(lambda name=name: issuer.token(wrong(name))) == "invalid_client"
        assert refused(lambda name=name: issuer.revoke(wrong(name, token="x"))) == "invalid_client"
    assert world.events("acme").count(EVENT) == 4
    for name in ("nobody.ci", "../ci", "x" * 300):
        assert refused(lambda name=name: issuer.token(wrong(name))) == "invalid_client"
    assert [reason for reason, _ in world.denied] == ["client.refuse"] * 3
    assert refused(lambda: issuer.token(asked(grant_type="client_credentials"))) == "invalid_client"
    assert world.events("acme").count(EVENT) == 4


def test_a_flood_of_them_is_no_flood_of_events(world: World, identity: Identity) -> None:
    world.client("ci")
    found = [refused(lambda: issuer_of(identity).token(wrong("acme.ci"))) for _ in range(15)]
    assert found.count("slow_down") == 5
    assert world.events("acme").count(EVENT) == 10


def bound(world: World, identity: Identity, made: ClientMade) -> str:
    proof = proof_for(KEY, "POST", f"{ADDRESS}/token", world.clock.read().wall, jti="first")
    token: str = issuer_of(identity).token(credentials(made)._replace(proofs=(proof,)))["access_token"]
    return token


def test_who_is_refused_with_a_token_that_is_good_by_itself_is_known(world: World, identity: Identity) -> None:
    """Somebody has a stolen token: whose it is should be told."""
    made, now = world.client("ci"), world.clock.read().wall
    token = bound(world, identity, made)
    stolen = proof_for(THIEF, "GET", f"{ADDRESS}/v1/jobs", now, token=token, jti="p1")
    revoked = issuer_of(identity).token(credentials(made))["access_token"]
    secret = made.secret or ""
    issuer_of(identity).revoke(asked("/revoke", client_id=made.client_id, client_secret=secret, token=revoked))
    for given in (presented(token), presented(token, dpop=stolen), presented(revoked)):
        with pytest.raises(Refusal):
            identity.verify(given)
        assert given.known is not None
        assert (given.known.name, given.known.tenant) == ("acme.ci", "acme")
        assert given.verified is None


def test_a_token_that_is_not_good_says_of_nobody(world: World, identity: Identity) -> None:
    token = issuer_of(identity).token(credentials(world.client("ci")))["access_token"]
    given = presented(token[:-4] + "AAAA")
    with pytest.raises(Refusal):
        identity.verify(given)
    assert given.known is None
