"""What a canary does to its assets, as the engine sees it over a snapshot.

Rules:
- The version that decides for all others and the canary are asked of each finding of the canary's assets, with the
  exceptions in force; what is counted is what a simulation foretells.
- A snapshot of more than a day ago shows nothing of what a canary does now.
"""

from __future__ import annotations

from stella.engine.board import Board
from stella.engine.evaluate import RECHECKED
from stella.engine.plan import compile as plan_of
from stella.engine.simulate import Comparison
from stella.inventory.loading import load_star
from stella.operations import Context
from stella.policy import canary, exceptions, inputs, records
from stella.policy.errors import Misplaced

MAX_AGE = "24h"


def seen(ctx: Context, policy: str, env: str, place: str) -> tuple[int, dict[str, int]]:
    """The number of what decides in an environment, and the transitions of the canary's assets.

    Raises Misplaced where there is no canary, InputsUnfrozen, or as reading a snapshot and the engine.
    """
    folder, head = inputs.snapshot_of(ctx, place, MAX_AGE)
    with ctx.tenant() as t:
        records.name_of(t, policy)
        placed = records.placements(t, policy).get(env)
        if placed is None or placed.canary is None or placed.version is None:
            raise Misplaced(version=policy, env=env, problem="there is no canary")
        sides = [records.version(t, policy, number) for number in (placed.version, placed.canary)]
        excepted = exceptions.in_force(t, policy, head.core.as_of)
    before, after = (plan_of(one.checked(), excepted, one.digest) for one in sides)
    comparison = Comparison(before, after, Board(load_star(folder), head.core.as_of))
    name = sides[1].digest
    found = comparison.by_asset()
    comparison.recheck(RECHECKED)
    return placed.number, canary.foretold(found, name, placed.percent)
