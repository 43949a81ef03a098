"""What evaluating a policy costs: decisions for each second by backend, beside engines that others use.

Rules:
- A decision is one finding with the mask of all of its rules kept and the winner of status and severity counted.
- Peers get the same rules and the same findings, must give the same masks, and run in an environment of their own.
- Wall seconds are those of two threads. Ratios are of findings for each CPU second: a row engine uses one thread.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import fleet
import numpy as np
from measure import PLAIN, run
from peers import installed

from stella.engine.board import Board
from stella.engine.evaluate import Name, determinism, evaluate
from stella.engine.explain import explain
from stella.engine.incremental import Index, refresh
from stella.engine.plan import compile as plan_of
from stella.engine.simulate import simulate
from stella.inventory.star import Scaled, Star, Table

HERE = Path(__file__).parent
MANY = 20_000_000
FLAT = 2_000_000  # of engines that need the columns of every finding
HUGE = 100_000_000
ROUNDS = 5
MOVED = 0.84  # of all scores, from one day to the next
PEERS = ("cedarpy==4.12.2", "common-expression-language==0.10.0", "duckdb", "polars", "numpy")
BACKENDS: tuple[Name, ...] = ("numba", "numpy", "polars", "duckdb")


def timed(work: Callable[[], object], rounds: int = ROUNDS) -> dict[str, float]:
    """Medians of wall and CPU seconds; the first call is not counted."""
    work()
    wall, cpu = [], []
    for _ in range(rounds):
        begin, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - used)
    return {"wall_s": round(statistics.median(wall), 4), "cpu_s": round(statistics.median(cpu), 4)}


def rate(work: Callable[[], object], findings: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Findings for each second, with the seconds."""
    cost = timed(work, rounds)
    return {**cost, "per_s": round(findings / cost["wall_s"]), "per_cpu_s": round(findings / cost["cpu_s"])}


def policy(work: Path) -> dict[str, object]:
    """All of it."""
    out: dict[str, object] = {"findings": MANY, "rules": len(fleet.RULES)}
    board = Board(fleet.fleet(MANY), fleet.AS_OF)
    plan = plan_of(fleet.policy())
    backends = {name: _backend(board, name) for name in BACKENDS}
    out["decisions"] = backends
    out["agree"] = len({determinism(evaluate(plan, board, fleet.AS_OF, backend=name)) for name in BACKENDS}) == 1
    out["simulate"] = {name: timed(partial(_simulated, board, name)) for name in BACKENDS[:2]}
    out["edit"] = edit(board)
    out["feed"] = feed(board)
    out["explain_us"] = explained(board)
    peers = peer_rates(work, board.star)
    out["peers"] = peers
    out |= {f"{name}_missing": _other(name, missing=0.05) for name in BACKENDS[:2]}
    out |= {f"{name}_residual": _other(name, residual=True) for name in BACKENDS[:2]}
    out["hundred_million"] = huge()
    if isinstance(peers.get("Rust CEL"), dict):
        slow = peers["Rust CEL"]["per_cpu_s"]  # type: ignore[index]
        out["times_rust_cel"] = {name: round(held["per_cpu_s"] / slow) for name, held in backends.items()}
    return out


def _backend(board: Board, name: Name) -> dict[str, float]:
    plan = plan_of(fleet.policy())
    return rate(lambda: evaluate(plan, board, fleet.AS_OF, backend=name), MANY, ROUNDS if name[0] == "n" else 2)


def _simulated(board: Board, name: Name) -> object:
    before, after = plan_of(fleet.policy()), plan_of(fleet.policy(edited=True))
    return simulate(before, after, board, fleet.AS_OF, backend=name)


def _other(name: Name, missing: float = 0.0, *, residual: bool = False) -> dict[str, float]:
    """With missing values masks have two bits a term; a residual adds a sum over three dimensions."""
    board = Board(fleet.fleet(MANY, missing), fleet.AS_OF)
    plan = plan_of(fleet.policy(residual=residual))
    return rate(lambda: evaluate(plan, board, fleet.AS_OF, backend=name), MANY, 3)


