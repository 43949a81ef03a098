"""Decisions about the life of a policy."""

from __future__ import annotations

import contextlib
import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.identity import rules as identity_rules
from stella.identity.errors import UnknownScope
from stella.kernel.digest import sha256
from stella.operations import SENSITIVE
from stella.policy import canary, rules
from stella.policy.errors import BadWord, IllegalTransition, InputsStale, InputsUnfrozen
from stella.policy.model import Event, State
from stella.policy.rules import BAD, DEGRADED, GOOD, KINDS, Evidence

NOW = 1_800_000_000
IR = sha256(b"ir")
INPUTS = sha256(b"inputs")
FROZEN = {INPUTS: NOW, "a": NOW}


def good(**changes: dict[str, object]) -> list[Evidence]:
    """Evidence that lets a gate allow; by kind something else."""
    found = []
    for kind in KINDS:
        about = INPUTS if kind == "simulation" else ""
        one = Evidence(kind, sha256(kind.encode()), GOOD, NOW, about, IR if kind == "determinism" else "")
        found.append(one._replace(**changes.get(kind, {})))  # type: ignore[arg-type]  # as a test says
    return found


def test_the_table_is_the_one_of_the_contract() -> None:
    found = {(state.value, event.value): after.value for (state, event), after in rules.LIFE.moves.items()}
    assert found == {
        ("draft", "submit"): "submitted",
        ("submitted", "review"): "draft",
        ("submitted", "approve"): "approved",
        ("approved", "publish"): "approved",
        ("approved", "promote"): "active",
        ("active", "promote"): "active",
        ("approved", "archive"): "archived",
        ("active", "archive"): "archived",
        ("active", "supersede"): "archived",
        ("active", "return"): "approved",
        ("active", "rollback"): "active",
        ("archived", "rollback"): "active",
    }


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_nothing_else_moves(state: State, event: Event) -> None:
    if (state, event) in rules.LIFE.moves:
        assert rules.moved("P", 1, state, event) in State
        return
    with pytest.raises(IllegalTransition) as caught:
        rules.moved("P", 1, state, event)
    assert caught.value.facts["allowed"] == list(rules.allowed(state))
    assert caught.value.problem()["detail"]


def test_what_gives_rights_away_is_sensitive() -> None:
    verbs = ("approve", "publish", "promote", "activate", "rollback", "archive")
    assert {*(f"policy.{verb}" for verb in verbs), "exception.approve"} <= SENSITIVE


@pytest.mark.parametrize(("gone", "now"), list(identity_rules.GONE.items()))
def test_scopes_that_are_gone_are_refused_with_what_took_their_place(gone: str, now: str) -> None:
    with pytest.raises(UnknownScope) as caught:
        identity_rules.check_scopes([gone], {"policy:read", now}, "acme", "ada")
    assert f"`{now}`" in caught.value.advice


def test_a_gate_allows_what_is_all_good() -> None:
    said = rules.gate(IR, IR, good(), NOW, frozen=FROZEN)
    assert (said.decision, said.reason_codes, said.policy_digest, said.determinism_hash) == ("allow", (), IR, IR)
    assert said.evaluated_at_utc == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize("kind", KINDS)
def test_a_gate_waits_for_what_is_missing_and_denies_what_is_bad(kind: str) -> None:
    missing, bad = rules.SAYS[kind]
    without = [one for one in good() if one.kind != kind]
    for found, decision, reason in (
        (without, "pending", missing),
        (good(**{kind: {"verdict": BAD}}), "deny", bad),
        (good(**{kind: {"verdict": DEGRADED}}), "pending", f"{kind}_degraded"),
        (good(**{kind: {"verdict": "PASSED"}}), "deny", "evidence_unreadable"),
        (good(**{kind: {"verdict": ""}}), "deny", "evidence_unreadable"),
        (good(**{kind: {"digest": ""}}), "deny", "evidence_unreadable"),
        (good(**{kind: {"made": NOW + rules.SKEW + 1}}), "pending", "evidence_from_future"),
    ):
        said = rules.gate(IR, IR, found, NOW, frozen=FROZEN)
        assert (said.decision, said.reason_codes) == (decision, (reason,))


