"""Ask a policy about all findings of a star, and keep the mask of each.

Rules:
- Every backend gives the same masks. Some findings of each run are asked again by the interpreter, which is what a
  policy means; one difference fails the run.
- Memory is the masks and little more: findings are taken in spans, and nothing but their masks is kept.
- Which findings are asked again follows from the digests alone: the same run asks the same ones.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

from stella.engine.arrays import LANE, Lanes
from stella.engine.board import Board
from stella.engine.errors import BackendMissing, BackendsDisagree
from stella.engine.facts import facts, missing
from stella.engine.gather import Backend, Numpy
from stella.engine.lanes import Layout, Masks, prepare
from stella.engine.plan import Plan, View
from stella.engine.reading import Decided, Reading, decide, normal, read
from stella.engine.tally import Count
from stella.inventory.star import Star
from stella.language.interpret import Decision
from stella.language.interpret import decide as interpret
from stella.language.names import SEVERITY, STATUS

Name = Literal["auto", "numpy", "numba", "polars", "duckdb"]
SPAN = 1 << 20  # findings that a thread takes at a time
THREADS = 2
RECHECKED = 64  # findings of a run that the interpreter is asked about
MANY = 5_000_000  # findings from which on loading numba is worth its two seconds
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a policy says of every finding: `masks[lane, finding]`, and how many findings each group decides."""

    plan: Plan
    board: Board
    prepared: Masks
    masks: Lanes
    counts: Count
    backend: str

    @property
    def layout(self) -> Layout:
        return self.prepared.layout

    @property
    def degraded(self) -> int:
        """Keys of findings that point to no row; a gate over such a run is pending."""
        return self.board.degraded

    @property
    def statuses(self) -> dict[str, int]:
        """How many findings have each status."""
        reading = read(self.plan.view, self.layout)
        found = np.bincount(reading.status_of, self.counts.status, len(STATUS.words)).astype(int).tolist()
        return dict(zip(STATUS.words, found, strict=True))

    @property
    def severities(self) -> dict[str, int]:
        """How many findings have each severity; `unknown` where there is none."""
        return dict(zip((*SEVERITY.words, "unknown"), self.counts.words.tolist(), strict=True))

    def decided(self, start: int = 0, stop: int | None = None) -> Decided:
        """Who decides the findings from `start` to `stop`."""
        return decide(read(self.plan.view, self.layout), self.masks[:, start:stop])

    def terms_of(self, finding: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The terms that hold of a finding, and those that hold or might."""
        return terms_in(self.layout, self.masks[:, finding])


@dataclass
class Run:
    """One pass over all findings: a plan on a board with a backend."""

    board: Board
    masks: Masks
    backend: Backend
    threads: int = THREADS
    kept: Lanes | None = field(default=None)

    def spans(self, make: Callable[[], R], each: Callable[[Lanes, int, R], None]) -> list[R]:
        """Give each block of masks to `each`, with what `make` made for its thread's span."""
        total = self.board.star.findings
        threads = self.backend.threads or self.threads
        span = max(SPAN, self.backend.block)
        if threads == 1 or total <= span:
            made = make()
            for start in range(0, total, span):
                self._span(start, min(start + span, total), made, each)
            return [made]
        edges = [total * i // threads for i in range(threads + 1)]

        def work(start: int, stop: int) -> R:
            made = make()
            self._span(start, stop, made, each)
            return made

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, edges[:-1], edges[1:]))

    def _span(self, start: int, stop: int, made: R, each: Callable[[Lanes, int, R], None]) -> None:
        block = self.backend.block
        lanes = self.masks.layout.lanes
        buffer = np.empty((lanes, min(block, stop - start)), np.uint64) if self.kept is None else self.kept[:, :0]
        for begin in range(start, stop, block):
            end = min(begin + block, stop)
            out = self.kept[:, begin:end] if self.kept is not None else buffer[:, : end - begin]
            self.backend.fill(self.masks, self.board, begin, out)
            each(out, begin, made)


def evaluate(
    plan: Plan,
    star: Star | Board,
    as_of: int,
    *,
    backend: Name = "auto",
    threads: int = THREADS,
    recheck: int = RECHECKED,
) -> Evaluation:
    """Ask all findings at an instant.

    With a `Board` what was learned of the star is used again. Raises BackendsDisagree, BackendMissing, SumTooLarge.
    """
    board = star if isinstance(star, Board) else Board(star, as_of)
    masks = prepare(plan, board)
    chosen = backend_of(backend, board.star.findings)
    kept = np.empty((masks.layout.lanes, board.star.findings), np.uint64)
    reading, severity = read(plan.view, masks.layout), normal(board)
    advisories = board.keys["advisory"]

    def count(lanes: Lanes, start: int, into: Count) -> None:
        chosen.count(reading, lanes, severity, advisories[start : start + lanes.shape[1]], into)

    counts = merged(Run(board, masks, chosen, threads, kept).spans(lambda: Count.of(reading), count))
    done = Evaluation(plan, board, masks, kept, counts, chosen.name)
    chosen_ids = sample(plan, board, recheck)
    rechecked(plan, board, masks.layout, chosen.name, chosen_ids, kept[:, chosen_ids])
    return done


def merged(parts: list[Count]) -> Count:
    """What all threads counted."""
    for part in parts[1:]:
        parts[0].merge(part)
    return parts[0]


