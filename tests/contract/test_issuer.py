"""The issuer on a real PostgreSQL: whom it gives a token, what the token is good for, and when it ends."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from stella.http.identity import Identity
from stella.identity import attempts, clients, device, erasure, signing, tenants
from stella.identity.asked import Asked
from stella.identity.assertion import KIND
from stella.identity.errors import TenantNotActive, WeakPassphrase, WrongPassphraseOfKeys
from stella.identity.model import (
    DeleteClient,
    NameTenant,
    RotateClient,
    RotateKey,
    ShowKeys,
    StopTenant,
)
from stella.identity.refusals import Refused
from stella.identity.rotation import KEPT, LEAD
from stella.kernel.errors import StellaError
from stella.runtime.errors import SecretMissing
from stella.tenancy.binding import certificate_thumbprint
from stella.tenancy.errors import TokenBinding, TokenExpired, TokenKeyUnknown, TokenRevoked, TokenTenantMismatch
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import Pending
from stella.testing import counted_entropy
from tests.database import postgres
from tests.identity import (
    ADDRESS,
    OPENS,
    PASSPHRASE,
    WHY,
    WRAPS,
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
DER = b"\x30\x03\x02\x01\x05"


def test_a_client_gets_a_token_that_counts(world: World, identity: Identity) -> None:
    made = world.client("ci", "mirror:read", "site:read")
    found = issuer_of(identity).token(credentials(made, scope="site:read"))
    assert (found["token_type"], found["expires_in"], found["scope"]) == ("Bearer", 300, "site:read")
    who = identity.verify(presented(found["access_token"]))
    assert (who.name, who.tenant, who.scopes) == ("acme.ci", "acme", frozenset({"site:read"}))
    assert ("token.issue", "success") in world.events("acme")
    world.clock.pass_time(331)
    with pytest.raises(TokenExpired):
        identity.verify(presented(found["access_token"]))


def test_a_token_is_that_of_rfc_9068(world: World, identity: Identity) -> None:
    found = issuer_of(identity).token(credentials(world.client("ci")))
    header, payload, _ = found["access_token"].split(".")
    head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload))
    keys = json.loads(issuer_of(identity).key_set())["keys"]
    assert head == {"typ": "at+jwt", "alg": "ES256", "kid": keys[0]["kid"]}
    assert claims.keys() == {"iss", "sub", "aud", "client_id", "tid", "scope", "iat", "nbf", "exp", "jti"}
    assert (claims["iss"], claims["aud"], claims["sub"], claims["tid"]) == (ADDRESS, "stella", "acme.ci", "acme")
    assert keys[0].keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}


def test_a_secret_by_basic(world: World, identity: Identity) -> None:
    made = world.client("ci")
    pair = base64.b64encode(f"{made.client_id}:{made.secret}".encode()).decode()
    found = issuer_of(identity).token(asked(authorization=f"Basic {pair}", grant_type="client_credentials"))
    assert identity.verify(presented(found["access_token"])).name == "acme.ci"


def test_no_scope_means_all_and_more_is_refused(world: World, identity: Identity) -> None:
    made = world.client("ci", "mirror:read", "site:read")
    issuer = issuer_of(identity)
    assert issuer.token(credentials(made))["scope"] == "mirror:read site:read"
    for scope in ("site:admin", "mirror:read site:admin", "*", "nothing:such", "mirror:read,site:read"):
        assert refused(lambda scope=scope: issuer.token(credentials(made, scope=scope))) == "invalid_scope"


FORMS: list[tuple[dict[str, str], str]] = [
    ({}, "invalid_request"),
    ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
    ({"grant_type": "client_credentials"}, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "acme.ci"}, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "acme.ci", "client_secret": "x"}, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "acme.nobody", "client_secret": "x"}, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "beta.ci", "client_secret": "x"}, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "", "client_secret": "x"}, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "../ci", "client_secret": "x"}, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "a" * 300 + ".ci", "client_secret": "x"}, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "\u0430cme.ci", "client_secret": "x"}, "invalid_client"),
    ({"grant_type": "client_credentials", "client_id": "acme.ci", "client_secret": "x" * 5000}, "invalid_client"),
    ({"grant_type": device.GRANT}, "invalid_client"),
    ({"grant_type": device.GRANT, "client_id": "acme.ci", "device_code": "x"}, "invalid_client"),
    ({"grant_type": device.GRANT, "client_id": device.CLIENT}, "invalid_request"),
    ({"grant_type": device.GRANT, "client_id": device.CLIENT, "device_code": "x"}, "invalid_grant"),
    ({"grant_type": device.GRANT, "client_id": device.CLIENT, "device_code": "\udcff"}, "invalid_grant"),
]


@pytest.mark.parametrize(("form", "error"), FORMS)
def test_a_form_that_is_refused(world: World, identity: Identity, form: dict[str, str], error: str) -> None:
    world.client("ci")
    assert refused(lambda: issuer_of(identity).token(asked(**form))) == error


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Bearer x", f"Basic {'A' * 9000}", "Basic YWJj", "x"])
def test_a_header_that_names_no_client(identity: Identity, header: str) -> None:
    form = asked(authorization=header, grant_type="client_credentials")
    assert refused(lambda: issuer_of(identity).token(form)) == "invalid_client"


def test_two_ways_at_once_are_refused(world: World, identity: Identity) -> None:
    made = world.client("ci")
    form = credentials(made, client_assertion="x", client_assertion_type=KIND)
    assert refused(lambda: issuer_of(identity).token(form)) == "invalid_request"
    pair = base64.b64encode(f"{made.client_id}:{made.secret}".encode()).decode()
    twice = credentials(made)._replace(authorization=f"Basic {pair}")
    assert refused(lambda: issuer_of(identity).token(twice)) == "invalid_request"


def test_attempts_are_counted_by_client_and_by_address(world: World, identity: Identity) -> None:
    made, issuer = world.client("ci"), issuer_of(identity)

    def wrong(address: str, name: str = "acme.ci") -> Asked:
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": "x"}
        return Asked(form, f"{ADDRESS}/token", address)

    for number in range(attempts.BURST):
        assert refused(lambda number=number: issuer.token(wrong(f"192.0.2.{number}"))) == "invalid_client"
    with pytest.raises(Refused) as caught:
        issuer.token(credentials(made))
    assert (caught.value.status, caught.value.headers["retry-after"]) == (429, str(attempts.INTERVAL))
    world.clock.pass_time(attempts.INTERVAL)
    assert issuer.token(credentials(made))["token_type"] == "Bearer"  # a right secret costs no attempt
    assert issuer.token(credentials(made))["token_type"] == "Bearer"
    for number in range(attempts.ADDRESS_BURST):
        assert refused(lambda number=number: issuer.token(wrong("198.51.100.7", f"acme.c{number}"))) == "invalid_client"
    assert refused(lambda: issuer.token(wrong("198.51.100.7", "acme.other"))) == "slow_down"


def assertion(**changes: Any) -> str:
    now = changes.pop("now")
    key = changes.pop("key", KEY)
    claims = {
        "iss": "acme.ci",
        "sub": "acme.ci",
        "aud": f"{ADDRESS}/token",
        "iat": now,
        "exp": now + 60,
        "jti": "one",
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return key.sign({"alg": key.alg, "typ": "JWT"}, json.dumps(claims).encode())


def by_key(text: str) -> Asked:
    return asked(grant_type="client_credentials", client_assertion=text, client_assertion_type=KIND)


def test_a_client_with_a_key(world: World, identity: Identity) -> None:
    world.client("ci", key=json.dumps(KEY.jwk()))
    now, issuer = world.clock.read().wall, issuer_of(identity)
    text = assertion(now=now)
    found = issuer.token(by_key(text))
    assert identity.verify(presented(found["access_token"])).name == "acme.ci"
    assert refused(lambda: issuer.token(by_key(text))) == "invalid_client"  # it is good once
    assert issuer.token(by_key(assertion(now=now, jti="two", aud=[ADDRESS])))["token_type"] == "Bearer"


BAD_ASSERTIONS: list[dict[str, Any]] = [
    {"aud": "https://other.example/token"},
    {"aud": [f"{ADDRESS}/token", "https://other.example"]},
    {"aud": []},
    {"exp": 1},
    {"exp": 10**400},
    {"exp": "9999999999"},
    {"exp": None},
    {"iat": 9_999_999_999},
    {"nbf": 9_999_999_999},
    {"iss": "acme.other"},
    {"sub": "acme.other"},
    {"jti": ""},
    {"jti": "x" * 129},
    {"jti": "a b"},
    {"jti": None},
    {"key": SigningKey.generate(counted_entropy("another"), "ES256")},
    {"key": SigningKey.generate(counted_entropy("ed"), "EdDSA")},
]


@pytest.mark.parametrize("changes", BAD_ASSERTIONS)
def test_an_assertion_that_proves_nothing(world: World, identity: Identity, changes: dict[str, Any]) -> None:
    world.client("ci", key=json.dumps(KEY.jwk()))
    text = assertion(now=world.clock.read().wall, **changes)
    assert refused(lambda: issuer_of(identity).token(by_key(text))) == "invalid_client"


def test_a_secret_does_not_stand_for_a_key(world: World, identity: Identity) -> None:
    world.client("ci", key=json.dumps(KEY.jwk()))
    jwk = json.dumps(KEY.jwk())
    form = asked(grant_type="client_credentials", client_id="acme.ci", client_secret=jwk)
    assert refused(lambda: issuer_of(identity).token(form)) == "invalid_client"
    form = asked(
        grant_type="client_credentials", client_id="acme.ci", client_assertion="a.b.c", client_assertion_type="x"
    )
    assert refused(lambda: issuer_of(identity).token(form)) == "invalid_request"


def test_an_assertion_does_not_stand_for_a_secret(world: World, identity: Identity) -> None:
    world.client("ci")
    text = assertion(now=world.clock.read().wall)
    assert refused(lambda: issuer_of(identity).token(by_key(text))) == "invalid_client"


def test_a_client_with_a_certificate(world: World, identity: Identity) -> None:
    world.client("ci", certificate=certificate_thumbprint(DER))
    form, issuer = asked(grant_type="client_credentials", client_id="acme.ci"), issuer_of(identity)
    found = issuer.token(form._replace(certificate=DER))
    with pytest.raises(TokenBinding):
        identity.verify(presented(found["access_token"]))
    assert refused(lambda: issuer.token(form._replace(certificate=DER + b"\0"))) == "invalid_client"
    assert refused(lambda: issuer.token(form)) == "invalid_client"


def test_a_token_bound_to_a_key(world: World, identity: Identity) -> None:
    made, issuer, now = world.client("ci"), issuer_of(identity), world.clock.read().wall
    proof = proof_for(KEY, "POST", f"{ADDRESS}/token", now, jti="p1")
    found = issuer.token(credentials(made)._replace(proofs=(proof,)))
    assert found["token_type"] == "DPoP"
    token = found["access_token"]
    with pytest.raises(TokenBinding):
        identity.verify(presented(token))
    good = proof_for(KEY, "GET", f"{ADDRESS}/v1/jobs", now, token=token, jti="p2")
    assert identity.verify(presented(token, dpop=good)).name == "acme.ci"
    for wrong in (
        good,  # used before
        proof_for(KEY, "GET", f"{ADDRESS}/v1/files", now, token=token, jti="p3"),
        proof_for(KEY, "GET", f"{ADDRESS}/v1/jobs", now, jti="p4"),  # for no token
        proof_for(SigningKey.generate(counted_entropy("x")), "GET", f"{ADDRESS}/v1/jobs", now, token=token, jti="p5"),
    ):
        with pytest.raises(TokenBinding):
            identity.verify(presented(token, dpop=wrong))


def test_a_proof_is_spent_once_though_its_tenant_is_new(world: World, identity: Identity) -> None:
    """Who asks is asked about twice when something has to be waited for; the proof must last for both."""
    made, issuer, now = world.client("ci"), issuer_of(identity), world.clock.read().wall
    proof = proof_for(KEY, "POST", f"{ADDRESS}/token", now, jti="p1")
    token = issuer.token(credentials(made)._replace(proofs=(proof,)))["access_token"]
    identity._standing._states = {}
    given = presented(token, dpop=proof_for(KEY, "GET", f"{ADDRESS}/v1/jobs", now, token=token, jti="p2"))
    given.wait = False
    with pytest.raises(Pending):
        identity.verify(given)
    given.wait = True
    assert identity.verify(given).tenant == "acme"


def test_a_proof_for_another_place_gives_no_token(world: World, identity: Identity) -> None:
    made, issuer, now = world.client("ci"), issuer_of(identity), world.clock.read().wall
    for proof in (
        proof_for(KEY, "POST", "https://other.example/token", now, jti="1"),
        proof_for(KEY, "GET", f"{ADDRESS}/token", now, jti="2"),
        proof_for(KEY, "POST", f"{ADDRESS}/token", now - 1000, jti="3"),
        "x",
        "a.b.c",
        "",
    ):
        form = credentials(made)._replace(proofs=(proof,))
        assert refused(lambda form=form: issuer.token(form)) == "invalid_dpop_proof"


def test_strangers_leave_no_proof_behind(world: World, identity: Identity) -> None:
    """The memory of proofs is bounded; whoever has no login and no secret cannot fill it for those who have."""
    made, issuer, now = world.client("ci"), issuer_of(identity), world.clock.read().wall
    seen = issuer._parts.replays
    for number in range(5):
        key = SigningKey.generate(counted_entropy(f"stranger {number}"))
        proof = proof_for(key, "POST", f"{ADDRESS}/token", now, jti=f"s{number}")
        form = asked(grant_type=device.GRANT, client_id=device.CLIENT, device_code="x")._replace(proofs=(proof,))
        assert refused(lambda form=form: issuer.token(form)) == "invalid_grant"
        begin = proof_for(key, "POST", f"{ADDRESS}/device_authorization", now, jti=f"b{number}")
        issuer.authorize_device(asked("/device_authorization", client_id=device.CLIENT)._replace(proofs=(begin,)))
        wrong = credentials(made, scope="site:admin")._replace(proofs=(proof,))
        assert refused(lambda form=wrong: issuer.token(form)) == "invalid_scope"
    assert len(seen) == 0
    proof = proof_for(KEY, "POST", f"{ADDRESS}/token", now, jti="good")
    assert issuer.token(credentials(made)._replace(proofs=(proof,)))["token_type"] == "DPoP"
    assert len(seen) == 1
    assert refused(lambda: issuer.token(credentials(made)._replace(proofs=(proof,)))) == "invalid_dpop_proof"


def test_what_revokes_a_token(world: World, identity: Identity) -> None:
    made, issuer = world.client("ci"), issuer_of(identity)
    token = issuer.token(credentials(made))["access_token"]
    identity.verify(presented(token))
    other = world.client("other")
    form = {"client_id": other.client_id, "client_secret": other.secret or "", "token": token}
    assert refused(lambda: issuer.revoke(asked("/revoke", **form))) == "unauthorized_client"
    identity.verify(presented(token))
    issuer.revoke(asked("/revoke", client_id=made.client_id, client_secret=made.secret or "", token=token))
    with pytest.raises(TokenRevoked):
        identity.verify(presented(token))
    with pytest.raises(TokenRevoked):
        world.identity().verify(presented(token))  # another process, or the same one after a restart
    for text in ("", "x", "a.b.c", token[:-2]):
        if text:
            issuer.revoke(asked("/revoke", client_id=device.CLIENT, token=text))


def test_a_revocation_and_its_event_are_one_transaction(world: World, identity: Identity) -> None:
    made, issuer = world.client("ci"), issuer_of(identity)
    token = issuer.token(credentials(made))["access_token"]
    key = world.secrets.pop(WRAPS)  # without it no event can be written
    with pytest.raises(SecretMissing):
        issuer.revoke(asked("/revoke", client_id=made.client_id, client_secret=made.secret or "", token=token))
    world.secrets[WRAPS] = key
    assert ("token.revoke", "success") not in world.events("acme")
    for one in (identity, world.identity()):
        one.verify(presented(token))
    issuer.revoke(asked("/revoke", client_id=made.client_id, client_secret=made.secret or "", token=token))
    assert ("token.revoke", "success") in world.events("acme")


def test_many_revocations_are_one_step(world: World, identity: Identity) -> None:
    """After a restart there may be thousands; each step costs a copy of all, and every result that was kept."""
    now = world.clock.read().wall
    for kind, name in (("token", "t"), ("subject", "acme.s"), ("tenant", "acme")):
        world.guarded.execute(
            "INSERT INTO identity.revocations SELECT 'acme', %s, %s || n, %s, %s FROM generate_series(1, 50) n",
            [kind, name, now, now + 900],
        )
    before = identity._revocations.epoch
    identity._look()
    assert len(identity._revocations._state.live) == 150
    assert identity._revocations.epoch == before + 2
    identity._look()
    assert identity._revocations.epoch == before + 2


@pytest.mark.parametrize("how", ["rotate", "delete", "suspend", "erase"])
def test_what_ends_every_token(world: World, identity: Identity, how: str) -> None:
    made, issuer, ctx = world.client("ci"), issuer_of(identity), world.context()
    token = issuer.token(credentials(made))["access_token"]
    new = made
    if how == "rotate":
        new = clients.rotate(world.context("acme"), RotateClient("ci", **WHY))
    elif how == "delete":
        clients.delete(world.context("acme"), DeleteClient("ci", **WHY))
    elif how == "suspend":
        tenants.suspend(ctx, StopTenant("acme", **WHY))
    else:
        tenants.delete(ctx, StopTenant("acme", **WHY))
        world.clock.pass_time(30 * 24 * 3600)
        erasure.sweep(ctx)
    identity._look()
    with pytest.raises(StellaError) as caught:
        identity.verify(presented(token))
    assert isinstance(caught.value, TokenRevoked | TokenExpired | TokenKeyUnknown)
    assert refused(lambda: issuer.token(credentials(made))) == "invalid_client"
    if how == "rotate":  # and a token of this very second counts
        assert identity.verify(presented(issuer.token(credentials(new))["access_token"])).name == "acme.ci"
    if how == "suspend":
        tenants.resume(ctx, NameTenant("acme"))
        identity._look()
        assert identity.verify(presented(issuer.token(credentials(made))["access_token"])).name == "acme.ci"
        with pytest.raises(TokenRevoked):
            identity.verify(presented(token))


def test_a_tenant_that_does_not_work_has_no_token_whoever_issued_it(world: World, identity: Identity) -> None:
    token = issuer_of(identity).token(credentials(world.client("ci")))["access_token"]
    world.guarded.execute("UPDATE identity.tenants SET state = 'suspended' WHERE tenant_id = 'acme'")
    identity._look()
    with pytest.raises(TenantNotActive):
        identity.verify(presented(token))
    assert world.denied[-1][0] == "tenant_state"
    assert token not in repr(world.denied)


def test_keys_are_published_before_they_sign(world: World, identity: Identity) -> None:
    issuer, ctx = issuer_of(identity), world.context()
    made = world.client("ci")

    def kid(token: str) -> str:
        return str(json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))["kid"])

    old = issuer.token(credentials(made))["access_token"]
    (first, second) = signing.rotate(ctx, RotateKey(**WHY)).keys
    assert (first.state, second.state) == ("active", "next")
    assert len(signing.rotate(ctx, RotateKey(**WHY)).keys) == 2  # one waits already
    identity._look()
    assert {key["kid"] for key in json.loads(issuer.key_set())["keys"]} == {first.kid, second.kid}
    world.clock.pass_time(LEAD - 1)
    identity._look()
    assert kid(issuer.token(credentials(made))["access_token"]) == first.kid
    world.clock.pass_time(1)
    identity._look()
    new = issuer.token(credentials(made))["access_token"]
    assert kid(new) == second.kid
    assert kid(old) == first.kid
    assert [key.state for key in signing.shown(ctx, ShowKeys()).keys] == ["retired", "active"]
    world.clock.pass_time(KEPT)
    identity._look()
    assert len(json.loads(issuer.key_set())["keys"]) == 2
    world.clock.pass_time(1)
    identity._look()
    assert [key["kid"] for key in json.loads(issuer.key_set())["keys"]] == [second.kid]


def test_keys_are_rotated_by_age(world: World, identity: Identity) -> None:
    issuer = issuer_of(identity)
    world.clock.pass_time(30 * 24 * 3600 - LEAD - 1)
    identity._look()
    assert len(json.loads(issuer.key_set())["keys"]) == 1
    world.clock.pass_time(1)
    identity._look()
    assert len(json.loads(issuer.key_set())["keys"]) == 2
    identity._look()
    assert len(json.loads(issuer.key_set())["keys"]) == 2


def test_private_keys_are_encrypted(world: World, identity: Identity) -> None:
    assert identity
    (private, public) = world.guarded.execute("SELECT private, public FROM identity.signing_keys").fetchone() or (
        "",
        "",
    )
    assert str(private).startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert "d" not in msgspec.json.decode(str(public))
    world.secrets[OPENS] = b"another one, long enough"
    made, other = world.client("ci"), world.identity()
    with pytest.raises(WrongPassphraseOfKeys):
        issuer_of(other).token(credentials(made))
    world.secrets[OPENS] = b"short"
    with pytest.raises(WeakPassphrase):
        world.identity()
    world.secrets[OPENS] = PASSPHRASE
    assert issuer_of(world.identity()).token(credentials(made))["token_type"] == "Bearer"


def test_without_a_passphrase_there_is_no_issuer(world: World) -> None:
    del world.secrets[OPENS]
    found = world.identity()
    assert (found.endpoints, found.routes) == (None, [])
    with pytest.raises(StellaError):
        found.verify(presented("a.b.c"))


def test_another_tenant_cannot_be_asked_for(world: World, identity: Identity) -> None:
    """The claim decides; a request that says another tenant is refused by the service (`http.auth`)."""
    from stella.http.auth import Tokens

    token = issuer_of(identity).token(credentials(world.client("ci")))["access_token"]
    tokens = Tokens(b"admin", identity.verify)
    with pytest.raises(TokenTenantMismatch):
        tokens.principal(presented(token, **{"x-stella-tenant": "beta"}))
    assert tokens.principal(presented(token, **{"x-stella-tenant": "acme"})).tenant == "acme"


def test_the_issuer_has_no_right_to_secrets(world: World, identity: Identity) -> None:
    assert identity
    from stella.runtime import roles

    with world.guarded.connect(roles.ISSUER) as connection:
        for table in ("principals", "clients", "names"):
            with pytest.raises(Exception, match="permission denied"):
                connection.execute(f"SELECT * FROM identity.{table}")  # type: ignore[call-overload]
    with world.guarded.connect(roles.APP) as connection:
        for table in ("signing_keys", "device_codes"):
            with pytest.raises(Exception, match="permission denied"):
                connection.execute(f"SELECT * FROM identity.{table}")  # type: ignore[call-overload]
