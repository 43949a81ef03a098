"""When whoever sends a token has proved who it is."""

from __future__ import annotations

import pytest

from stella.http.identity import _principal
from stella.tenancy.model import Verified


@pytest.mark.parametrize(
    ("client", "acting", "since"),
    [
        ("acme.ci", "", 900),  # the client asks in its own name: the issuer has just looked at its secret
        ("acme.ada", "", 500),  # a person, by means of a client: the token says when they logged in
        ("", "", 500),  # a token that names no client
        ("acme.ci", "acme.other", 500),  # somebody else acts with what was given to it
    ],
)
def test_since_when_somebody_is_known(client: str, acting: str, since: int) -> None:
    found = Verified(
        issuer="i",
        subject="acme.ci",
        tenant="acme",
        scopes=frozenset({"policy:read"}),
        id="1",
        issued=900,
        expires=1000,
        client=client,
        acting=acting,
        authenticated=500,
    )
    assert _principal(found).authenticated == since


def test_of_what_says_nothing_nobody_knows() -> None:
    found = Verified(issuer="i", subject="s", tenant="acme", scopes=frozenset(), id="1", issued=900, expires=1000)
    assert _principal(found).authenticated == 0