def stream(
    plan: Plan, star: Star | Board, as_of: int, *, backend: Name = "auto", chunk: int = SPAN
) -> Iterator[tuple[int, Lanes]]:
    """The masks of `chunk` findings at a time with the number of the first, for what never needs all at once."""
    board = star if isinstance(star, Board) else Board(star, as_of)
    masks, chosen = prepare(plan, board), backend_of(backend, board.star.findings)
    for start in range(0, board.star.findings, chunk):
        out = np.empty((masks.layout.lanes, min(chunk, board.star.findings - start)), np.uint64)
        for begin in range(0, out.shape[1], chosen.block):
            chosen.fill(masks, board, start + begin, out[:, begin : begin + chosen.block])
        yield start, out


def backend_of(name: Name, findings: int) -> Backend:
    """The backend of that name; `auto` is numba for many findings where it is installed, else numpy."""
    if name == "auto":
        name = "numba" if findings >= MANY and importlib.util.find_spec("numba") else "numpy"
    match name:
        case "numba":
            if importlib.util.find_spec("numba") is None:
                raise BackendMissing(backend="numba", package="stella[fast]")
            from stella.engine.kernels import Numba

            return Numba()
        case "polars":
            from stella.engine.frames import Polars

            return Polars()
        case "duckdb":
            from stella.engine.duck import DuckDb

            return DuckDb()
        case _:
            return Numpy()


def sample(plan: Plan, board: Board, count: int) -> list[int]:
    """Findings to ask again: the first, the last, and some that follow from the digests."""
    total = board.star.findings
    if not total or not count:
        return []
    said = [*(view.digest for view in plan.views), board.star.digest, str(board.as_of)]
    seed = int.from_bytes(hashlib.sha256("\0".join(said).encode()).digest()[:8])
    drawn = np.random.default_rng(seed).integers(0, total, count - 2 if count > 2 else 0)  # noqa: PLR2004  first, last
    return sorted({0, total - 1, *drawn.tolist()})


def rechecked(plan: Plan, board: Board, layout: Layout, backend: str, chosen: list[int], masks: Lanes) -> None:
    """Ask the interpreter about some findings, whose masks are `masks[lane, i]`; raises BackendsDisagree."""
    readings = [read(view, layout) for view in plan.views]
    for i, finding in enumerate(chosen):
        if missing(board.star, finding):  # the interpreter cannot say that it knows nothing of a row
            continue
        told = facts(board.star, finding, board.as_of)
        mask = np.ascontiguousarray(masks[:, i])
        for number, (view, reading) in enumerate(zip(plan.views, readings, strict=True)):
            wanted = interpret(view.groups, view.default_status, told)
            if agrees(plan, number, layout, reading, mask, wanted):
                continue
            raise BackendsDisagree(
                finding=finding,
                backend=backend,
                found=_shown(*groups_in(view, layout, mask)),
                wanted=_shown(wanted.true, wanted.unknown),
            )


def agrees(plan: Plan, view: int, layout: Layout, reading: Reading, mask: Lanes, wanted: Decision) -> bool:
    """Whether a mask says the same as the interpreter: groups, winners, and whether it is open."""
    true, unknown = groups_in(plan.views[view], layout, mask)
    found = decide(reading, mask.reshape(-1, 1))
    none = reading.groups
    status = none if wanted.status_by is None else wanted.status_by
    severity = none if wanted.severity_by is None else wanted.severity_by
    return (true, unknown, int(found.status_by[0]), int(found.severity_by[0]), bool(found.undecided[0])) == (
        wanted.true,
        wanted.unknown,
        status,
        severity,
        wanted.undecided,
    )


def groups_in(view: View, layout: Layout, mask: Lanes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The groups that a mask makes true, and those that it leaves unknown."""
    holding, possible = terms_in(layout, mask)
    true = {view.group_of[bit] for bit in holding} - {-1}
    unknown = {view.group_of[bit] for bit in possible} - true - {-1}
    return tuple(sorted(true)), tuple(sorted(unknown))


def terms_in(layout: Layout, mask: Lanes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The terms that hold, and those that hold or might."""
    lanes = [int(one) for one in mask]

    def is_set(bit: int) -> bool:
        return bool(lanes[bit // LANE] >> bit % LANE & 1)

    sure = tuple(bit for bit in range(layout.terms) if is_set(bit))
    return sure, tuple(bit for bit in range(layout.terms) if is_set(layout.second[bit]))


def _shown(first: tuple[int, ...], second: tuple[int, ...]) -> str:
    return "/".join(f"{sum(1 << one for one in some):x}" for some in (first, second))


def determinism(done: Evaluation) -> str:
    """SHA-256 over what was asked, and the number and mask of each finding."""
    said = [*(view.digest for view in done.plan.views), done.board.star.digest, str(done.board.as_of)]
    digest = hashlib.sha256("\0".join([*said, repr(tuple(done.layout))]).encode())
    total = done.masks.shape[1]
    for start in range(0, total, SPAN):
        lanes = done.masks[:, start : start + SPAN]
        rows = np.empty((lanes.shape[1], len(lanes) + 1), "<u8")
        rows[:, 0] = np.arange(start, start + lanes.shape[1])
        rows[:, 1:] = lanes.T
        digest.update(rows.tobytes())
    return digest.hexdigest()
