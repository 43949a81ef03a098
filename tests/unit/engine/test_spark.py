"""The query on a real Spark: the masks and counts of the reference, bit for bit.

Rules:
- By night, and only where `pyspark` (the extra `spark`) and Java are installed: a session is a JVM and takes seconds.
- Tables go through Parquet, as they do on a fleet.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from stella.engine import sql
from stella.engine.arrays import Longs
from stella.engine.board import Board
from stella.engine.evaluate import evaluate
from stella.engine.lanes import Masks, prepare
from stella.engine.plan import Plan
from stella.engine.plan import compile as plan_of
from stella.inventory.star import Star
from stella.language.model import Addend, Compared, Condition, Present, SetStatus, Sum
from stella.language.model import Any as AnyOf
from stella.language.names import MICRO
from tests.policies import random_exceptions, random_policy
from tests.stars import NOW, random_star
from tests.unit.engine.test_plan import policy, rule

pytestmark = [pytest.mark.nightly, pytest.mark.slow, pytest.mark.network]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session on two threads that is reached from this machine alone."""
    pyspark = pytest.importorskip("pyspark.sql", reason="pyspark is not installed: the extra `spark`")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    session = pyspark.SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    yield session
    session.stop()


def astray(star: Star, rng: random.Random) -> Star:
    """The same with some keys that point to no row."""
    keys = {
        name: np.where([rng.random() < 0.1 for _ in held], rng.choice((-1, 10**6)), held).astype(np.int32)
        for name, held in star.keys.items()
    }
    return Star(star.dimensions, keys, star.digest)


def case(seed: int) -> tuple[Plan, Board]:
    """Some have several lanes, some ask finding by finding, some have keys that point nowhere."""
    rng = random.Random(seed)
    many = rng.choice((8, 20, 40))
    plan = plan_of(random_policy(rng, rules=many), random_exceptions(rng), most=rng.choice((4_096, 4_096, 8)))
    star = random_star(rng, findings=rng.choice((50, 300)), rows=rng.choice((1, 6, 30)))
    return plan, Board(astray(star, rng) if seed % 2 else star, NOW)


def lay(session: Any, folder: Path, masks: Masks, board: Board) -> None:
    """Give Spark the tables of masks and the findings."""
    findings: dict[str, Any] = {
        "id": np.arange(board.star.findings),
        **{str(name): held for name, held in board.keys.items()},
    }
    found: dict[str, dict[str, Any]] = {**sql.tables(masks), sql.FINDINGS: findings}
    for name, columns in found.items():
        pl.DataFrame(columns).write_parquet(folder / f"{name}.parquet")
        session.read.parquet(str(folder / f"{name}.parquet")).createOrReplaceTempView(name)


def check(session: Any, folder: Path, plan: Plan, board: Board) -> Longs:
    """Compare every lane of every finding, and the counts; the masks of the reference."""
    masks = prepare(plan, board)
    lay(session, folder, masks, board)
    wanted = sql.signed(evaluate(plan, board, NOW, backend="numpy", recheck=board.star.findings).masks)
    found = session.sql(sql.text(masks, "spark"))
    assert {kind for name, kind in found.dtypes if name != "id"} == {"bigint"}
    rows = sorted(tuple(row) for row in found.collect())
    assert rows == [(i, *lanes) for i, lanes in enumerate(wanted.T.tolist())]
    masked, counts = np.unique(wanted, axis=1, return_counts=True)
    counted = {tuple(row[:-1]): row[-1] for row in session.sql(sql.text(masks, "spark", counted=True)).collect()}
    assert counted == {tuple(masked[:, i].tolist()): int(counts[i]) for i in range(len(counts))}
    return wanted


@pytest.mark.parametrize("ansi", ["true", "false"])
@pytest.mark.parametrize("seed", range(12))
def test_spark_gives_the_same_masks(seed: int, ansi: str, spark: Any, tmp_path: Path) -> None:
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    check(spark, tmp_path, *case(seed))


def test_the_last_bit_comes_from_a_table_from_a_sum_and_from_a_whole_condition(spark: Any, tmp_path: Path) -> None:
    never = [rule(f"r{i:02}", Present("no.such"), SetStatus("blocked")) for i in range(63)]
    star = random_star(random.Random(3), findings=300, rows=30, missing=0.0)
    total = Compared(Sum((Addend("cvss", MICRO, 0), Addend("trust.score", MICRO, 0))), ">", 4 * MICRO)
    held: tuple[Condition, ...] = (Present("kev"), total, AnyOf((Present("kev"), total)))
    for number, condition in enumerate(held):
        plan = plan_of(policy(*never, rule("r63", condition, SetStatus("fixed"))), most=64)
        wanted = check(spark, tmp_path, plan, Board(star, NOW))
        assert (wanted[0] < 0).any(), number
