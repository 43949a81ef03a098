"""What a second policy would change: every finding asked of both, counted exactly, none of it kept.

Rules:
- Both policies are one plan with two views, so what they share is gathered once.
- A cell of the matrix is a pair: the group that decides the status before, and the one after. Everything about the
  status follows from cells; severities and assets are counted beside them.
- The findings of a cell, or of a kind of change, are found by a second pass when somebody asks, in the order of ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from stella.engine.arrays import Lanes, Longs
from stella.engine.board import Board
from stella.engine.evaluate import RECHECKED, THREADS, Name, Run, backend_of, rechecked, sample
from stella.engine.lanes import Masks, prepare
from stella.engine.moves import Moved, Shift
from stella.engine.plan import Plan, View, join
from stella.engine.reading import Reading, decide, normal, read
from stella.engine.tally import (
    CHANGED,
    FREED,
    KINDS,
    NEWLY,
    SEVERITIES,
    Compare,
    Ground,
    classes,
    severities,
)
from stella.inventory.star import NO_FLAG, Coded, Flags, Star
from stella.language.names import SEVERITY, STATUS

Kind = Literal["newly_blocked", "unblocked", "unblocked_kev", "changed"]
UNKNOWN = "unknown"
DEFAULT = "default"
TOP = 10


class Outcome(msgspec.Struct, frozen=True):
    """A group by what people call it; `default` is where no rule decides."""

    rule: str
    branch: str
    status: str | None
    severity: str | None


class Cell(msgspec.Struct, frozen=True):
    """So many findings are decided by one outcome before, by another after: numbers in the lists of outcomes."""

    before: int
    after: int
    findings: int


class Simulation(msgspec.Struct, frozen=True):
    """All counts of a comparison. Cells and shifts of no finding are left out; assets too where nothing changes."""

    before_digest: str
    after_digest: str
    star_digest: str
    as_of: int
    findings: int
    degraded: int
    undecided_before: int
    undecided_after: int
    before: tuple[Outcome, ...]
    after: tuple[Outcome, ...]
    matrix: tuple[Cell, ...]
    statuses: tuple[Shift, ...]
    severities: tuple[Shift, ...]
    total: Moved
    environments: tuple[Moved, ...]
    assets: tuple[Moved, ...]
    slow: tuple[str, ...] = ()

    def rules(self) -> tuple[Shift, ...]:
        """The matrix by rule: who lost how many findings to whom."""
        found: dict[tuple[str, str], int] = {}
        for cell in self.matrix:
            key = (self.before[cell.before].rule, self.after[cell.after].rule)
            found[key] = found.get(key, 0) + cell.findings
        return tuple(Shift(*key, count) for key, count in sorted(found.items()))

    def movers(self, most: int = TOP) -> tuple[Moved, ...]:
        """The assets where most findings change."""
        return tuple(sorted(self.assets, key=lambda one: (-one.changed, one.name))[:most])


class Change(NamedTuple):
    """One finding before and after: numbers of outcomes, and words."""

    finding: int
    before: int
    after: int
    status_before: str
    status_after: str
    severity_before: str
    severity_after: str


class Comparison:
    """Two policies over one star: what `simulate` counts, and the findings behind its counts."""

    def __init__(self, before: Plan, after: Plan, board: Board, backend: Name = "auto", threads: int = THREADS) -> None:
        self.plan: Plan = join(before, after)
        self.board = board
        self.masks: Masks = prepare(self.plan, board)
        first, second = (read(view, self.masks.layout) for view in self.plan.views)
        self.readings: tuple[Reading, Reading] = (first, second)
        self._backend = backend_of(backend, board.star.findings)
        self._threads = threads
        self._ground = Ground(
            normal(board),
            _known_exploited(board),
            board.keys["advisory"],
            board.keys["asset"],
            board.star.dimensions["asset"].rows + 1,
            classes(first, second),
        )

    @property
    def backend(self) -> str:
        """The name of the backend that computes it."""
        return self._backend.name

    def counted(self) -> Compare:
        """Ask all findings."""

        def each(lanes: Lanes, start: int, into: Compare) -> None:
            self._backend.compare(self.readings, lanes, start, into)

        run = Run(self.board, self.masks, self._backend, self._threads)
        parts = run.spans(lambda: Compare.of(self.readings, self._ground), each)
        for part in parts[1:]:
            parts[0].merge(part)
        return parts[0]

    def recheck(self, count: int) -> None:
        """Ask the interpreter about some findings; raises BackendsDisagree."""
        chosen = sample(self.plan, self.board, count)
        out = np.empty((self.masks.layout.lanes, len(chosen)), np.uint64)
        if chosen:
            self._backend.fill(self.masks, self.board.only(np.array(chosen)), 0, out)
        rechecked(self.plan, self.board, self.masks.layout, self._backend.name, chosen, out)

    def by_asset(self) -> dict[str, dict[str, int]]:
        """For each asset that has findings: how many go from which rule to which, as `FROM>TO`."""
        first, second = self.readings
        width, codes, names = second.groups + 1, *_names(self.board, "asset.id")
        cells = (first.groups + 1) * width
        found: dict[int, int] = {}
        for start in range(0, self.board.star.findings, self._backend.block):
            out = np.empty(
                (self.masks.layout.lanes, min(self._backend.block, self.board.star.findings - start)), np.uint64
            )
            self._backend.fill(self.masks, self.board, start, out)
            cell = decide(first, out).status_by.astype(np.int64) * width + decide(second, out).status_by
            rows = codes[self._ground.assets[start : start + out.shape[1]]]
            for key, count in zip(*np.unique(rows * cells + cell, return_counts=True), strict=True):
                found[int(key)] = found.get(int(key), 0) + int(count)
        before, after = map(_outcomes, self.plan.views)
        told: dict[str, dict[str, int]] = {}
        for key, count in sorted(found.items()):
            row, place = divmod(key, cells)
            matrix, pair = told.setdefault(names[row], {}), f"{before[place // width].rule}>{after[place % width].rule}"
            matrix[pair] = matrix.get(pair, 0) + count
        return told

    def changes(self, wanted: Kind | tuple[int, int], after: int = -1) -> Iterator[Change]:
        """The findings of a kind of change, or of a cell, with ids above `after`, in the order of ids."""
        for start, out in self.blocks(after + 1):
            yield from self._changes(out, start, wanted)

    def blocks(self, start: int = 0) -> Iterator[tuple[int, Lanes]]:
        """The masks of some findings at a time with the number of the first, from `start` on."""
        block = self._backend.block
        for begin in range(start, self.board.star.findings, block):
            out = np.empty((self.masks.layout.lanes, min(block, self.board.star.findings - begin)), np.uint64)
            self._backend.fill(self.masks, self.board, begin, out)
            yield begin, out

    def _changes(self, lanes: Lanes, start: int, wanted: Kind | tuple[int, int]) -> Iterator[Change]:
        old, new = (decide(reading, lanes) for reading in self.readings)
        ground, (first, second) = self._ground, self.readings
        rows = ground.advisories[start : start + lanes.shape[1]]
        words = np.take(ground.normal, rows, mode="clip")
        was, now = severities(first, old, words), severities(second, new, words)
        if isinstance(wanted, tuple):
            mine = (old.status_by == wanted[0]) & (new.status_by == wanted[1])
        else:
            kind = ground.classes[old.status_by * np.intp(second.groups + 1) + new.status_by]
            mine = {
                "changed": (kind & CHANGED != 0) | (was != now),
                "newly_blocked": kind & NEWLY != 0,
                "unblocked": kind & FREED != 0,
                "unblocked_kev": (kind & FREED != 0) & (ground.kev[rows] == 1),
            }[wanted]
        names = (*SEVERITY.words, UNKNOWN)
        for i in np.flatnonzero(mine).tolist():
            left, right = int(old.status_by[i]), int(new.status_by[i])
            statuses = (STATUS.words[first.status_of[left]], STATUS.words[second.status_of[right]])
            yield Change(start + i, left, right, *statuses, names[was[i]], names[now[i]])


def simulate(
    before: Plan,
    after: Plan,
    star: Star | Board,
    as_of: int,
    *,
    backend: Name = "auto",
    threads: int = THREADS,
    recheck: int = RECHECKED,
) -> Simulation:
    """Count what changes when one policy takes the place of another.

    Raises BackendsDisagree, BackendMissing, SumTooLarge.
    """
    board = star if isinstance(star, Board) else Board(star, as_of)
    comparison = Comparison(before, after, board, backend, threads)
    found = comparison.counted()
    comparison.recheck(recheck)
    return summed(comparison, found)


def summed(comparison: Comparison, found: Compare) -> Simulation:
    """The counts of a comparison as what people and limits read."""
    plan, board, (first, second) = comparison.plan, comparison.board, comparison.readings
    width = second.groups + 1
    cells = [(int(i) // width, int(i) % width, int(found.matrix[i])) for i in np.flatnonzero(found.matrix)]
    statuses: dict[tuple[str, str], int] = {}
    for old, new, count in cells:
        key = (STATUS.words[first.status_of[old]], STATUS.words[second.status_of[new]])
        statuses[key] = statuses.get(key, 0) + count
    words = (*SEVERITY.words, UNKNOWN)
    each = [divmod(int(i), SEVERITIES) for i in np.flatnonzero(found.severity)]
    shifts = tuple(Shift(words[a], words[b], int(found.severity[a * SEVERITIES + b])) for a, b in each)
    totals = board.findings_of("asset")
    return Simulation(
        before_digest=plan.views[0].digest,
        after_digest=plan.views[1].digest,
        star_digest=board.star.digest,
        as_of=board.as_of,
        findings=board.star.findings,
        degraded=board.degraded,
        undecided_before=int(found.undecided[0]),
        undecided_after=int(found.undecided[1]),
        before=_outcomes(plan.views[0]),
        after=_outcomes(plan.views[1]),
        matrix=tuple(Cell(*cell) for cell in cells),
        statuses=tuple(Shift(*key, count) for key, count in sorted(statuses.items())),
        severities=shifts,
        total=_moved("all", board.star.findings, found.assets.sum(axis=1)),
        environments=_environments(board, totals, found.assets),
        assets=_assets(board, totals, found.assets),
        slow=plan.slow,
    )


def _outcomes(view: View) -> tuple[Outcome, ...]:
    listed = [Outcome(group.rule, group.branch, group.status, group.severity) for group in view.groups]
    return (*listed, Outcome(DEFAULT, DEFAULT, view.default_status, None))


def _moved(name: str, findings: int, counts: Longs) -> Moved:
    by_kind = dict(zip(KINDS, counts.tolist(), strict=True))
    return Moved(name=name, findings=findings, **by_kind)


def _names(board: Board, column: str) -> tuple[Longs, tuple[str, ...]]:
    """For each asset, and a missing one, a number in a list of names; `unknown` is for none."""
    table = board.star.dimensions["asset"]
    held = table.columns.get(column)
    if not isinstance(held, Coded):
        return np.zeros(table.rows + 1, np.int64), (UNKNOWN,)
    codes = np.append(held.codes, -1).astype(np.int64)
    names = held.words if UNKNOWN in held.words else (*held.words, UNKNOWN)  # one that is called so is the same to all
    return np.where(codes < 0, names.index(UNKNOWN), codes), names


def _environments(board: Board, totals: Longs, counts: Longs) -> tuple[Moved, ...]:
    codes, names = _names(board, "env.name")
    findings = _sums(codes, totals, len(names))
    by_kind = np.stack([_sums(codes, one, len(names)) for one in counts])
    found = [_moved(name, int(findings[i]), by_kind[:, i]) for i, name in enumerate(names) if findings[i]]
    return tuple(sorted(found, key=lambda one: one.name.encode()))


def _sums(codes: Longs, values: Longs, count: int) -> Longs:
    found = np.zeros(count, np.int64)
    np.add.at(found, codes, values)
    return found


def _assets(board: Board, totals: Longs, counts: Longs) -> tuple[Moved, ...]:
    codes, names = _names(board, "asset.id")
    changed: Sequence[int] = np.flatnonzero(counts[KINDS.index("changed")]).tolist()
    found = [_moved(names[codes[row]], int(totals[row]), counts[:, row]) for row in changed]
    return tuple(sorted(found, key=lambda one: one.name.encode()))


def _known_exploited(board: Board) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    table = board.star.dimensions["advisory"]
    held = table.columns.get("kev")
    flags = held.values if isinstance(held, Flags) else np.full(table.rows, NO_FLAG, np.int8)
    return np.append(flags == 1, False).astype(np.uint8)
