"""The texts that stand for all: every way of passing the tests of a column, and no way twice."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.language.model import All, Condition, Has, Not, OneOf, Present, StartsWith
from stella.prover.proofs import prove
from stella.prover.texts import Patterns, cases, is_exact
from tests.prover_policies import policy, rule

SHORT = ["".join(letters) for size in range(5) for letters in product("aAbBz", repeat=size)]
WORDS = st.frozensets(st.text("aAb", max_size=3), max_size=3)


def passed(patterns: Patterns, text: str) -> tuple[object, ...]:
    low = text.lower()
    return (
        *(text == word for word in sorted(patterns.words)),
        *(text.startswith(start) for start in sorted(patterns.prefixes)),
        *(low == word for word in sorted(patterns.lower_words)),
        *(low.startswith(start) for start in sorted(patterns.lower_prefixes)),
    )


@given(st.builds(Patterns, WORDS, WORDS, WORDS, WORDS))
@settings(max_examples=150, deadline=None)
def test_every_case_has_its_text(patterns: Patterns) -> None:
    found = [passed(patterns, text) for text in cases(patterns)]
    assert {passed(patterns, text) for text in SHORT} <= set(found)


@given(st.builds(Patterns, WORDS, WORDS, WORDS, WORDS))
@settings(max_examples=50, deadline=None)
def test_the_same_patterns_have_the_same_cases(patterns: Patterns) -> None:
    assert cases(patterns) == cases(Patterns(*(frozenset(sorted(group)) for group in patterns)))
    assert is_exact(patterns)


def never(when: Condition) -> str:
    return next(one.state for one in prove(policy(rule("a", when))).verdicts if one.claim == "never true")


@pytest.mark.parametrize(
    ("when", "state"),
    [
        (All((OneOf("env.name", ("prod",)), OneOf("env.name", ("dev",)))), "proved"),
        (All((StartsWith("env.name", "pro"), Not(StartsWith("env.name", "pr")))), "proved"),
        (All((StartsWith("env.name", "pr"), OneOf("env.name", ("dev",)))), "proved"),
        (All((StartsWith("env.name", "pr"), Not(OneOf("env.name", ("prod",))))), "refuted"),
        (All((OneOf("env.name", ("prod",), lower=True), Not(OneOf("env.name", ("prod",))))), "refuted"),
        (All((OneOf("env.name", ("prod",)), Not(OneOf("env.name", ("prod",), lower=True)))), "proved"),
        (All((StartsWith("env.name", "PR"), OneOf("env.name", ("prod",), lower=True))), "refuted"),
        (All((StartsWith("env.name", "PR"), StartsWith("env.name", "px", lower=True))), "proved"),
        (All((Has("asset.tags", ("a",)), Has("asset.tags", ("b",)))), "refuted"),
        (All((Has("asset.tags", ("A",)), Not(Has("asset.tags", ("a",), lower=True)))), "proved"),
        (All((Has("asset.tags", ("a",)), Not(Present("asset.tags")))), "proved"),
        (All((OneOf("advisory.id", ("k",), lower=True), Not(OneOf("advisory.id", ("k", "K"))))), "refuted"),
        (All((StartsWith("env.name", "i", lower=True), Not(StartsWith("env.name", "i")))), "refuted"),
    ],
)
def test_words_and_prefixes_exclude_and_imply_each_other(when: Condition, state: str) -> None:
    assert never(when) == state


def test_a_mix_of_lower_case_tests_beyond_ascii_is_not_said_to_be_proved() -> None:
    lower, exact = OneOf("env.name", ("stra\u00dfe",), lower=True), OneOf("env.name", ("dev",))
    assert never(All((lower, exact))) == "unproved"
    assert never(All((exact, Not(exact)))) == "proved"
