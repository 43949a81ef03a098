"""Issuers from the trust of a sealed site."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stella.kernel.errors import NotJson, StellaError
from stella.kernel.instant import Floor
from stella.tenancy.errors import BadIssuers, BadKeySet, TokenExpired, TokenKeyUnknown, TokenTenantMismatch
from stella.tenancy.model import Presented
from stella.tenancy.offline import KeySet, OfflineIssuer, TrustedClock, read_issuers, write_issuers
from stella.tenancy.tokens import Verifier
from stella.testing import ManualClock
from tests.unit.tenancy.issued import AUDIENCE, ED, ES, ISSUER, NOW, OTHER, token

END = "2026-02-01T00:00:00Z"
LATEST = 1_769_904_000
ONE: dict[str, Any] = {"issuer": ISSUER, "valid_to": END, "jwks": {"keys": [ES.jwk()]}}


def document(*issuers: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"schema": "stella.issuers@1", "issuers": list(issuers)} | more).encode()


def asked(clock: ManualClock, *issuers: dict[str, Any]) -> Verifier:
    return Verifier(read_issuers(document(*(issuers or (ONE,))), clock), AUDIENCE, clock)


def test_a_token_is_verified_without_any_network() -> None:
    """No test may use a socket unless it says so; this one does not."""
    clock = ManualClock()
    verifier = asked(clock)
    assert verifier.verify(Presented(token()), wait=False).tenant == "acme"
    with pytest.raises(TokenKeyUnknown):
        verifier.verify(Presented(token(ED)), wait=False)


def test_keys_end_with_the_document_and_so_does_what_was_kept() -> None:
    clock = ManualClock(LATEST - 10)
    verifier, text = asked(clock), Presented(token(iat=LATEST - 10, nbf=LATEST - 10, exp=LATEST + 290))
    verifier.verify(text)
    clock.pass_time(9)
    verifier.verify(text)
    clock.pass_time(1)
    with pytest.raises(TokenKeyUnknown) as caught:
        verifier.verify(text)
    assert "expired" in str(caught.value)


def test_tokens_may_live_longer_where_no_issuer_can_be_asked() -> None:
    day = Presented(token(exp=NOW + 86_400))
    with pytest.raises(StellaError, match="TOKEN-001"):
        asked(ManualClock()).verify(day)
    assert asked(ManualClock(), ONE | {"max_life": 86_400}).verify(day).tenant == "acme"


def test_an_issuer_speaks_for_its_tenants_and_with_its_own_keys() -> None:
    other = ONE | {"issuer": "https://other.example", "jwks": {"keys": [OTHER.jwk()]}, "tenants": ["globex"]}
    verifier = asked(ManualClock(), ONE, other)
    good = Presented(token(OTHER, iss="https://other.example", tid="globex"))
    assert verifier.verify(good).tenant == "globex"
    with pytest.raises(TokenTenantMismatch):
        verifier.verify(Presented(token(OTHER, iss="https://other.example")))
    with pytest.raises(TokenKeyUnknown):
        verifier.verify(Presented(token(OTHER)))


def test_a_clock_that_was_set_back_brings_no_token_back() -> None:
    local = ManualClock()
    reading = local.read()
    clock = TrustedClock(local, Floor(NOW, reading.boot_id, reading.boot_seconds), 3600)
    verifier = Verifier(read_issuers(document(ONE), clock), AUDIENCE, clock)
    text = Presented(token())
    verifier.verify(text)
    local.pass_time(400)
    local.set_wall(NOW)
    with pytest.raises(TokenExpired):
        verifier.verify(text)
    local.set_wall(NOW + 86_400)  # far ahead of what is proved: the floor counts
    assert clock.read().wall == NOW + 400
    local.set_wall(NOW + 500)
    assert clock.read().wall == NOW + 500


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NotJson),
        (b"[]", NotJson),
        (document(schema="stella.issuers@2"), NotJson),
        (document(extra=1), NotJson),
        (document(ONE | {"extra": 1}), NotJson),
        (document(ONE | {"jwks": None}), NotJson),
        (document(ONE | {"jwks": {"keys": ["x"]}}), NotJson),
        (document(ONE | {"algorithms": ["HS256"]}), NotJson),
        (document(ONE | {"max_life": "60"}), NotJson),
        (document(ONE | {"algorithms": []}), BadIssuers),
        (document(ONE | {"issuer": ""}), BadIssuers),
        (document(ONE | {"valid_to": "tomorrow"}), BadIssuers),
        (document(ONE | {"max_life": 0}), BadIssuers),
        (document(ONE | {"max_life": 7 * 86_400 + 1}), BadIssuers),
        (document(ONE | {"tenants": ["A"]}), BadIssuers),
        (document(ONE, ONE), BadIssuers),
        (document(*(ONE | {"issuer": f"https://{number}.example"} for number in range(65))), BadIssuers),
        (b" " * (4 * 1024 * 1024 + 1), BadIssuers),
        (document(ONE | {"jwks": {"keys": []}}), BadKeySet),
        (document(ONE | {"jwks": {"keys": [ES.jwk(), ES.jwk()]}}), BadKeySet),
        (document(ONE | {"jwks": {"keys": [ES.jwk() | {"d": "AAAA"}]}}), BadKeySet),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(len(value)),
)
def test_a_document_that_cannot_be_used(data: bytes, error: type[StellaError]) -> None:
    with pytest.raises(error) as caught:
        read_issuers(data, ManualClock())
    assert "AAAA" not in str(caught.value)


def test_what_is_written_is_read_again() -> None:
    one = OfflineIssuer(issuer=ISSUER, valid_to=END, jwks=KeySet([{**ES.jwk()}]), tenants=("acme",), max_life=3600)
    (found,) = read_issuers(write_issuers([one]), ManualClock())
    assert (found.name, found.tenants, found.max_life) == (ISSUER, frozenset({"acme"}), 3600)
    assert found.keys.get(ES.kid).key.thumbprint == ES.kid
    assert found.keys.epoch == 0
