"""Logging in with a device: what a person approves, and what the device gets for it."""

from __future__ import annotations

from typing import Any

import pytest

from stella.http.identity import Identity
from stella.identity import attempts, device, principals, tenants
from stella.identity.asked import Asked
from stella.identity.model import DisablePrincipal, NameTenant, StopTenant
from stella.tenancy.mint import SigningKey
from stella.testing import counted_entropy
from tests.database import postgres
from tests.identity import ADDRESS, WHY, World, asked, identity, issuer_of, presented, proof_for, refused, world
from tests.tenants import guarded

__all__ = ["guarded", "identity", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]

KEY = SigningKey.generate(counted_entropy("client"), "ES256")


def begin(issuer: Any, **form: str) -> dict[str, Any]:
    found: dict[str, Any] = issuer.authorize_device(asked("/device_authorization", client_id=device.CLIENT, **form))
    return found


def poll(code: str) -> Asked:
    return asked(grant_type=device.GRANT, client_id=device.CLIENT, device_code=code)


def test_a_person_logs_in(world: World, identity: Identity) -> None:
    issuer, ada = issuer_of(identity), world.principal("ada", "mirror:read", "site:read")
    begun = begin(issuer, scope="mirror:read site:admin")
    assert begun["verification_uri_complete"] == f"{ADDRESS}/device?user_code={begun['user_code']}"
    assert refused(lambda: issuer.token(poll(begun["device_code"]))) == "authorization_pending"
    assert refused(lambda: issuer.token(poll(begun["device_code"]))) == "slow_down"
    world.clock.pass_time(device.INTERVAL)
    shown = issuer.waiting(begun["user_code"].lower().replace("-", " "), "203.0.113.9")
    assert shown is not None
    assert (shown.scopes, shown.address) == (("mirror:read", "site:admin"), "192.0.2.1")
    assert issuer.approve(begun["user_code"], "acme.ada", "wrong", "203.0.113.9") is None
    assert issuer.approve(begun["user_code"], "acme.eve", ada.secret, "203.0.113.9") is None
    assert issuer.approve("BBBB-BBBB", "acme.ada", ada.secret, "203.0.113.9") is None
    who = issuer.approve(begun["user_code"], "acme.ada", ada.secret, "203.0.113.9")
    assert who is not None
    assert who.scopes == frozenset({"mirror:read"})
    found = issuer.token(poll(begun["device_code"]))
    assert found["scope"] == "mirror:read"
    assert identity.verify(presented(found["access_token"])).name == "acme.ada"
    assert refused(lambda: issuer.token(poll(begun["device_code"]))) == "invalid_grant"
    assert issuer.approve(begun["user_code"], "acme.ada", ada.secret, "203.0.113.9") is None
    assert {("device.approve", "success"), ("device.refuse", "denied")} <= set(world.events("acme"))


def test_a_login_ends_with_its_time(world: World, identity: Identity) -> None:
    issuer, ada = issuer_of(identity), world.principal("ada")
    begun = begin(issuer)
    world.clock.pass_time(device.LIFE)
    assert refused(lambda: issuer.token(poll(begun["device_code"]))) == "expired_token"
    assert issuer.approve(begun["user_code"], "acme.ada", ada.secret, "x") is None
    begin(issuer)
    assert world.guarded.execute("SELECT count(*) FROM identity.device_codes").fetchone() == (1,)


def test_nothing_in_common_is_refused(world: World, identity: Identity) -> None:
    issuer, ada = issuer_of(identity), world.principal("ada", "mirror:read")
    begun = begin(issuer, scope="site:read")
    assert refused(lambda: issuer.approve(begun["user_code"], "acme.ada", ada.secret, "x")) == "invalid_scope"


def test_who_is_disabled_meanwhile_gets_nothing(world: World, identity: Identity) -> None:
    issuer, ada = issuer_of(identity), world.principal("ada")
    begun = begin(issuer)
    assert issuer.approve(begun["user_code"], "acme.ada", ada.secret, "x") is not None
    principals.disable(world.context("acme"), DisablePrincipal("ada"))
    assert refused(lambda: issuer.token(poll(begun["device_code"]))) == "invalid_grant"


@pytest.mark.parametrize("how", ["principal", "tenant"])
def test_what_takes_tokens_back_takes_back_a_login_that_waits(world: World, identity: Identity, how: str) -> None:
    """Approved by somebody who had the secret then; that whoever it is may act again is no reason to let him in."""
    issuer, ada, ctx = issuer_of(identity), world.principal("ada"), world.context()
    begun = begin(issuer)
    assert issuer.approve(begun["user_code"], "acme.ada", ada.secret, "x") is not None
    world.clock.pass_time(60)
    if how == "principal":
        principals.disable(world.context("acme"), DisablePrincipal("ada"))
        principals.disable(world.context("acme"), DisablePrincipal("ada", undo=True))
    else:
        tenants.suspend(ctx, StopTenant("acme", **WHY))
        tenants.resume(ctx, NameTenant("acme"))
    world.clock.pass_time(60)
    assert refused(lambda: issuer.token(poll(begun["device_code"]))) == "invalid_grant"
    again = begin(issuer)
    assert issuer.approve(again["user_code"], "acme.ada", ada.secret, "x") is not None
    assert issuer.token(poll(again["device_code"]))["token_type"] == "Bearer"


def test_codes_cannot_be_guessed_for_long(world: World, identity: Identity) -> None:
    issuer = issuer_of(identity)
    assert world
    for _ in range(attempts.BURST):
        assert issuer.waiting("BCDF-GHJK", "203.0.113.9") is None
    assert refused(lambda: issuer.waiting("BCDF-GHJK", "203.0.113.9")) == "slow_down"
    for number in range(attempts.BURST):  # whoever has one line has many addresses
        assert issuer.waiting("BCDF-GHJK", f"2001:db8:0:7::{number:x}") is None
    assert refused(lambda: issuer.waiting("BCDF-GHJK", "2001:db8:0:7:ffff::1")) == "slow_down"
    assert issuer.waiting("BCDF-GHJK", "2001:db8:0:8::1") is None


def test_logins_that_wait_are_bounded(world: World, identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "MOST", 2)
    issuer = issuer_of(identity)
    assert world
    begin(issuer)
    begin(issuer)
    assert refused(lambda: begin(issuer)) == "temporarily_unavailable"


def test_a_login_of_a_bound_device(world: World, identity: Identity) -> None:
    issuer, ada, now = issuer_of(identity), world.principal("ada"), world.clock.read().wall
    proof = proof_for(KEY, "POST", f"{ADDRESS}/device_authorization", now, jti="d1")
    form = asked("/device_authorization", client_id=device.CLIENT)._replace(proofs=(proof,))
    begun = issuer.authorize_device(form)
    assert issuer.approve(begun["user_code"], "acme.ada", ada.secret, "x") is not None
    assert refused(lambda: issuer.token(poll(begun["device_code"]))) == "invalid_grant"  # another device has the code
    again = proof_for(KEY, "POST", f"{ADDRESS}/token", now, jti="d2")
    assert issuer.token(poll(begun["device_code"])._replace(proofs=(again,)))["token_type"] == "DPoP"
