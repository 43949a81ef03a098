"""Decisions about tenants, names and scopes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella import bootstrap
from stella.identity import rules
from stella.identity.errors import BadName, ScopeNotTogether, TenantStops, UnknownScope
from stella.identity.model import State
from stella.identity.rules import Event

KNOWN = bootstrap.every_scope() | {"effective:write", "ingest:write", "advisory:read", "aoc:verify", "vex:read"}


def test_every_move_of_a_tenant() -> None:
    legal = {
        (State.ACTIVE, Event.SUSPEND): State.SUSPENDED,
        (State.SUSPENDED, Event.RESUME): State.ACTIVE,
        (State.DELETING, Event.RESUME): State.ACTIVE,
        (State.ACTIVE, Event.DELETE): State.DELETING,
        (State.SUSPENDED, Event.DELETE): State.DELETING,
        (State.DELETING, Event.ERASE): State.ERASED,
    }
    for state, event in itertools.product(State, Event):
        if (state, event) in legal:
            assert rules.moved("acme", state, event) is legal[state, event]
        else:
            with pytest.raises(TenantStops):
                rules.moved("acme", state, event)
        with pytest.raises(TenantStops):
            rules.moved("default", state, event)


@given(st.text())
def test_a_name_is_spelled_in_one_way(text: str) -> None:
    try:
        assert rules.parse_name(text) == text
    except BadName:
        return
    assert text.isascii()
    assert text == text.lower().strip()
    assert 1 <= len(text) <= 63


@given(st.text())
def test_a_subject_is_read_in_one_way(text: str) -> None:
    found = rules.read_subject(text)
    assert found is None or rules.subject_of(*found) == text


@pytest.mark.parametrize("text", ["", ".", "acme", "acme.", ".ada", "acme.a.b", "Acme.ada", "acme.ada ", "acme/ada"])
def test_what_is_no_subject(text: str) -> None:
    assert rules.read_subject(text) is None


def test_scopes_are_in_order_and_once() -> None:
    assert rules.check_scopes(["site:read", "mirror:read", "site:read"], KNOWN, "acme", "ci") == (
        "mirror:read",
        "site:read",
    )


def test_scopes_of_the_installation_are_known() -> None:
    """One that no operation asks for any more must not stay in the list unseen."""
    assert bootstrap.every_scope() >= rules.INSTALLATION


@pytest.mark.parametrize("scope", sorted(rules.INSTALLATION))
def test_scopes_of_the_installation_are_for_the_default_tenant(scope: str) -> None:
    assert rules.check_scopes([scope], KNOWN, "default", "ops") == (scope,)
    with pytest.raises(ScopeNotTogether):
        rules.check_scopes([scope], KNOWN, "acme", "ops")


def test_scopes_that_need_others() -> None:
    for scope in ("advisory:read", "vex:read"):
        with pytest.raises(ScopeNotTogether, match="aoc:verify"):
            rules.check_scopes([scope], KNOWN, "acme", "ci")
        assert rules.check_scopes([scope, "aoc:verify"], KNOWN, "acme", "ci")


def test_scopes_that_are_never_together() -> None:
    with pytest.raises(ScopeNotTogether, match="policy-engine"):
        rules.check_scopes(["effective:write"], KNOWN, "acme", "ci")
    assert rules.check_scopes(["effective:write"], KNOWN, "acme", "policy-engine")
    with pytest.raises(ScopeNotTogether, match="ingest"):
        rules.check_scopes(["effective:write", "ingest:write"], KNOWN, "acme", "policy-engine")


@given(st.text())
def test_an_unknown_scope_is_refused(text: str) -> None:
    if text in KNOWN:
        return
    with pytest.raises(UnknownScope) as caught:
        rules.check_scopes([text], KNOWN, "acme", "ci")
    assert caught.value.message.isascii()
