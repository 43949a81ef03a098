"""The policies of the examples, from their text to masks, by every backend."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from stella.engine.evaluate import Name, determinism, evaluate
from stella.engine.plan import compile as plan_of
from stella.language.compile import compile_policy
from tests.stars import NOW, random_star

EXAMPLES = sorted((Path(__file__).parents[3] / "examples/policies").glob("*.stella"))
BACKENDS: tuple[Name, ...] = ("numpy", "numba", "polars", "duckdb")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_evaluated_alike_by_all(path: Path) -> None:
    policy = compile_policy(path.read_bytes(), strict=True).policy
    assert policy is not None
    plan, star = plan_of(policy), random_star(random.Random(path.stem), findings=200, rows=20)
    assert plan.slow == ()
    assert len({determinism(evaluate(plan, star, NOW, backend=name, recheck=500)) for name in BACKENDS}) == 1