def test_a_gate_knows_what_is_too_old_or_about_something_else() -> None:
    for changes, inputs, expected in (
        ({"made": NOW - rules.MAX_AGE}, "", ("allow", ())),
        ({"made": NOW - rules.MAX_AGE - 1}, "", ("pending", ("simulation_stale",))),
        ({"inputs": "a"}, "a", ("allow", ())),
        ({"inputs": "a"}, "b", ("deny", ("inputs_hash_mismatch",))),
        ({}, "b", ("deny", ("inputs_hash_mismatch",))),
        ({"inputs": ""}, "", ("pending", ("policy_inputs_unfrozen",))),
        ({"inputs": "c"}, "", ("pending", ("policy_inputs_unfrozen",))),
    ):
        said = rules.gate(IR, IR, good(simulation=changes), NOW, inputs=inputs, frozen=FROZEN)
        assert (said.decision, said.reason_codes) == expected
    for kind in ("shadow", "determinism"):
        for age, expected in ((0, ("allow", ())), (1, ("pending", (f"{kind}_stale",)))):
            said = rules.gate(IR, IR, good(**{kind: {"made": NOW - rules.MAX_AGE - age}}), NOW, frozen=FROZEN)
            assert (said.decision, said.reason_codes) == expected
    for age, expected in ((0, ("allow", ())), (1, ("pending", ("inputs_stale",)))):
        said = rules.gate(IR, IR, good(), NOW, frozen={INPUTS: NOW - rules.MAX_AGE - age})
        assert (said.decision, said.reason_codes) == expected
    said = rules.gate(IR, IR, good(), NOW, frozen={INPUTS: NOW + rules.SKEW + 1})
    assert (said.decision, said.reason_codes) == ("pending", ("inputs_stale",))
    said = rules.gate(IR, sha256(b"other"), good(), NOW, frozen=FROZEN)
    assert (said.decision, said.reason_codes) == ("deny", ("policy_ir_hash_mismatch",))
    said = rules.gate(IR, IR, good(), NOW, frozen=FROZEN, approved=False)
    assert (said.decision, said.reason_codes) == ("pending", ("approval_missing",))
    said = rules.gate(IR, IR, good(determinism={"determinism": ""}), NOW, frozen=FROZEN)
    assert (said.decision, said.reason_codes, said.determinism_hash) == ("pending", ("determinism_missing",), "")
    said = rules.gate(IR, IR, good(), NOW, needed=("hearsay",))
    assert (said.decision, said.reason_codes) == ("deny", ("evidence_unreadable",))


_EVIDENCE = st.builds(
    Evidence,
    st.sampled_from([*KINDS, "hearsay"]),
    st.sampled_from([IR, "", "x"]),
    st.sampled_from([GOOD, BAD, DEGRADED, "", "passed "]),
    st.integers(NOW - 2 * rules.MAX_AGE, NOW + 200),
    st.sampled_from(["", INPUTS]),
    st.sampled_from(["", IR]),
)


@given(st.lists(_EVIDENCE, max_size=10), st.sampled_from(["", INPUTS]), st.randoms())
def test_a_gate_fails_closed_and_in_one_way(found: list[Evidence], inputs: str, random: object) -> None:
    said = rules.gate(IR, IR, found, NOW, inputs=inputs, frozen=FROZEN)
    assert list(said.reason_codes) == sorted(set(said.reason_codes))
    assert (said.decision == "allow") == (not said.reason_codes)
    kinds = [one.kind for one in found]
    if len(kinds) == len(set(kinds)):
        mixed = list(found)
        random.shuffle(mixed)  # type: ignore[attr-defined]  # of hypothesis
        assert rules.gate(IR, IR, mixed, NOW, inputs=inputs, frozen=FROZEN) == said
    if said.decision == "allow":
        assert set(KINDS) <= set(kinds)