def edit(board: Board) -> dict[str, float]:
    """One threshold moves: compile, masks of all rows, and the counts of all findings."""
    thresholds = iter(range(10**6))

    def once() -> object:
        edited = fleet.policy(edited=True)
        return evaluate(plan_of(edited, digest=str(next(thresholds))), board, fleet.AS_OF, backend="numba")

    compiling = timed(lambda: plan_of(fleet.policy(edited=True)))
    cold = timed(lambda: evaluate(plan_of(fleet.policy()), Board(_none(board.star), fleet.AS_OF), fleet.AS_OF))
    return {"to_counts_s": timed(once)["wall_s"], "compile_s": compiling["wall_s"], "all_rows_s": cold["wall_s"]}


def _none(star: Star) -> Star:
    return Star(star.dimensions, {name: keys[:1] for name, keys in star.keys.items()}, star.digest)


def feed(board: Board) -> dict[str, float]:
    """Most scores of exploits change a little, as they do every day."""
    done = evaluate(plan_of(fleet.policy()), board, fleet.AS_OF, backend="numba")
    index = Index(board.keys["advisory"], fleet.SIZES["advisory"])
    rng = np.random.default_rng(11)
    table = board.star.dimensions["advisory"]
    held = table.columns["epss"]
    assert isinstance(held, Scaled)  # noqa: S101  of the fleet
    moved = np.where(
        rng.random(len(held.values)) < MOVED,
        np.clip(held.values + rng.integers(-900, 900, len(held.values)), 0, 10**6),
        held.values,
    )
    fresh = Table(table.rows, {**table.columns, "epss": Scaled(moved)})
    star = Star({**board.star.dimensions, "advisory": fresh}, board.star.keys, "fed")
    cost, touched = [], 0
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        touched = len(refresh(done, star, "advisory", index).touched)
        cost.append(time.perf_counter() - begin)
    return {"wall_s": round(statistics.median(cost), 4), "touched": touched}


def explained(board: Board) -> float:
    """Microseconds to explain a finding."""
    plan = plan_of(fleet.policy())
    begin = time.perf_counter()
    for finding in range(1000):
        explain(plan, board, finding)
    return round((time.perf_counter() - begin) * 1000, 1)


def peer_rates(work: Path, star: Star) -> dict[str, object]:
    """Rates of the peers on findings of the same fleet."""
    place = installed(work / "peers", PEERS)
    if isinstance(place, str):
        return {"skipped": place}
    return asked_peers(place / "python", work, star)


def asked_peers(python: Path, work: Path, star: Star) -> dict[str, object]:
    """Write what they read, and run them."""
    small = Star(star.dimensions, {name: keys[:FLAT] for name, keys in star.keys.items()}, star.digest)
    done = evaluate(plan_of(fleet.policy()), small, fleet.AS_OF, backend="numpy")
    folder = work / "flat"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "columns.npz", **fleet.flat(star, FLAT))
    np.save(folder / "masks.npy", done.masks[0] & np.uint64((1 << len(fleet.RULES)) - 1))
    rules = [[(test.column.replace(".", "_"), *test[1:]) for test in tests] for _, tests in fleet.RULES]
    (folder / "rules.json").write_text(json.dumps(rules))
    command = [str(python), str(HERE / "policy_peer.py"), str(folder)]
    answer = subprocess.run(command, env=PLAIN, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def huge() -> dict[str, float]:
    """A hundred million findings: memory of a process that keeps all masks, and of one that compares two policies."""
    found = {}
    for what in ("evaluate", "simulate"):
        cost = run([sys.executable, __file__, what], HERE, PLAIN)
        found[f"{what}_peak_mib"] = round(cost.peak_mib)
    return found


def alone(what: str) -> None:
    """One of the two, in a process of its own."""
    board = Board(fleet.fleet(HUGE), fleet.AS_OF)
    begin = time.perf_counter()
    if what == "evaluate":
        evaluate(plan_of(fleet.policy()), board, fleet.AS_OF, backend="numba")
    else:
        _simulated(board, "numba")
    print(f"{time.perf_counter() - begin:.2f} s", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MiB")


if __name__ == "__main__":
    alone(sys.argv[1])
