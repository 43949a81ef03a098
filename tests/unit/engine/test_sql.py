"""The query: one tree, valid in every dialect, with the same masks and counts."""

from __future__ import annotations

import random

import duckdb
import numpy as np
import pytest
import sqlglot

from stella.engine import sql
from stella.engine.board import Board
from stella.engine.evaluate import evaluate
from stella.engine.lanes import Masks, prepare
from stella.engine.plan import Plan
from stella.engine.plan import compile as plan_of
from stella.language.model import Addend, Compared, Present, SetStatus, Sum
from tests.policies import random_exceptions, random_policy
from tests.stars import NOW, random_star
from tests.unit.engine.test_plan import policy, rule


def case(seed: int, findings: int = 100) -> tuple[Plan, Board, Masks]:
    rng = random.Random(seed)
    plan = plan_of(random_policy(rng, rules=8), random_exceptions(rng), most=rng.choice((4_096, 8)))
    board = Board(random_star(rng, findings=findings), NOW)
    return plan, board, prepare(plan, board)


@pytest.mark.parametrize("dialect", ["duckdb", "spark", "trino"])
@pytest.mark.parametrize("seed", range(8))
def test_every_dialect_reads_what_is_written_for_it(seed: int, dialect: sql.Dialect) -> None:
    _, _, masks = case(seed)
    for counted in (False, True):
        text = sql.text(masks, dialect, counted=counted)
        (tree,) = sqlglot.parse(text, read=dialect)
        assert tree is not None
        assert tree.sql(dialect) == text
        joined = {table.name for table in tree.find_all(sqlglot.exp.Table)}
        assert joined == {sql.FINDINGS, *sql.tables(masks)}


def test_trino_knows_no_operator_for_bits() -> None:
    _, _, masks = case(0)
    assert "BITWISE_AND(" in sql.text(masks, "trino")
    assert "&" not in sql.text(masks, "trino")
    assert " & " in sql.text(masks, "spark")


def test_a_chain_of_bits_is_flat_and_says_only_what_its_lane_needs() -> None:
    sums = [Compared(Sum((Addend("cvss", i), Addend("trust.score", 1))), ">", 0) for i in range(1, 201)]
    plan = plan_of(policy(*(rule(f"r{i:03}", one, SetStatus("blocked")) for i, one in enumerate(sums))))
    masks = prepare(plan, Board(random_star(random.Random(5), missing=0.0), NOW))
    (tree,) = sqlglot.parse(sql.text(masks, "trino"), read="trino")
    assert tree is not None
    lanes = tree.expressions[1:]
    assert [len(list(lane.find_all(sqlglot.exp.Case))) for lane in lanes] == [64, 64, 64, 8]
    assert (
        max(
            sum(isinstance(one, sqlglot.exp.BitwiseAnd) for one in above(case))
            for case in tree.find_all(sqlglot.exp.Case)
        )
        <= 8
    )


def above(node: sqlglot.exp.Expr | None) -> list[sqlglot.exp.Expr]:
    """A node and all that it stands in."""
    return [] if node is None else [node, *above(node.parent)]


def test_the_last_bit_is_a_literal_that_every_parser_reads() -> None:
    same = [rule(f"r{i:02}", Present("no.such"), SetStatus("blocked")) for i in range(63)]
    always = rule("r63", Present("no.such"), otherwise=(SetStatus("fixed"),))
    board = Board(random_star(random.Random(1)), NOW)
    plan = plan_of(policy(*same, always))
    masks = prepare(plan, board)
    assert int(masks.base[1]) & 1  # the 65th term; the first 64 never hold
    assert str(-(2**63)) not in sql.text(masks, "spark")
    done = evaluate(plan, board, NOW, backend="duckdb", recheck=50)
    assert done.statuses["fixed"] == 50


@pytest.mark.parametrize("seed", range(8))
def test_counts_of_masks_are_those_of_findings(seed: int) -> None:
    plan, board, masks = case(seed)
    base = duckdb.connect()
    for name, columns in sql.tables(masks).items():
        base.register(name, {column: np.asarray(held) for column, held in columns.items()})
    keys = {str(name): held for name, held in board.keys.items()}
    base.register(sql.FINDINGS, {"id": np.arange(board.star.findings), **keys})
    rows = base.sql(sql.text(masks, "duckdb", counted=True)).fetchall()
    found = {tuple(row[:-1]): row[-1] for row in rows}
    lanes = sql.signed(evaluate(plan, board, NOW, backend="numpy").masks)
    masked, counts = np.unique(lanes, axis=1, return_counts=True)
    assert found == {tuple(masked[:, i].tolist()): int(counts[i]) for i in range(len(counts))}