@given(st.text(max_size=80))
def test_whatever_is_typed_is_a_name_or_refused(text: str) -> None:
    for parse in (rules.parse_id, rules.parse_env, rules.parse_reference, lambda text: canary.read([text])):
        with contextlib.suppress(BadWord):
            assert parse(text)  # type: ignore[operator]  # each takes a text
    with contextlib.suppress(BadWord):
        assert rules.parse_id(text) == text
    with contextlib.suppress(BadWord):
        policy, number = rules.parse_reference(text)
        assert f"{policy}@{number}" == text


@pytest.mark.parametrize(
    ("labels", "level", "expected"),
    [
        (["1.0.0"], "patch", "1.0.1"),
        (["1.9.0", "1.10.3"], "minor", "1.11.0"),
        (["2.0.0", "10.1.1"], "major", "11.0.0"),
    ],
)
def test_labels_grow(labels: list[str], level: str, expected: str) -> None:
    assert rules.next_label(labels, level) == expected  # type: ignore[arg-type]


def test_inputs_are_good_for_a_day() -> None:
    rules.check_inputs(IR, NOW - rules.MAX_AGE, NOW)
    for frozen, error in ((None, InputsUnfrozen), (NOW - rules.MAX_AGE - 1, InputsStale), (NOW + 3600, InputsStale)):
        with pytest.raises(error):
            rules.check_inputs(IR, frozen, NOW)


# --- canaries ---------------------------------------------------------------------------------------------------------


def test_the_bucket_is_the_one_of_the_contract() -> None:
    digest = hashlib.sha256(b"v1\x00host-1").hexdigest()
    assert canary.bucket("v1", "host-1") == int(digest, 16) % 10_000
    assert canary.bucket("v1", "host-1") != canary.bucket("v1h", "ost-1")


@given(st.text(max_size=20), st.text(max_size=20), st.integers(1, 99))
def test_who_is_in_stays_in(version: str, asset: str, percent: int) -> None:
    assert canary.is_in(version, asset, 100)
    assert not canary.is_in(version, asset, 0)
    assert canary.is_in(version, asset, percent) <= canary.is_in(version, asset, percent + 1)


def test_a_share_is_a_share() -> None:
    inside = sum(canary.is_in("v1", f"host-{number}", 5) for number in range(20_000))
    assert 900 < inside < 1100


def test_only_assets_of_the_canary_are_foretold() -> None:
    assets = {f"host-{number}": {"a>b": 1, "b>b": 2} for number in range(100)}
    inside = sum(canary.is_in("v1", asset, 30) for asset in assets)
    assert canary.foretold(assets, "v1", 30) == {"a>b": inside, "b>b": 2 * inside}
    assert canary.foretold({}, "v1", 30) == {}


def test_a_difference_is_seen_on_either_side() -> None:
    found = canary.differences({"a>b": 1, "a>c": 2}, {"a>b": 1, "a>d": 3})
    assert [(one.transition, one.predicted, one.observed) for one in found] == [("a>c", 2, 0), ("a>d", 0, 3)]
    assert canary.read(["a>b=1", "a>b=2", "c>d=0"]) == {"a>b": 3}


@pytest.mark.parametrize("text", ["", "a=1", "a>b=-1", "a>b=1.5", "a b>c=1", "a>b=1\n", "a>b>c=1", "a>b=٣"])
def test_what_is_no_transition_is_refused(text: str) -> None:
    with pytest.raises(BadWord):
        canary.read([text])
    with pytest.raises(BadWord):
        canary.read(["a>b"])
    assert not canary.is_matrix({text: 1})
    assert not canary.is_matrix({"a>b": -1})
