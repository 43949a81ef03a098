"""The closed set: codes, statuses and challenges."""

from __future__ import annotations

import re

import pytest

from stella.kernel.errors import Exit, StellaError
from stella.tenancy import errors
from stella.tenancy.errors import Refusal, challenge

CLOSED = {
    "token.malformed": 401,
    "token.alg_denied": 401,
    "token.unknown_key": 401,
    "token.bad_signature": 401,
    "token.expired": 401,
    "token.not_yet": 401,
    "token.aud": 401,
    "token.iss": 401,
    "token.tenant_mismatch": 403,
    "token.binding": 401,
    "token.revoked": 401,
    "token.scope_missing": 403,
}
MEMBERS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Refusal)][1:]
PARAMETER = r'[a-z_]+="[ !#-\[\]-~]*"'
HEADER = re.compile(rf"(Bearer|DPoP) {PARAMETER}(, {PARAMETER})*")


def test_the_set_is_closed() -> None:
    assert {kind.reason: kind.status for kind in MEMBERS} == CLOSED
    codes = [kind.code for kind in MEMBERS if issubclass(kind, StellaError)]
    assert codes == [f"TOKEN-{number:03}" for number in range(1, 13)]


@pytest.mark.parametrize("kind", MEMBERS, ids=lambda kind: kind.__name__)
def test_each_member_has_a_well_formed_challenge(kind: type[Refusal]) -> None:
    assert issubclass(kind, StellaError)
    assert kind.exit is Exit.DENIED
    made = kind(**dict.fromkeys(kind.fields(), "mirror:read"))
    text = challenge(made)  # type: ignore[arg-type]  # it is both
    assert HEADER.fullmatch(text), text
    assert f'error="{kind.error}"' in text
    assert ("insufficient_scope" in text) == (kind.status == 403)


def test_without_a_token_the_challenge_says_only_what_is_wanted() -> None:
    assert challenge() == 'Bearer realm="stella"'


def test_what_a_client_sent_is_not_in_a_challenge() -> None:
    for problem in ('x", error="none', "a\r\nSet-Cookie: b"):
        assert problem not in challenge(errors.TokenMalformed(problem=problem))
        assert problem not in challenge(errors.TokenBinding(binding="dpop", problem=problem))
