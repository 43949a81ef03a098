"""A policy on trial: what is covered and noticed is what the interpreter says, asked the slow way."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stella.language.compile import compile_policy
from stella.language.groups import groups
from stella.language.interpret import Facts, decide, truth
from stella.language.model import All, Any, Condition, Flagged, Not, Policy, Ranked
from stella.policy.text.compiling import compiled_file
from stella.policy.trial.chorus import Chorus
from stella.policy.trial.doubts import Doubts
from stella.policy.trial.errors import PolicyTooLarge
from stella.policy.trial.fixtures import Expected, Fixture, read_fixtures
from stella.policy.trial.mutants import Mutant
from stella.policy.trial.proposals import proposed
from stella.policy.trial.testing import fixtures_beside
from stella.policy.trial.trial import Trial, asks_for_the_instant, mismatches
from tests.unit.policy.test_mutants import compiled

PACKS = Path(__file__).parents[2] / "packs"
LEAVES = st.sampled_from([Flagged("kev"), Flagged("fix.available"), Ranked("severity.normalized", ">=", "High")])
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Not), st.lists(inner, max_size=3).map(tuple).map(All), st.lists(inner, max_size=3).map(tuple).map(Any)
    ),
)
NAMES = ("kev", "fix.available", "severity.normalized")
EVERY = tuple(
    Facts({name: value for name, value in zip(NAMES, row, strict=True) if value is not None})
    for row in itertools.product((True, False, None), (True, False, None), ("High", "Low", None))
)


@given(CONDITIONS)
def test_all_fixtures_at_once_are_each_of_them(condition: Condition) -> None:
    chorus = Chorus(EVERY)
    for found in (chorus.ask(condition), chorus.remember(condition), chorus.ask(condition)):
        for number, facts in enumerate(EVERY):
            held = truth(condition, facts)
            assert (found.true >> number & 1, found.false >> number & 1) == (held is True, held is False)


def example(name: str) -> tuple[Policy, tuple[Fixture, ...]]:
    path = PACKS / f"{name}.stella"
    _, policy = compiled_file(str(path))
    return policy, fixtures_beside(path, policy)


def slowly(policy: Policy, fixtures: tuple[Fixture, ...], mutant: Mutant) -> bool:
    """Whether a mutant is noticed, by deciding everything again."""
    changed = replace(policy, rules=tuple(mutant.rule if one.name == mutant.rule.name else one for one in policy.rules))
    found = groups(changed)
    return any(
        mismatches(one.expected, decide(found, policy.settings.default_status, one.facts), found) for one in fixtures
    )


@pytest.mark.parametrize("name", ["exploited", "hygiene", "vex-aware"])
def test_what_is_noticed_is_noticed_the_slow_way_too(name: str) -> None:
    policy, fixtures = example(name)
    for some in (fixtures, fixtures[::2], fixtures[:1]):
        trial = Trial(policy, some)
        tried = tuple(trial.mutants())
        survivors = trial.survivors(tried)
        assert [one for one in tried if not slowly(policy, some, one)] == list(survivors)


def test_a_weaker_rule_is_noticed_by_the_severity_alone() -> None:
    policy = compiled(
        'rule a priority 1 { when kev then status := "blocked" because "b" }',
        'rule b priority 2 { when cvss >= 7 then severity := "Low" because "b" }',
        'rule c priority 3 { when cvss >= 5 then severity := "High" because "b" }',
    )
    fixtures = tuple(
        Fixture(f"{cvss}", Facts({"kev": True, "cvss": cvss * 1_000_000}), Expected(severity=severity), dated=False)
        for cvss, severity in ((7, "Low"), (6, "High"), (5, "High"))
    )
    trial = Trial(policy, fixtures)
    tried = tuple(trial.mutants())
    noticed = {one.what for one in tried if one not in trial.survivors(tried)}
    assert noticed == {one.what for one in tried if slowly(policy, fixtures, one)}
    assert {"`cvss >= 7` becomes `cvss >= 6`", "severity := High becomes severity := Critical"} <= noticed


def test_a_term_is_covered_by_a_finding_of_which_it_holds() -> None:
    policy = compiled('rule a { when kev or fix.available then warn message "x" else warn message "y" because "b" }')
    facts = {
        "first": {"kev": True},
        "second": {"fix.available": True},
        "neither": {"kev": False, "fix.available": False},
    }

    def left(*names: str) -> list[str]:
        some = [Fixture(name, Facts(facts[name]), Expected(), dated=False) for name in names]
        return [place.text for place in Trial(policy, some).uncovered()]

    assert left() == ["kev", "fix.available", "not kev and not fix.available"]
    assert left("first") == ["fix.available", "not kev and not fix.available"]
    assert left("first", "second", "neither") == []


def test_a_failing_fixture_says_what_and_why() -> None:
    policy = compiled('rule a { when kev then status := "blocked" because "b" }')
    expected = Expected(status="fixed", severity="Low", rule="(default)", notes=("warn: x",), undecided=True)
    (found,) = Trial(policy, [Fixture("n", Facts({"kev": True}), expected, dated=False)]).results()
    assert [(one.what, one.expected, one.found) for one in found.mismatches] == [
        ("status", "fixed", "blocked"),
        ("severity", "Low", "missing"),
        ("rule", "(default)", "a"),
        ("notes", "warn: x", "none"),
        ("undecided", "true", "false"),
    ]
    assert "    true    kev    found true" in found.explanation


def test_a_fixture_that_fails_notices_nothing() -> None:
    policy = compiled('rule a { when kev then status := "blocked" because "b" }')
    trial = Trial(policy, [Fixture("n", Facts({"kev": True}), Expected(status="fixed"), dated=False)])
    tried = tuple(trial.mutants())
    assert trial.survivors(tried) == tried


def survivors_after_proof(policy: Policy, *fixtures: Fixture) -> tuple[set[str], set[str]]:
    trial = Trial(policy, fixtures)
    survivors = trial.survivors(trial.mutants())
    same = Doubts(policy, [one.facts for one in fixtures]).same(survivors)
    return {one.what for one in same}, {one.what for one in survivors if one not in same}


def test_what_is_proved_to_mean_the_same_is_no_mutant() -> None:
    policy = compiled(
        'rule a priority 1 { when kev then status := "blocked" because "b" }',
        'rule b priority 2 { when kev and cvss >= 7 then status := "blocked" because "b" }',
        'rule c priority 3 { when not kev and cvss >= 10 then warn message "x" because "b" }',
    )
    same, other = survivors_after_proof(policy)
    assert "`cvss >= 7` becomes `cvss >= 6`" in same  # the first rule goes before
    assert "`cvss >= 10` becomes `cvss > 10`" in other  # whoever is warned at 10 is not any more
    assert "`cvss >= 10` becomes `cvss >= 11`" in other
    assert "`kev` becomes `not kev`" in other


def test_what_differs_in_a_note_is_a_mutant() -> None:
    policy = compiled(
        'rule a priority 1 { when kev then status := "blocked" because "b" }',
        'rule b priority 2 { when kev and cvss >= 7 then status := "blocked" warn message "x" because "b" }',
    )
    same, other = survivors_after_proof(policy)
    assert "`cvss >= 7` becomes `cvss >= 6`" in other
    assert "`warn: x` becomes nothing" in other
    assert "status := blocked becomes status := deferred" in same


def test_what_differs_only_where_something_is_missing_is_a_mutant() -> None:
    policy = compiled('rule a { when kev and not kev and cvss > 7 then status := "blocked" because "b" }')
    same, other = survivors_after_proof(policy)
    assert "`cvss > 7` becomes `cvss > 6`" in other  # without `kev` one is false of 6.5 and the other unknown
    assert "`not kev` becomes `kev`" not in same


def test_a_term_that_nothing_reaches_is_told_from_one_that_somebody_forgot() -> None:
    policy = compiled('rule a { when cvss > 5 and cvss < 4 or kev then status := "blocked" because "b" }')
    trial = Trial(policy, ())
    doubts = Doubts(policy, ())
    impossible, forgotten = (doubts.reached(place.condition) for place in trial.uncovered())
    assert impossible is False
    assert not isinstance(forgotten, bool)
    assert ("kev", True) in forgotten.values


@pytest.mark.parametrize("name", ["exploited", "hygiene", "vex-aware"])
def test_proposals_pass_and_cover_everything(name: str) -> None:
    policy, _ = example(name)
    trial, doubts = Trial(policy, ()), Doubts(policy, ())
    texts = []
    for place in trial.uncovered():
        found = doubts.reached(place.condition)
        assert not isinstance(found, bool)
        texts.append(proposed(trial, place, found).text)
    again = Trial(policy, read_fixtures("\n".join(texts).encode(), "p.fixtures.toml"))
    assert all(one.passed for one in again.results())
    assert again.uncovered() == ()


@pytest.mark.parametrize(
    ("when", "asks"),
    [
        ("kev", False),
        ('as_of < "2027-01-01T00:00:00Z"', True),
        ("not (kev or as_of < env.quietUntil)", True),
        ("vex.any(verified)", False),
        ("cvss + profile.w.e > 9", True),
    ],
)
def test_whether_a_policy_asks_for_the_instant(when: str, asks: bool) -> None:
    profile = "profile w { env e { if as_of < env.quietUntil then 1 } }"
    policy = compiled(profile, f'rule a {{ when {when} then status := "blocked" because "b" }}')
    assert asks_for_the_instant(policy) is asks


@pytest.mark.parametrize(
    "when",
    [
        " or ".join(f'component.name == "n{at}"' for at in range(4000)),
        "vex.any(" + " or ".join(f'vendor == "n{at}"' for at in range(4000)) + ")",
        "component.name in [" + ", ".join(f'"n{at}"' for at in range(5000)) + "]",
    ],
)
def test_a_rule_whose_mutants_would_fill_the_memory_is_refused(when: str) -> None:
    with pytest.raises(PolicyTooLarge, match="too many tests"):
        Trial(compiled(f'rule a {{ when {when} then status := "blocked" because "b" }}'), ())


def test_alternatives_that_nobody_waits_for_are_refused() -> None:
    many = " and ".join(f"({' or '.join(f'epss > 0.{at}{one}' for one in range(8))})" for at in range(4))
    rules = "\n".join(f'rule r{at} {{ when {many} then status := "blocked" because "b" }}' for at in range(6))
    policy = compile_policy(f'policy "p" syntax "stella-dsl@1" {{ {rules} }}').policy
    assert policy is not None
    with pytest.raises(PolicyTooLarge, match="alternatives"):
        Trial(policy, ())
