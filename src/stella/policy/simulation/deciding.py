"""The stored versions that a simulation is about: which one decides in an environment, and what is excepted from it."""

from __future__ import annotations

from typing import NamedTuple

from stella.kernel.instant import Instant
from stella.language.model import ExceptionRule
from stella.operations import Context
from stella.policy import exceptions, records, rules
from stella.policy.records import PACKAGE, Version
from stella.policy.simulation.errors import NoActivePolicy
from stella.runtime.transaction import Transaction

ACTIVE = "active"


class Wanted(NamedTuple):
    """Which version `active` is: of the policy with that id, or else of the one whose text has a name."""

    policy: str | None
    name: str
    env: str


def stored(ctx: Context, given: str, wanted: Wanted) -> Version | None:
    """The version that `active` or `P-7@3` names; None for a text that names a file.

    Raises NoActivePolicy, NoSuchPolicy or NoSuchVersion.
    """
    if given != ACTIVE and not rules.is_reference(given):
        return None
    if ctx.database is None:
        raise NoActivePolicy(name=wanted.name, problem="there is no database of versions here")
    with ctx.tenant() as t:
        if given == ACTIVE:
            return _active(t, wanted, rules.parse_env(wanted.env))
        return records.version(t, *rules.parse_reference(given))


def in_force(ctx: Context, policy: str, as_of: Instant) -> tuple[ExceptionRule, ...]:
    """What is excepted from a policy at a time."""
    with ctx.tenant() as t:
        return exceptions.in_force(t, policy, as_of)


def _active(t: Transaction, wanted: Wanted, env: str) -> Version:
    """What decides in an environment."""
    policy = wanted.policy if wanted.policy is not None else _named(t, wanted.name)
    records.name_of(t, policy)
    placed = records.placements(t, policy).get(env)
    if placed is None or placed.version is None:
        raise NoActivePolicy(name=wanted.name, problem=f"no version of {policy} decides in {env}")
    return records.version(t, policy, placed.version)


def _named(t: Transaction, name: str) -> str:
    """The id of the policy of which an active version has a text of that name."""
    found = sorted({str(policy) for policy, _ in t.all(PACKAGE, "active_by_title", title=name)})
    if not found:
        raise NoActivePolicy(name=name, problem="no version of it is active")
    if len(found) > 1:
        raise NoActivePolicy(name=name, problem=f"more than one policy has a text of that name: {', '.join(found)}")
    return found[0]
