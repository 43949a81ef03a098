"""How many terms a condition has, against making them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stella.language.model import All, Any, Condition, Flagged, Not
from stella.language.size import MAX_TERMS, terms

LEAF: st.SearchStrategy[Condition] = st.sampled_from([Flagged("kev"), Flagged("fix.available")])
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: All(tuple(items))),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: Any(tuple(items))),
    ),
    max_leaves=8,
)
Term = tuple[Condition, ...]


def expanded(condition: Condition, *, negated: bool = False) -> list[Term]:
    """The terms of a condition or of its negation, one by one."""
    match condition:
        case Not(item):
            return expanded(item, negated=not negated)
        case All(items) | Any(items):
            each = [expanded(item, negated=negated) for item in items]
            if isinstance(condition, Any) != negated:
                return [term for terms_ in each for term in terms_]
            product: list[Term] = [()]
            for terms_ in each:
                product = [(*one, *other) for one in product for other in terms_]
            return product
        case leaf:
            return [(Not(leaf) if negated else leaf,)]


@given(CONDITIONS)
def test_terms_are_counted_as_they_are_made(condition: Condition) -> None:
    most = max(len(expanded(condition)), len(expanded(condition, negated=True)))
    assert terms(condition) == min(most, MAX_TERMS + 1)


def test_an_explosion_is_counted_without_being_made() -> None:
    pair = Any((Flagged("kev"), Flagged("fix.available")))
    assert terms(All((pair,) * 12)) == MAX_TERMS
    assert terms(All((pair,) * 13)) == terms(Not(All((pair,) * 1000))) == MAX_TERMS + 1
