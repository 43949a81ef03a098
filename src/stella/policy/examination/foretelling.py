"""What a version would change over a snapshot: the evidence of a simulation, of a shadow run, and of determinism.

Rules:
- The version is held against the one that decides today, with the exceptions in force on both sides.
- The simulation is by asset, so that a canary can be compared with what was foretold for its share.
- What nobody can decide, and what the snapshot does not have, is no reason to deny and none to allow: it is degraded.
- Two backends count everything; when they differ in one number, that is evidence too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stella.engine.board import Board
from stella.engine.evaluate import RECHECKED, Name
from stella.engine.plan import compile as plan_of
from stella.engine.simulate import Comparison, Simulation, summed
from stella.inventory import snapshot as snapshots
from stella.inventory.loading import load_star
from stella.kernel.digest import sha256
from stella.kernel.instant import Instant, Seconds
from stella.language.ir import digest
from stella.language.model import SYNTAX, Metadata, Options, Policy
from stella.operations import Context
from stella.policy import exceptions, promotion, rules
from stella.policy.rules import BAD, DEGRADED, GOOD
from stella.policy.simulation.limits import DEFAULT, MAX_SOURCE, read_limits
from stella.policy.simulation.simulating import judged
from stella.runtime.files import read_file

if TYPE_CHECKING:
    from stella.policy.examination.examining import Found, Subject

FRESH: Seconds = rules.MAX_AGE
BACKENDS: tuple[Name, ...] = ("numpy", "polars")


class Foretold(NamedTuple):
    """What was found over a snapshot, which is named by its digest and is about an instant."""

    snapshot: str
    as_of: Instant
    found: tuple[Found, ...]


def foretold(ctx: Context, inventory: str, limits: str | None, subject: Subject) -> Foretold:
    """Simulate twice; raises the errors of limits, of snapshots and of the engine."""
    from stella.policy.examination.examining import Found  # noqa: PLC0415  # it loads this module when it needs it

    allowed = DEFAULT if limits is None else read_limits(read_file(Path(limits), MAX_SOURCE), limits)
    folder = snapshots.find(inventory)
    head = snapshots.read(folder)
    snapshots.require_fresh(head, ctx.clock.read().wall, FRESH)
    board = Board(load_star(folder), head.core.as_of)
    after = subject.policy
    before = _nothing(after) if subject.today is None else subject.today.checked()
    old, new = (plan_of(one, subject.excepted, digest(one)) for one in (before, after))
    comparisons = [Comparison(old, new, board, backend) for backend in BACKENDS]
    counted = [summed(one, one.counted()) for one in comparisons]
    comparisons[0].recheck(RECHECKED)
    results = judged(allowed, comparisons[0], counted[0])
    exceeded = [f"{one.limit} ({one.scope}): {one.value}, allowed {one.allowed}" for one in results if one.exceeded]
    proofs = [sha256(msgspec.json.encode(one)) for one in counted]
    same = proofs[0] == proofs[1]
    shown = msgspec.json.encode(counted[0])
    today = "" if subject.today is None else subject.today.digest
    excepted = exceptions.named(subject.excepted)
    matrix = promotion.Simulated(today, subject.found.digest, comparisons[0].by_asset(), excepted)
    whole = DEGRADED if counted[0].degraded or counted[0].undecided_after else GOOD
    told = f"{len(exceeded)} limits exceeded: {exceeded[0]}" if exceeded else f"{len(results)} limits kept"
    told += f", {counted[0].undecided_after:,} findings undecided" if counted[0].undecided_after else ""
    return Foretold(
        head.digest,
        head.core.as_of,
        (
            Found("shadow", whole, shown, _counts(counted[0]), determinism=proofs[0]),
            Found(
                "simulation",
                BAD if exceeded else whole,
                msgspec.json.encode(matrix),
                told,
                determinism=proofs[0],
                object=promotion.KIND,
            ),
            Found("determinism", GOOD if same else BAD, shown, f"by {' and '.join(BACKENDS)}", determinism=proofs[0]),
        ),
    )


def _nothing(after: Policy) -> Policy:
    return Policy("none", SYNTAX, Metadata(), Options(default_status=after.settings.default_status), (), (), ())


def _counts(counted: Simulation) -> str:
    total = counted.total
    return f"{counted.findings:,} findings, {total.changed:,} changed, {counted.undecided_after:,} undecided"
