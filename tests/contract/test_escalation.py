"""Nobody gets more than was given to him: by what a provider writes into a token, or by what one grants to another."""

from __future__ import annotations

import pytest

from stella.http.identity import Identity
from stella.identity import clients, principals, secret
from stella.identity.errors import ScopeNotOwn
from stella.identity.model import CreateClient, CreatePrincipal, RotateClient
from stella.tenancy.errors import TokenRevoked
from stella.tenancy.mint import Grant, mint
from tests.database import postgres
from tests.identity import ADDRESS, WHY, World, credentials, identity, issuer_of, presented, world
from tests.tenants import guarded

__all__ = ["guarded", "identity", "postgres", "world"]  # fixtures
pytestmark = [pytest.mark.network]


@pytest.mark.parametrize(
    ("tenant", "subject", "counting"),
    [
        ("acme", "acme.eve", {"mirror:read"}),
        ("default", "default.eve", {"mirror:read", "tenant:read", "issuer:rotate", "service:watch"}),
        ("default", "default.policy-engine", {"mirror:read", "tenant:read", "issuer:rotate", "service:watch"}),
    ],
)
def test_a_token_carries_no_scope_that_could_not_be_granted(
    world: World, identity: Identity, tenant: str, subject: str, counting: set[str]
) -> None:
    """Whoever signed it: a provider that is believed for one tenant does not run the installation."""
    signs = identity._keyring and identity._keyring.signer(world.clock.read().wall)
    assert signs is not None
    asked = frozenset({"mirror:read", "tenant:read", "issuer:rotate", "service:watch", "advisory:read"})
    grant = Grant(issuer=ADDRESS, subject=subject, audience="stella", tenant=tenant, client="x", scopes=asked, ttl=300)
    token = mint(signs, grant, world.clock.read().wall, world.entropy)
    assert identity.verify(presented(token)).scopes == counting


def test_nobody_grants_what_he_does_not_have(world: World) -> None:
    acme = world.context("acme", "principal:write", "client:write", "mirror:read", name="acme.ada")
    assert principals.create(acme, CreatePrincipal("eve", ("mirror:read",))).scopes == ("mirror:read",)
    assert clients.create(acme, CreateClient("ci", ("client:write",))).scopes == ("client:write",)
    with pytest.raises(ScopeNotOwn):
        principals.create(acme, CreatePrincipal("mallory", ("mirror:read", "mirror:write")))
    with pytest.raises(ScopeNotOwn):
        clients.create(acme, CreateClient("mallory", ("audit:export",)))
    assert world.guarded.execute("SELECT count(*) FROM identity.names WHERE name = 'mallory'").fetchone() == (0,)


def test_who_runs_the_installation_grants_elsewhere_and_not_to_himself(world: World) -> None:
    runs = world.context("default", "tenant:write", "principal:write", "client:write", name="default.op")
    assert principals.create(runs, CreatePrincipal("ada", ("mirror:write",), tenant="acme")).tenant == "acme"
    for scopes in (("issuer:rotate",), ("mirror:write",)):
        with pytest.raises(ScopeNotOwn):
            clients.create(runs, CreateClient("mallory", scopes))


def test_nobody_takes_over_a_client_that_may_do_more(world: World) -> None:
    """A rotation shows the new secret to whoever asked for it."""
    made = world.client("ci", "mirror:read", "site:read")
    less = world.context("acme", "client:write", "mirror:read", name="acme.ada")
    with pytest.raises(ScopeNotOwn):
        clients.rotate(less, RotateClient("ci", **WHY))
    assert world.guarded.execute("SELECT count(*) FROM identity.revocations").fetchone() == (0,)
    enough = world.context("acme", "client:write", "mirror:read", "site:read", name="acme.ada")
    assert clients.rotate(enough, RotateClient("ci", **WHY)).secret not in {None, made.secret}


def test_a_rotation_while_the_old_secret_is_compared(
    world: World, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comparing takes long; what comes of it is from before the rotation, whatever the clock says then."""
    made, compare = world.client("ci"), secret.matches

    def meanwhile(given: str, kept: str) -> bool:
        clients.rotate(world.context("acme"), RotateClient("ci", **WHY))
        world.clock.pass_time(1)
        return compare(given, kept)

    monkeypatch.setattr(secret, "matches", meanwhile)
    token = issuer_of(identity).token(credentials(made))["access_token"]
    identity._look()
    with pytest.raises(TokenRevoked):
        identity.verify(presented(token))
