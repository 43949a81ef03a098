"""The stored versions that a simulation is about: which one decides in an environment, and what is excepted from it."""

from __future__ import annotations

from stella.kernel.instant import Instant
from stella.language.model import ExceptionRule
from stella.operations import Context
from stella.policy import exceptions, records, rules
from stella.policy.records import PACKAGE, Version
from stella.policy.simulation.errors import NoActivePolicy
from stella.runtime.transaction import Transaction

ACTIVE = "active"
MANY = 2  # policies that are looked for: with a second one nobody knows which was meant


def stored(ctx: Context, given: str, policy: str | None, env: str) -> Version | None:
    """The version that `active` or `P-7@3` names; None for a text that names a file.

    Raises NoActivePolicy, NoSuchPolicy or NoSuchVersion.
    """
    if given != ACTIVE and not rules.is_reference(given):
        return None
    if ctx.database is None:
        raise NoActivePolicy(problem="there is no service and no database")
    with ctx.tenant() as t:
        if given == ACTIVE:
            return _active(t, policy, rules.parse_env(env))
        return records.version(t, *rules.parse_reference(given))


def in_force(ctx: Context, policy: str, as_of: Instant) -> tuple[ExceptionRule, ...]:
    """What is excepted from a policy at a time."""
    with ctx.tenant() as t:
        return exceptions.in_force(t, policy, as_of)


def _active(t: Transaction, policy: str | None, env: str) -> Version:
    """What decides in an environment: of a policy, or of the only one that has a version there."""
    if policy is None:
        found = [str(row[0]) for row in t.all(PACKAGE, "deciding", env=env, limit=MANY)]
        if len(found) != 1:
            many = "several policies do; say which with `--policy`"
            raise NoActivePolicy(problem=f"in {env} {many if found else 'no policy decides'}")
        policy = found[0]
    records.name_of(t, policy)
    placed = records.placements(t, policy).get(env)
    if placed is None or placed.version is None:
        raise NoActivePolicy(problem=f"no version of {policy} decides in {env}")
    return records.version(t, policy, placed.version)
