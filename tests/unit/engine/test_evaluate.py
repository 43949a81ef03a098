"""A run: its spans and threads, its recheck, its hash, and keys that point to nothing."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys

import numpy as np
import pytest

from stella.engine import evaluate as module
from stella.engine.arrays import Lanes
from stella.engine.board import Board, narrowed
from stella.engine.errors import BackendMissing, BackendsDisagree
from stella.engine.evaluate import Name, determinism, evaluate, sample, stream
from stella.engine.gather import Numpy
from stella.engine.lanes import Masks
from stella.engine.plan import compile as plan_of
from stella.inventory.star import Star
from stella.language.model import Any, Flagged, Not, Present, SetStatus, Some
from stella.language.names import MICRO
from tests.policies import random_policy
from tests.stars import NOW, random_star
from tests.unit.engine.test_incremental import high, scored
from tests.unit.engine.test_plan import policy, rule

BACKENDS: tuple[Name, ...] = ("numpy", "numba", "polars", "duckdb")


@pytest.fixture
def star() -> Star:
    return random_star(random.Random(5), findings=500, rows=9)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_spans_blocks_and_threads_change_nothing(
    name: Name, threads: int, star: Star, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(random_policy(random.Random(11), rules=9))
    wanted = evaluate(plan, star, NOW, backend="numpy")
    chosen = module.backend_of(name, star.findings)
    monkeypatch.setattr(module, "SPAN", 100)
    monkeypatch.setattr(type(chosen), "block", 170)
    found = evaluate(plan, star, NOW, backend=name, threads=threads)
    assert (found.masks == wanted.masks).all()
    assert found.counts.status.tolist() == wanted.counts.status.tolist()
    assert found.counts.undecided == wanted.counts.undecided
    assert determinism(found) == determinism(wanted)
    streamed = np.concatenate([lanes for _, lanes in stream(plan, star, NOW, backend=name, chunk=300)], axis=1)
    assert (streamed == wanted.masks).all()


def test_small_keys_give_the_same_masks(star: Star) -> None:
    plan = plan_of(random_policy(random.Random(12)))
    small = narrowed(star)
    assert {keys.dtype for keys in small.keys.values()} == {np.dtype(np.uint16)}
    assert determinism(evaluate(plan, small, NOW)) == determinism(evaluate(plan, star, NOW))


def test_the_hash_is_of_the_policy_the_instant_and_every_mask(star: Star) -> None:
    plan = plan_of(policy(rule("r", Flagged("kev"), SetStatus("blocked"))))
    done = evaluate(plan, star, NOW)
    other = plan_of(policy(rule("other", Flagged("kev"), SetStatus("blocked"))))
    hashes = {determinism(done), determinism(evaluate(plan, star, NOW + 1)), determinism(evaluate(other, star, NOW))}
    done.masks[0, 300] ^= np.uint64(1)
    assert len(hashes | {determinism(done)}) == 4


class Wrong(Numpy):
    """Says of one finding that nothing holds."""

    def fill(self, masks: Masks, board: Board, start: int, out: Lanes) -> None:
        super().fill(masks, board, start, out)
        out[:, 0] = 0


def test_one_difference_from_the_interpreter_fails_the_run(star: Star, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(policy(rule("r", Present("no.such.column"), SetStatus("fixed"), otherwise=(SetStatus("blocked"),))))
    monkeypatch.setattr(module, "backend_of", lambda _name, _findings: Wrong())
    with pytest.raises(BackendsDisagree) as error:
        evaluate(plan, star, NOW)
    assert error.value.facts["finding"] == 0
    assert (error.value.facts["found"], error.value.facts["wanted"]) == ("0/0", "2/0")


def test_the_same_run_asks_the_same_findings_again(star: Star) -> None:
    plan = plan_of(policy())
    board = Board(star, NOW)
    found = sample(plan, board, 20)
    assert found == sample(plan, Board(star, NOW), 20)
    assert {0, 499} <= set(found)
    assert found != sample(plan, Board(star, NOW + 1), 20)
    assert sample(plan, board, 0) == []


def test_no_findings_are_no_trouble() -> None:
    some = random_star(random.Random(1))
    empty = Star(some.dimensions, {name: keys[:0] for name, keys in some.keys.items()}, "empty")
    for name in BACKENDS:
        done = evaluate(plan_of(random_policy(random.Random(2))), empty, NOW, backend=name)
        assert done.masks.shape[1] == 0
        assert sum(done.statuses.values()) == 0


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("lost", [-1, 1_000_000])
def test_nothing_is_known_of_a_row_that_is_not_there(name: Name, lost: int, star: Star) -> None:
    advisories = star.keys["advisory"].copy()
    advisories[7] = lost
    evidence = star.keys["evidence"].copy()
    evidence[8] = lost
    broken = Star(star.dimensions, {**star.keys, "advisory": advisories, "evidence": evidence}, "broken")
    unknown = (
        rule("a", Flagged("kev"), SetStatus("fixed")),
        rule("b", Not(Present("kev")), SetStatus("blocked")),
        rule("c", Some(Any(())), SetStatus("deferred")),
    )
    done = evaluate(plan_of(policy(*unknown)), broken, NOW, backend=name)
    assert done.degraded == 2
    assert done.terms_of(7)[1][:2] == (0, 1)
    assert done.terms_of(8)[1][-1] == 2
    assert done.decided(7, 9).undecided.tolist() == [True, True]


def test_a_backend_that_is_not_there_is_named(star: Star, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(BackendMissing) as error:
        evaluate(plan_of(policy()), star, NOW, backend="numba")
    assert "stella[fast]" in str(error.value.advice)
    monkeypatch.setattr(module, "MANY", 1)
    assert evaluate(plan_of(policy()), star, NOW).backend == "numpy"


def test_a_plan_and_numpy_need_no_heavy_library() -> None:
    code = (
        "import sys, stella.engine.evaluate, stella.engine.simulate, stella.engine.explain, stella.engine.incremental;"
    )
    heavy = {"numba", "polars", "duckdb", "sqlglot", "z3"}
    done = subprocess.run(
        [sys.executable, "-c", f"{code} print({heavy!r} & set(sys.modules))"], capture_output=True, check=True
    )
    assert done.stdout.strip() == b"set()"


def test_dimensions_that_no_rule_asks_about_are_not_gathered() -> None:
    done = evaluate(plan_of(policy(rule("r", high(), SetStatus("blocked")))), scored(1, 8 * MICRO), NOW)
    assert set(done.prepared.tables) == {"advisory"}
