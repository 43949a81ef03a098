"""What was revoked, at once and by a list that travels."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from stella.kernel import dsse
from stella.kernel.canonical import dump
from stella.kernel.errors import BadSignature, KeyUnknown, NotCanonical, NotJson, StellaError, WrongPayloadType
from stella.signing.keys import PrivateKey
from stella.tenancy.errors import BadRevocations, RevocationsOlder
from stella.tenancy.model import Verified
from stella.tenancy.revocation import (
    ANY_ISSUER,
    MAX_ENTRIES,
    PAYLOAD_TYPE,
    Revocation,
    RevocationList,
    Revocations,
    open_list,
    sign_list,
)
from stella.testing import counted_entropy
from tests.unit.tenancy.issued import ISSUER, NOW

KEY = PrivateKey.generate(counted_entropy("release"))
STRANGER = PrivateKey.generate(counted_entropy("stranger"))
TOKEN = Verified(ISSUER, "subject-1", "acme", frozenset(), "token-1", NOW, NOW + 300, client="client-1")
NAMES = {"token": "token-1", "subject": "subject-1", "client": "client-1", "tenant": "acme"}


def entry(kind: Any = "token", name: str = "token-1", before: int = NOW, until: int = NOW + 900) -> Revocation:
    return Revocation(kind, name, before, until)


def listing(number: int = 1, *entries: Revocation, issuer: str = ISSUER) -> RevocationList:
    return RevocationList(issuer=issuer, number=number, issued=NOW, entries=entries or (entry(),))


@pytest.mark.parametrize("kind", NAMES)
def test_each_kind_hits_its_own_name_alone(kind: str) -> None:
    revoked = Revocations()
    for other in set(NAMES) - {kind}:
        revoked.revoke(ISSUER, entry(other, NAMES[kind]))
    revoked.revoke("https://other.example", entry(kind, NAMES[kind]))
    revoked.revoke(ISSUER, entry(kind, NAMES[kind] + "x"))
    assert not revoked.covers(TOKEN)
    revoked.revoke(ISSUER, entry(kind, NAMES[kind]))
    assert revoked.covers(TOKEN)


def test_what_was_issued_later_is_not_hit() -> None:
    revoked = Revocations()
    revoked.revoke(ISSUER, entry("subject", "subject-1", before=NOW - 1))
    assert not revoked.covers(TOKEN)
    revoked.revoke(ISSUER, entry("subject", "subject-1", before=NOW))
    assert revoked.covers(TOKEN)
    revoked.revoke(ISSUER, entry("subject", "subject-1", before=NOW - 100))
    assert revoked.covers(TOKEN), "the entry that hits more stays"


def test_a_tenant_can_be_shut_out_whoever_issues() -> None:
    revoked = Revocations()
    revoked.revoke(ANY_ISSUER, entry("tenant", "acme"))
    assert revoked.covers(TOKEN)


def test_a_token_without_a_client_is_hit_by_no_client() -> None:
    revoked = Revocations()
    revoked.revoke(ISSUER, entry("client", "client-2"))
    assert not revoked.covers(msgspec.structs.replace(TOKEN, client=""))


def test_each_change_moves_the_epoch_and_forgetting_does_not() -> None:
    revoked = Revocations()
    assert revoked.epoch == 0
    revoked.revoke(ISSUER, entry())
    assert revoked.take_over(listing(3))
    assert not revoked.take_over(listing(3))
    assert revoked.epoch == 2
    assert revoked.forget(NOW + 929) == 0
    assert revoked.forget(NOW + 930) == 1
    assert revoked.epoch == 2
    assert revoked.covers(TOKEN), "the list is not forgotten"


def test_a_newer_list_replaces_its_issuers_older_one() -> None:
    revoked = Revocations()
    revoked.take_over(listing(1))
    revoked.take_over(listing(7, entry(name="x"), issuer="https://other.example"))
    assert revoked.covers(TOKEN)
    revoked.take_over(listing(2, entry(name="token-2")))
    assert not revoked.covers(TOKEN)
    assert (revoked.number(ISSUER), revoked.number("https://other.example"), revoked.number("x")) == (2, 7, 0)
    with pytest.raises(RevocationsOlder):
        revoked.take_over(listing(1))
    assert revoked.covers(msgspec.structs.replace(TOKEN, id="token-2"))


def test_a_list_travels_signed() -> None:
    found = listing(5, entry(), entry("client", "client-1"))
    envelope = sign_list(found, [KEY])
    assert open_list(envelope, [KEY.public], 1) == found
    assert open_list(sign_list(found, [KEY, STRANGER]), [KEY.public], 1) == found


def bent(payload: bytes, kind: str = PAYLOAD_TYPE) -> bytes:
    return dsse.sign(kind, payload, [KEY])


@pytest.mark.parametrize(
    ("envelope", "error"),
    [
        (sign_list(listing(), [STRANGER]), KeyUnknown),
        (sign_list(listing(), [KEY]).replace(b'"sig":"', b'"sig":"AAAA'), BadSignature),
        (bent(dump(listing()), "application/vnd.in-toto+json"), WrongPayloadType),
        (bent(json.dumps({"a": 1}).encode()), NotJson),
        (bent(dump(listing()) + b" "), NotCanonical),
        (bent(dump({**json.loads(dump(listing())), "extra": 1})), NotJson),
        (bent(dump({**json.loads(dump(listing())), "schema": "stella.revocations@2"})), NotJson),
        (bent(dump({**json.loads(dump(listing())), "number": 0})), BadRevocations),
        (bent(dump({**json.loads(dump(listing())), "number": "1"})), NotJson),
        (bent(dump({**json.loads(dump(listing())), "issuer": ""})), BadRevocations),
        (bent(dump(listing(1, entry(), entry()))), BadRevocations),
        (bent(dump(listing(1, entry(name="")))), BadRevocations),
        (b"", NotJson),
        (b"{}", NotJson),
        (b" " * (32 * 1024 * 1024 + 1), BadRevocations),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(len(value)),
)
def test_a_list_that_is_not_signed_or_not_one(envelope: bytes, error: type[StellaError]) -> None:
    with pytest.raises(error):
        open_list(envelope, [KEY.public], 1)


def test_one_changed_byte_of_a_list_is_noticed() -> None:
    envelope = json.loads(sign_list(listing(), [KEY]))
    payload = bytearray(base64.b64decode(envelope["payload"]))
    for at in range(0, len(payload), 7):
        changed = payload.copy()
        changed[at] ^= 1
        envelope["payload"] = base64.b64encode(changed).decode()
        with pytest.raises(BadSignature):
            open_list(json.dumps(envelope).encode(), [KEY.public], 1)


def test_a_list_out_of_bounds_is_not_made() -> None:
    many = tuple(entry(name=str(number)) for number in range(MAX_ENTRIES + 1))
    with pytest.raises(BadRevocations):
        sign_list(listing(1, *many), [KEY])
    with pytest.raises(BadRevocations):
        sign_list(listing(0), [KEY])
