"""Which rules include which: wherever the one is true, so is the other.

Rules:
- All pairs are meant; chance sorts out most of them, and every world that the solver finds sorts out more.
- A rule that is never true is included in all others, and not spoken of.
"""

from __future__ import annotations

from stella.language.model import Rule
from stella.prover.scene import Scene

WORTH_A_WORLD = 10  # candidates; for fewer, asking about each is quicker than looking at the world that was found


def included(scene: Scene, rule: Rule, others: dict[str, Rule]) -> dict[str, bool | None]:
    """By key of another rule: whether it includes the rule; None when that was not found out."""
    true = scene.pair(rule.when).true
    found: dict[str, bool | None] = {}
    waiting: dict[str, int] = {}
    mine = scene.seen(true)
    for key, other in others.items():
        literal = scene.pair(other.when).true
        if mine & ~scene.seen(literal):
            found[key] = False
        else:
            waiting[key] = literal
    while waiting:
        key = next(iter(waiting))
        literal = waiting.pop(key)
        can = scene.can(true, -literal)
        found[key] = None if can is None else not can
        if can and len(waiting) > WORTH_A_WORLD:
            scene.solver.holds(true, -literal)
            for more in [one for one, that in waiting.items() if not scene.solver.in_model(that)]:
                del waiting[more]
                found[more] = False
    return found
