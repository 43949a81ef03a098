"""Sums of weights, and of several decimals, mean to the solver what they mean to the interpreter."""

from __future__ import annotations

from itertools import product

import pytest

from stella.language.interpret import Facts, Truth, truth
from stella.language.model import Addend, Adjusted, All, Compared, Condition, Flagged, Mapped, Not, OutcomeIs, Sum
from stella.language.names import MICRO
from stella.prover.errors import SumTooWide
from stella.prover.proofs import prove
from stella.prover.refactors import holds
from stella.prover.scene import Scene
from tests.prover_policies import policy, rule

KEV = Flagged("kev")
MIXED = Sum((Addend("cvss", MICRO), Addend("epss", 10 * MICRO)))
BLOCKED = OutcomeIs("status", ("blocked",))


def possible(condition: Condition, wanted: Truth) -> bool:
    """Whether any finding gives the condition this truth."""
    scene = Scene([condition])
    pair = scene.pair(condition)
    literal = {True: pair.true, False: pair.false}.get(wanted) if wanted is not None else None
    found = scene.can(-pair.true, -pair.false) if literal is None else scene.can(literal)
    assert found is not None
    return found


SHAPES = [
    Sum((Addend("cvss", MICRO // 3),), constant=5),
    Sum((Addend("cvss", -MICRO // 3),), constant=MICRO),
    Sum((Addend("cvss", 0),), constant=7),
    Sum((Addend("cvss", MICRO, 2 * MICRO), Adjusted(((KEV, MICRO), (Flagged("fix.available", default=False), -1))))),
    Sum((Mapped("env.runtime", (("a", 3), ("b", -3))), Adjusted(((Not(KEV), 2), (KEV, 2)))), low=-1, high=4),
    Sum((Addend("cvss", MICRO),), low=9 * MICRO, high=MICRO),
    Sum((Mapped("env.runtime", (("a", 3),)), Mapped("env.name", (("a", 1), ("c", 2)))), constant=-2),
]
VALUES = {
    "cvss": (None, 0, 1, 2, 3, 4, MICRO, 2 * MICRO - 1, 2 * MICRO, 3 * MICRO, 9 * MICRO, 10 * MICRO),
    "kev": (None, False, True),
    "fix.available": (None, True),
    "env.runtime": (None, "a", "b", "z"),
    "env.name": (None, "a", "c", "z"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_every_truth_that_a_finding_gives_is_possible_and_no_other(shape: Sum, sign: str) -> None:
    names = {part.column for part in shape.parts if isinstance(part, Addend | Mapped)} | {"kev", "fix.available"}
    columns = sorted(names)
    bounds = (-3, -1, 0, 1, 3, 4, 7, 8, MICRO, 2 * MICRO, 9 * MICRO)
    for bound in bounds:
        condition = Compared(shape, sign, bound)  # type: ignore[arg-type]
        seen = set()
        for values in product(*(VALUES[name] for name in columns)):
            known = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
            seen.add(truth(condition, Facts(known)))
        for wanted in seen:
            assert possible(condition, wanted)


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (Compared(SHAPES[0], "<", 5), True),
        (Compared(SHAPES[0], ">", 5 + 10 * MICRO // 3), True),
        (Compared(SHAPES[1], ">", MICRO), True),
        (Compared(SHAPES[2], "==", 7), False),
        (All((Compared(SHAPES[0], ">=", 6), Compared(Sum((Addend("cvss", MICRO),)), "<", 4))), True),
        (Compared(SHAPES[4], "<", -1), True),
        (Compared(SHAPES[5], "!=", MICRO), True),
        (Compared(SHAPES[6], "==", 4), True),
        (Compared(MIXED, ">", 20 * MICRO), True),
        (All((Compared(MIXED, "<", 5 * MICRO), Compared(Sum((Addend("cvss", MICRO),)), ">=", 5 * MICRO))), True),
    ],
)
def test_what_no_finding_gives_is_impossible(condition: Condition, wanted: Truth) -> None:
    assert not possible(condition, wanted)


def test_decimals_of_several_columns_have_the_smallest_example() -> None:
    one = policy(rule("a", Compared(MIXED, ">=", 15 * MICRO)))
    assert not prove(one).bad
    found = holds(one, Compared(MIXED, ">=", 15 * MICRO - 1), BLOCKED)
    assert found.example is not None
    assert found.example.line() == "cvss=4.999999, epss=1 -> status affected"


def test_rounding_down_matters_at_the_last_micro() -> None:
    third = Sum((Addend("cvss", MICRO // 3), Addend("epss", MICRO // 3)))
    one = policy(rule("a", Compared(third, ">=", 1)))
    found = holds(one, Compared(Sum((Addend("cvss", MICRO), Addend("epss", MICRO))), ">=", 4), BLOCKED)
    assert found.example is not None
    assert found.example.line() == "cvss=0.000001, epss=0.000003 -> status affected"


def test_sums_of_several_decimals_are_unknown_without_one() -> None:
    one = policy(rule("a", Compared(MIXED, ">=", 0)))
    found = holds(one, KEV, BLOCKED)
    assert found.example is not None
    assert found.example.line() == "kev=true, epss missing -> status affected"


def test_defaults_stand_for_missing_decimals_in_sums() -> None:
    filled = Sum((Addend("cvss", MICRO, 10 * MICRO), Addend("epss", 10 * MICRO, MICRO)))
    assert holds(policy(rule("a", Compared(filled, ">=", 0))), KEV, BLOCKED).state == "proved"
    missing = holds(policy(rule("a", Compared(filled, "<", 20 * MICRO))), KEV, BLOCKED)
    assert missing.example is not None
    assert missing.example.line() == "cvss=10, epss=1, kev=true -> status affected"


def test_too_many_different_totals_are_refused() -> None:
    wide = Adjusted(tuple((Flagged("kev"), 2**at) for at in range(14)))
    with pytest.raises(SumTooWide, match="4096"):
        prove(policy(rule("a", Compared(Sum((wide,)), ">=", 1))))
