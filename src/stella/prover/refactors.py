"""Two versions beside each other, and single statements about a policy.

Rules:
- Two versions are equivalent when they decide alike for every finding, in every attribute that is asked about.
- A statement `given => then` holds when `then` is true wherever `given` is; unknown is not true.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from stella.language.groups import groups
from stella.language.interpret import Facts, decide
from stella.language.model import Condition, ExceptionRule, Invariant, Policy
from stella.prover.claims import Claims
from stella.prover.errors import PolicyTooWide, SumTooWide
from stella.prover.graph import FALSE
from stella.prover.judging import Judge
from stella.prover.outcomes import Outcomes
from stella.prover.proofs import LIMITS, every_condition
from stella.prover.scene import Scene
from stella.prover.verdicts import Limits, Verdict

Compared = Literal["status", "severity", "undecided"]
COMPARED: tuple[Compared, ...] = ("status", "severity")


def equivalent(
    a: Policy,
    b: Policy,
    exceptions: Iterable[ExceptionRule] = (),
    as_of: int | None = None,
    compared: tuple[Compared, ...] = COMPARED,
    limits: Limits = LIMITS,
) -> Verdict:
    """Whether two versions decide alike; the example of a refuted one shows what `b` decides.

    `undecided` compares also whether an unknown rule might decide otherwise. What is too wide for a proof is unproved.
    Raises ExampleUnconfirmed.
    """
    try:
        return _equivalent(a, b, tuple(exceptions), as_of, compared, limits)
    except (PolicyTooWide, SumTooWide):
        return Verdict("equivalent", b.policy_id, "unproved")


def _equivalent(
    a: Policy,
    b: Policy,
    exempted: tuple[ExceptionRule, ...],
    as_of: int | None,
    compared: tuple[Compared, ...],
    limits: Limits,
) -> Verdict:
    both = [groups(one, exempted) for one in (a, b)]
    conditions = [
        condition for one, found in zip((a, b), both, strict=True) for condition in every_condition(one, found)
    ]
    scene = Scene(conditions, as_of, limits.effort, limits.total)
    first, second = (
        Outcomes(scene, found, one.settings.default_status) for one, found in zip((a, b), both, strict=True)
    )
    against = FALSE
    for attribute in compared:
        if attribute == "undecided":
            against = scene.graph.either(against, scene.graph.differ(first.undecided(), second.undecided()))
            continue
        one, other = first.decided(attribute), second.decided(attribute)
        for word in sorted(one.keys() | other.keys()):
            differs = scene.graph.differ(one.get(word, FALSE), other.get(word, FALSE))
            against = scene.graph.either(against, differs)

    def confirm(facts: Facts) -> bool:
        left, right = (
            decide(found, one.settings.default_status, facts) for one, found in zip((a, b), both, strict=True)
        )
        return any(getattr(left, attribute) != getattr(right, attribute) for attribute in compared)

    can = scene.can(against)
    if can is not True:
        return Verdict("equivalent", b.policy_id, "unproved" if can is None else "proved")
    example = scene.example(against, confirm, ("equivalent", b.policy_id))
    if example is None:
        return Verdict("equivalent", b.policy_id, "unproved")
    decided = decide(both[1], b.settings.default_status, example.facts())
    example = msgspec.structs.replace(example, status=decided.status, severity=decided.severity)
    return Verdict("equivalent", b.policy_id, "refuted", example=example)


def holds(
    policy: Policy,
    given: Condition,
    then: Condition,
    exceptions: Iterable[ExceptionRule] = (),
    as_of: int | None = None,
    limits: Limits = LIMITS,
) -> Verdict:
    """Whether `then` is true of every finding of which `given` is; see `all_hold`."""
    (verdict,) = all_hold(policy, [Invariant("", given, then)], exceptions, as_of, limits)
    return verdict


def all_hold(
    policy: Policy,
    invariants: Sequence[Invariant],
    exceptions: Iterable[ExceptionRule] = (),
    as_of: int | None = None,
    limits: Limits = LIMITS,
) -> tuple[Verdict, ...]:
    """Whether each holds; all are asked in one scene. What is too wide for a proof is unproved.

    Raises ExampleUnconfirmed.
    """
    found = groups(policy, exceptions)
    conditions = [*every_condition(policy, found), *(side for one in invariants for side in (one.given, one.then))]
    try:
        scene = Scene(conditions, as_of, limits.effort, limits.total)
        claims = Claims(policy, found, Outcomes(scene, found, policy.settings.default_status))
        # all formulas first: the graph does not grow once something was asked
        questions = [claims.invariant(one) for one in invariants]
        return Judge(claims).verdicts(questions)
    except (PolicyTooWide, SumTooWide):
        return tuple(Verdict("invariant", one.name, "unproved") for one in invariants)
