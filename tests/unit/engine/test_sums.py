"""Sums over dimensions are exact: at each edge, with clamps, and far beyond 64 bits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from stella.engine.errors import SumTooLarge
from stella.engine.evaluate import Name, evaluate
from stella.engine.plan import compile as plan_of
from stella.inventory.star import NO_VALUE, Coded, Evidence, Scaled, Star, Table
from stella.language.model import Addend, Compared, Condition, Mapped, Options, Policy, SetStatus, Sum
from stella.language.names import DIMENSIONS, MICRO
from tests.unit.engine.test_plan import policy, rule

BACKENDS: tuple[Name, ...] = ("numpy", "numba", "polars", "duckdb")
VALUES = (0, 1, 6_999_999, 7_000_000, 7_000_001, 10_000_000, NO_VALUE)


def star(values: tuple[int, ...] = VALUES, trust: tuple[int, ...] = (0, 1, MICRO, NO_VALUE)) -> Star:
    """Each score with each trust."""
    pairs = list(itertools.product(range(len(values)), range(len(trust))))
    one = Table(1, {})
    none = np.zeros(len(pairs), np.int32)
    asset = Table(len(trust), {"trust.score": Scaled(np.array(trust, np.int64))})
    advisory = Table(len(values), {"cvss": Scaled(np.array(values, np.int64))})
    evidence = Evidence(1, {}, np.zeros(2, np.int64), Table(0, {}))
    keys = dict.fromkeys(DIMENSIONS, none)
    keys["asset"] = np.array([a for _, a in pairs], np.int32)
    keys["advisory"] = np.array([v for v, _ in pairs], np.int32)
    tables = {"asset": asset, "component": one, "advisory": advisory, "evidence": evidence, "age": one}
    return Star(tables, keys, "s")  # type: ignore[arg-type]


def score(factor: int = MICRO, **more: int) -> Sum:
    return Sum((Addend("cvss", factor), Addend("trust.score", -MICRO)), **more)


def checked(name: Name, *conditions: Condition) -> None:
    """The recheck asks about every finding, so no difference is left."""
    found = policy(*(rule(f"r{i}", one, SetStatus("blocked")) for i, one in enumerate(conditions)))
    # its own name: numbers of this size have no canonical form
    evaluate(plan_of(found, digest="huge"), star(), 0, backend=name, recheck=10_000)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_every_sign_at_every_edge(name: Name, sign: str) -> None:
    bounds = (-1, 0, 1, 6_000_000, 7 * MICRO, 7 * MICRO + 1, 10 * MICRO)
    clamps = ({}, {"low": 0, "high": 7 * MICRO}, {"low": MICRO}, {"high": 6_999_999}, {"low": 5, "high": 1})
    checked(
        name,
        *(
            Compared(score(constant=constant, **clamp), sign, bound)  # type: ignore[arg-type]
            for bound in bounds
            for clamp in clamps
            for constant in (0, -MICRO)
        ),
    )


@pytest.mark.parametrize("name", BACKENDS)
def test_bounds_that_no_sum_reaches(name: Name) -> None:
    checked(
        name,
        Compared(score(), ">=", 2**70),
        Compared(score(), "<", -(2**70)),
        Compared(score(constant=2**70), ">", 2**70),
        Compared(score(constant=-(2**70), low=3), "==", 3),
        Compared(score(low=2**65), ">=", 2**65),
    )


def test_a_factor_beyond_64_bits_is_refused_over_several_dimensions() -> None:
    plan = plan_of(policy(rule("r", Compared(score(2**60), ">", 0), SetStatus("blocked"))), digest="huge")
    with pytest.raises(SumTooLarge) as error:
        evaluate(plan, star(), 0)
    assert "advisory" in error.value.message


def test_a_factor_beyond_64_bits_is_exact_on_one_dimension() -> None:
    huge = Compared(
        Sum((Addend("cvss", 2**80), Addend("cvss", -(2**80) + MICRO)), constant=2**90), ">=", 2**90 + 7 * MICRO
    )
    checked("numpy", huge, Compared(Sum((Addend("cvss", MICRO, 2**80),)), ">", 2**79))


def test_a_weight_of_a_missing_text_is_missing() -> None:
    small = star()
    words = Coded(np.array([0, 1, -1, 0], np.int32), ("prod", "dev"))
    tables = {**small.dimensions, "asset": Table(4, {**small.dimensions["asset"].columns, "env.name": words})}
    total = Sum((Addend("cvss", MICRO), Mapped("env.name", (("prod", MICRO),))))
    plan = plan_of(policy(rule("r", Compared(total, ">=", 7 * MICRO), SetStatus("blocked"))))
    done = evaluate(plan, Star(tables, small.keys, "s"), 0, recheck=1_000)
    assert done.statuses["blocked"] == 11  # of 14 with prod, 4 reach it even so; dev
    assert isinstance(plan.view.groups[0].condition, Compared)


def test_the_default_is_that_of_the_settings() -> None:
    nothing = Policy("P", "stella-dsl@1", policy().metadata, Options(default_status="blocked"), (), (), ())
    assert evaluate(plan_of(nothing), star(), 0).statuses["blocked"] == 28
