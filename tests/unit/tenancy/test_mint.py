"""Tokens of our own making."""

from __future__ import annotations

import json
import threading

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from joserfc.jwk import JWKRegistry
from joserfc.jws import deserialize_compact

from stella.kernel.errors import BadTenant
from stella.signing.errors import WrongPassphrase
from stella.tenancy.compact import decode
from stella.tenancy.keys import read_set
from stella.tenancy.mint import Grant, SigningKey, mint
from stella.tenancy.model import Confirmation, Presented
from stella.testing import counted_entropy
from tests.unit.tenancy.issued import AUDIENCE, ED, ES, ISSUER, NOW, rs, verifier, verify

GRANT = Grant(
    issuer=ISSUER,
    subject="subject-1",
    audience=AUDIENCE,
    tenant="acme",
    client="client-1",
    scopes=frozenset({"site:read", "mirror:read"}),
    ttl=300,
)
KEYS = [ES, ED, rs()]


def names(key: SigningKey) -> str:
    return key.alg


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by its name of RFC 9864, which nobody publishes yet
@pytest.mark.parametrize("key", KEYS, ids=names)
def test_what_is_minted_verifies_here_and_with_the_library(key: SigningKey) -> None:
    text = mint(key, GRANT, NOW, counted_entropy("id"))
    found = verify(text)
    assert (found.subject, found.client, found.tenant, found.scopes) == ("subject-1", "client-1", "acme", GRANT.scopes)
    assert (found.issued, found.expires) == (NOW, NOW + 300)
    jwk = {name: value for name, value in key.jwk().items() if name != "alg"}
    theirs = deserialize_compact(text, JWKRegistry.import_key({**jwk}), algorithms=[key.alg])
    assert theirs.payload == decode(text.split(".")[1].encode())
    header = json.loads(decode(text.split(".")[0].encode()) or b"")
    assert header == {"typ": "at+jwt", "alg": key.alg, "kid": key.kid}


def test_everything_that_a_grant_says_arrives() -> None:
    grant = msgspec.structs.replace(
        GRANT,
        roles=("auditor", "operator"),
        installation="hub-1",
        acting="operator-2",
        authenticated=NOW - 5,
        confirmation=Confirmation(x5t="thumb"),
    )
    body = json.loads(decode(mint(ES, grant, NOW, counted_entropy("id")).split(".")[1].encode()) or b"")
    assert body["cnf"] == {"x5t#S256": "thumb"}
    unbound = msgspec.structs.replace(grant, confirmation=None)
    found = verify(mint(ES, unbound, NOW, counted_entropy("id")))
    assert (found.roles, found.installation, found.acting) == (("auditor", "operator"), "hub-1", "operator-2")
    assert found.authenticated == NOW - 5
    assert found.confirmation is None


def test_what_a_grant_does_not_say_is_absent() -> None:
    body = json.loads(decode(mint(ES, GRANT, NOW, counted_entropy("id")).split(".")[1].encode()) or b"")
    assert set(body) == {"iss", "sub", "aud", "client_id", "tid", "scope", "iat", "nbf", "exp", "jti"}
    assert body["scope"] == "mirror:read site:read"


def test_each_token_has_an_id_of_its_own() -> None:
    entropy = counted_entropy("ids")
    assert len({verify(mint(ES, GRANT, NOW, entropy)).id for _ in range(50)}) == 50


@pytest.mark.parametrize("ttl", [0, -1, 119, 301, 10**9])
def test_a_life_out_of_bounds(ttl: int) -> None:
    with pytest.raises(ValueError, match="a token lives 120 to 300 seconds"):
        mint(ES, msgspec.structs.replace(GRANT, ttl=ttl), NOW, counted_entropy("id"))


@pytest.mark.parametrize("tenant", ["", "Acme", "a/b", "a" * 300])
def test_a_tenant_that_is_none(tenant: str) -> None:
    with pytest.raises(BadTenant):
        mint(ES, msgspec.structs.replace(GRANT, tenant=tenant), NOW, counted_entropy("id"))


@pytest.mark.parametrize("key", KEYS, ids=names)
def test_a_key_is_kept_encrypted_and_published_without_its_secret(key: SigningKey) -> None:
    pem = key.to_pem(b"passphrase")
    assert b"ENCRYPTED" in pem
    again = SigningKey.from_pem(pem, b"passphrase", "token.key")
    assert (again.kid, again.alg) == (key.kid, key.alg)
    assert verifier().verify(Presented(mint(again, GRANT, NOW, counted_entropy("id")))).subject == "subject-1"
    assert set(key.jwk()) <= {"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}
    assert list(read_set(json.dumps({"keys": [key.jwk()]}).encode(), ISSUER)) == [key.kid]
    with pytest.raises(ValueError, match=r".+"):
        key.to_pem(b"")


def pem_of(key: ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey, passphrase: bytes | None = b"p") -> bytes:
    kept = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kept)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"text",
        ES.to_pem(b"another"),
        pem_of(ec.generate_private_key(ec.SECP256R1()), None),
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(ed448.Ed448PrivateKey.generate()),
        ES.to_pem(b"p")[:100],
        ES.to_pem(b"p") + b" " * 20_000,
    ],
    ids=["empty", "text", "passphrase", "plain", "P-384", "Ed448", "cut", "large"],
)
def test_a_file_that_holds_no_key_for_tokens(pem: bytes) -> None:
    with pytest.raises(WrongPassphrase):
        SigningKey.from_pem(pem, b"p", "token.key")


def test_keys_are_made_from_given_randomness() -> None:
    for alg in ("ES256", "EdDSA"):
        made = [SigningKey.generate(counted_entropy("same"), alg).kid for _ in range(2)]
        assert made[0] == made[1]
        assert SigningKey.generate(counted_entropy("other"), alg).kid != made[0]
    with pytest.raises(ValueError, match="no RS256 key"):
        SigningKey.generate(counted_entropy("same"), "RS256")


def test_threads_may_share_a_key() -> None:
    found: list[str] = []

    def work(number: int) -> None:
        entropy = counted_entropy(f"thread-{number}")
        found.extend(verify(mint(ES, GRANT, NOW, entropy)).id for _ in range(20))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 80
