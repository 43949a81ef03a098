"""A condition and its terms mean the same, whatever is unknown."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.engine.facts import facts
from stella.engine.terms import Literal, Term, dimensions, leaves, terms
from stella.language.interpret import truth
from stella.language.model import All, Any, Condition, Constant, Flagged, Not, Present, Some
from tests.policies import random_condition
from tests.stars import NOW, random_star

KEV, FIX, SECRET = Flagged("kev"), Flagged("fix.available"), Flagged("secret.hasFinding")
DIRECT = Flagged("component.direct")


def said(found: tuple[Term, ...]) -> Condition:
    """The condition that terms stand for."""
    return Any(
        tuple(
            term.whole
            if term.whole is not None
            else All(tuple(one.leaf if one.holds else Not(one.leaf) for one in term.literals))
            for term in found
        )
    )


@given(st.integers(0, 2**32), st.sampled_from((4_096, 16, 1)))
def test_terms_mean_what_the_condition_means(seed: int, most: int) -> None:
    rng = random.Random(seed)
    condition = random_condition(rng, 4)
    found = terms(condition, most)
    star = random_star(rng, findings=10, missing=0.4)
    assert len(found) <= most
    for i in range(star.findings):
        told = facts(star, i, NOW)
        assert truth(said(found), told) == truth(condition, told)


def test_negation_goes_down_to_the_leaves() -> None:
    found = terms(Not(Any((KEV, All((FIX, SECRET))))), 10)
    assert [set(term.literals) for term in found] == [
        {Literal(KEV, False), Literal(FIX, False)},
        {Literal(KEV, False), Literal(SECRET, False)},
    ]


def test_a_leaf_beside_its_negation_stays() -> None:
    assert terms(Any((KEV, Not(KEV))), 10) == (Term((Literal(KEV, True),)), Term((Literal(KEV, False),)))
    assert terms(All((KEV, Not(KEV))), 10) == (Term((Literal(KEV, True), Literal(KEV, False))),)


def test_what_says_more_than_another_term_is_left_out() -> None:
    assert terms(Any((KEV, All((KEV, FIX)))), 10) == (Term((Literal(KEV, True),)),)


def test_constants_leave_no_literal() -> None:
    assert terms(Constant(True), 10) == (Term(()),)
    assert terms(All((KEV, Constant(False))), 10) == ()
    assert terms(All(()), 10) == (Term(()),)
    assert terms(Any(()), 10) == ()


def test_what_is_on_one_dimension_is_joined_before_it_becomes_too_much() -> None:
    pairs = tuple(Any((KEV, Flagged(f"kev{i}"), FIX)) for i in range(3))
    many = All((*pairs, DIRECT))
    assert all(term.whole is None for term in terms(many, 2))
    assert len(terms(many, 2)) == 1


def test_what_is_still_too_much_is_asked_whole() -> None:
    both = All(tuple(Any((Flagged("kev"), Flagged("component.direct"), Present(f"x{i}"))) for i in range(6)))
    (found,) = terms(both, 2)
    assert found.whole == both
    assert leaves(both)[:2] == (KEV, DIRECT)


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (KEV, {"advisory"}),
        (All((KEV, DIRECT)), {"advisory", "component"}),
        (Some(Flagged("verified")), {"evidence"}),
        (Constant(True), set()),
        (Flagged("no.such.column"), set()),
    ],
)
def test_dimensions_of_a_condition(condition: Condition, wanted: set[str]) -> None:
    assert dimensions(condition) == wanted
