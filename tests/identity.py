"""A database with tenants, principals and clients, and an issuer over it, without a network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from stella import bootstrap
from stella.http.auth import Presented
from stella.http.identity import Identity
from stella.identity import clients, erasure, principals, tenants
from stella.identity.asked import Asked
from stella.identity.issuer import Issuer
from stella.identity.model import ClientMade, CreateClient, CreatePrincipal, CreateTenant, PrincipalMade, StopTenant
from stella.identity.refusals import Refused
from stella.kernel.tenant import DEFAULT_TENANT
from stella.operations import EVERY_SCOPE, Context, Principal
from stella.runtime.connections import Connections
from stella.runtime.errors import SecretMissing
from stella.runtime.settings import IdentitySettings, Settings
from stella.runtime.transaction import Duty
from stella.tenancy.binding import token_hash
from stella.tenancy.mint import SigningKey
from stella.testing import ManualClock, SilentProgress, counted_entropy
from tests.tenants import Guarded

ADDRESS = "http://127.0.0.1:8400"
KEY = base64.b64encode(b"k" * 32)
PASSPHRASE = b"only for tests, long enough"
SCHEMAS = ("audit", "identity", "service", "mirror", "site", "policy")
GRACE = 30 * 24 * 3600  # seconds; the default
WHY = {"reason": "a test", "ticket": "T-1"}
SIGNS, WRAPS, OPENS = Settings().audit.key, Settings().audit.wrap_key, Settings().identity.passphrase
SECRETS = {SIGNS: KEY, WRAPS: KEY, OPENS: PASSPHRASE}


class World:
    """A migrated database as an installation has it, and who works there."""

    def __init__(self, guarded: Guarded) -> None:
        self.guarded = guarded
        self.clock = ManualClock()
        self.secrets: dict[str, bytes] = dict(SECRETS)
        self.settings = IdentitySettings()
        self.entropy = counted_entropy("world")
        self.denied: list[tuple[str, Mapping[str, object]]] = []
        self._duties: list[Duty] = []

    def context(self, tenant: str = DEFAULT_TENANT, *scopes: str, name: str = "operator") -> Context:
        """An operation of somebody with these scopes, with all of them where none is named."""
        return Context(
            self.clock,
            self.entropy,
            SilentProgress(),
            Settings(identity=self.settings),
            self.secret,
            "operator",
            database=lambda: self.guarded.tenants,
            principal=Principal(name, frozenset(scopes or {EVERY_SCOPE}), tenant),
            duties=self.duty,
            scopes=bootstrap.every_scope,
        )

    def duty(self, role: str) -> Duty:
        made = Duty(Connections(self.guarded.login(role)), role)
        self._duties.append(made)
        return made

    def secret(self, reference: str) -> bytes:
        if reference not in self.secrets:
            raise SecretMissing(reference=reference, name=reference)
        return self.secrets[reference]

    def tenant(self, tenant: str) -> None:
        tenants.create(self.context(), CreateTenant(tenant))

    def principal(self, name: str, *scopes: str, tenant: str = "acme") -> PrincipalMade:
        return principals.create(self.context(), CreatePrincipal(name, scopes or ("mirror:read",), tenant=tenant))

    def client(self, name: str, *scopes: str, tenant: str = "acme", **more: Any) -> ClientMade:
        return clients.create(self.context(), CreateClient(name, scopes or ("mirror:read",), tenant=tenant, **more))

    def identity(self) -> Identity:
        """The identity of a service that is not started: it looks when `_look` is called."""
        return Identity(self.context(), ADDRESS, lambda reason, facts: self.denied.append((reason, facts)))

    def events(self, tenant: str) -> list[tuple[str, str]]:
        """Actions and outcomes in the audit log of a tenant, oldest first."""
        rows = self.guarded.execute(
            "SELECT action, outcome FROM audit.events WHERE tenant_id = %s ORDER BY id", [tenant]
        )
        return [(str(action), str(outcome)) for action, outcome in rows.fetchall()]

    def close(self) -> None:
        for duty in self._duties:
            duty.close()


@pytest.fixture
def world(guarded: Guarded) -> Iterator[World]:
    """An installation with the tenant `acme` beside the default one."""
    for schema in SCHEMAS:
        guarded.migrate(schema)
    made = World(guarded)
    made.tenant("acme")
    try:
        yield made
    finally:
        made.close()


def issuer_of(identity: Identity) -> Issuer:
    assert identity.endpoints is not None
    return identity.endpoints._issuer


def asked(path: str = "/token", address: str = "192.0.2.1", authorization: str = "", **form: str) -> Asked:
    """A form as an endpoint gets it."""
    return Asked(form, f"{ADDRESS}{path}", address, authorization)


def credentials(made: ClientMade, **form: str) -> Asked:
    """A request for a token with the secret of a client."""
    return asked(grant_type="client_credentials", client_id=made.client_id, client_secret=made.secret or "", **form)


def presented(token: str, method: str = "GET", path: str = "/v1/jobs", **headers: str) -> Presented:
    """A request with a token, as the service sees it."""
    scheme = "DPoP" if "dpop" in headers else "Bearer"
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Presented(f"{scheme} {token}".encode(), {"method": method, "path": path, "headers": pairs}, wait=True)


def proof_for(key: SigningKey, method: str, url: str, now: int, *, jti: str, token: str = "") -> str:
    """A DPoP proof."""
    claims = {"jti": jti, "htm": method, "htu": url, "iat": now} | ({"ath": token_hash(token)} if token else {})
    public = {name: value for name, value in key.jwk().items() if name in {"kty", "crv", "x", "y"}}
    return key.sign({"typ": "dpop+jwt", "alg": key.alg, "jwk": public}, json.dumps(claims).encode())


@pytest.fixture
def identity(world: World) -> Identity:
    return world.identity()


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.error


def fill(world: World) -> None:
    """The same things for two tenants."""
    world.tenant("beta")
    for tenant in ("acme", "beta"):
        world.principal("ada", tenant=tenant)
        world.client("ci", tenant=tenant)
        world.guarded.execute(
            "INSERT INTO service.answers (tenant_id, principal, operation, key, digest, state, changed)"
            " VALUES (%s, 'x', 'y', 'z', 'd', 'answered', 1)",
            [tenant],
        )


def rows_of(world: World, tenant: str) -> dict[str, str]:
    """A digest of each table's rows of a tenant, as the superuser sees them."""
    names = world.guarded.execute("SELECT target::text FROM tenancy.protected ORDER BY 1").fetchall()
    found = {}
    for (name,) in names:
        rows = world.guarded.execute(f"SELECT t::text FROM {name} t WHERE tenant_id = %s ORDER BY 1", [tenant])
        found[str(name)] = hashlib.sha256(repr(rows.fetchall()).encode()).hexdigest()
    return found


def erase(world: World) -> list[str]:
    """Delete a tenant and let its grace period pass; who was erased."""
    tenants.delete(world.context(), StopTenant("acme", **WHY))
    world.clock.pass_time(GRACE)
    return erasure.sweep(world.context())
