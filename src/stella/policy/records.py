"""What is stored of policies, read and written in an open transaction of the tenant.

Rules:
- Whoever changes something holds the policy first, so that of two who want the same one is told what has become of it.
- What is stored of a version is compared with its digest before anything depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from stella.audit import tell as log
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.kernel.instant import Instant, format_time
from stella.language.model import Policy
from stella.operations import Context
from stella.policy import rules
from stella.policy.errors import IrHashMismatch, NoSuchPolicy, NoSuchVersion
from stella.policy.model import Event, EvidenceRow, PlacementRow, State, VersionRow
from stella.runtime.transaction import Transaction

PACKAGE = "stella.policy"  # whose statements are used here


class Version(NamedTuple):
    """A version as it is stored."""

    policy: str
    number: int
    label: str
    state: State
    digest: str
    shadow: bool
    based_on: int | None
    created: Instant
    author: str
    source: str = ""
    ir: bytes = b""

    @property
    def name(self) -> str:
        """How it is named, such as P-7@3."""
        return f"{self.policy}@{self.number}"

    @property
    def found_digest(self) -> str:
        """The digest of what is stored."""
        return sha256(self.ir)

    def checked(self) -> Policy:
        """What it says; raises IrHashMismatch."""
        if self.found_digest != self.digest:
            raise IrHashMismatch(version=self.name, found=self.found_digest, expected=self.digest)
        return msgspec.json.decode(self.ir, type=Policy)

    def row(self) -> VersionRow:
        """The same as it is shown."""
        return VersionRow(
            policy=self.policy,
            version=self.number,
            label=self.label,
            state=self.state,
            ir_sha256=self.digest,
            shadow=self.shadow,
            based_on=self.based_on,
            created=format_time(self.created),
            author=self.author,
        )


class Placement(NamedTuple):
    """What decides in an environment now."""

    env: str
    number: int
    event: str
    version: int | None
    canary: int | None
    percent: int
    predicted: dict[str, int] | None
    at: Instant

    def row(self) -> PlacementRow:
        """The same as it is shown."""
        return PlacementRow(
            env=self.env,
            version=self.version,
            canary=self.canary,
            percent=self.percent,
            since=format_time(self.at),
        )


def now_of(ctx: Context) -> Instant:
    """What time it is."""
    return ctx.clock.read().wall


def name_of(t: Transaction, policy: str, *, hold: bool = False) -> str:
    """The name of a policy, which is held until the transaction ends if that is wanted; raises NoSuchPolicy."""
    row = t.one(PACKAGE, "hold_policy" if hold else "policy", policy=rules.parse_id(policy))
    if row is None:
        raise NoSuchPolicy(policy=policy)
    return str(row[1])


def versions(t: Transaction, policy: str) -> list[Version]:
    """All versions, the newest first, without their texts."""
    return [_version(row) for row in t.all(PACKAGE, "versions", policy=policy)]


def version(t: Transaction, policy: str, number: int | None) -> Version:
    """A version, the newest one where none is named; raises NoSuchPolicy or NoSuchVersion."""
    name_of(t, policy)
    if number is None:
        number = versions(t, policy)[0].number
    row = t.one(PACKAGE, "version", policy=policy, version=number)
    if row is None:
        raise NoSuchVersion(version=f"{policy}@{number}")
    return _version(row)


def held(t: Transaction, policy: str, number: int) -> Version:
    """A version whose policy is held until the transaction ends; raises NoSuchPolicy or NoSuchVersion."""
    name_of(t, policy, hold=True)
    return version(t, policy, number)


def placements(t: Transaction, policy: str) -> dict[str, Placement]:
    """What decides now, by environment."""
    found = {}
    for env, number, event, stable, canary, percent, predicted, at in t.all(PACKAGE, "placements", policy=policy):
        matrix = None if predicted is None else msgspec.json.decode(predicted, type=dict[str, int])
        found[env] = Placement(env, number, event, stable, canary, percent, matrix, at)
    return found


def evidence(t: Transaction, policy: str, number: int) -> list[rules.Evidence]:
    """The last evidence of each kind."""
    rows = t.all(PACKAGE, "evidence", policy=policy, version=number)
    return [
        rules.Evidence(kind, digest, verdict, made, inputs, determinism)
        for kind, digest, verdict, inputs, determinism, made, _ in rows
    ]


def evidence_rows(found: list[rules.Evidence]) -> tuple[EvidenceRow, ...]:
    """The same as it is shown."""
    return tuple(
        EvidenceRow(
            kind=one.kind, digest=one.digest, verdict=one.verdict, inputs=one.inputs, made=format_time(one.made)
        )
        for one in found
    )


def move(  # what a history keeps
    ctx: Context,
    t: Transaction,
    found: Version,
    event: Event,
    *,
    reason: str = "",
    ticket: str = "",
    evidence: tuple[str, ...] = (),
    after: Mapping[str, str] = MappingProxyType({}),
) -> Version:
    """Move a version that is held, and write that down; the version as it is then. Raises IllegalTransition.

    `evidence` are digests that the move depends on; `after` says more for the audit log.
    """
    state = rules.moved(found.policy, found.number, found.state, event)
    t.run(
        PACKAGE,
        "move_version",
        policy=found.policy,
        version=found.number,
        state=state.value,
        before=found.state.value,
    )
    entered(ctx, t, found, event, state, reason=reason, ticket=ticket, evidence=evidence)
    told = {"from": found.state.value, "to": state.value, "ir_sha256": found.digest} | dict(after)
    log.tell(ctx, t, f"policy.{event.value}", found.name, reason=reason, ticket=ticket, after=told)
    return found._replace(state=state)


def entered(
    ctx: Context,
    t: Transaction,
    found: Version,
    event: Event | str,
    state: State,
    *,
    reason: str = "",
    ticket: str = "",
    evidence: tuple[str, ...] = (),
) -> None:
    """Write down what happened to a version; a new one comes from no state."""
    t.run(
        PACKAGE,
        "put_transition",
        policy=found.policy,
        version=found.number,
        event=str(event),
        before=found.state.value if isinstance(event, Event) else None,
        state=state.value,
        actor=ctx.actor,
        reason=reason,
        ticket=ticket,
        evidence=list(evidence),
        now=now_of(ctx),
    )


def _version(row: tuple[Any, ...]) -> Version:
    policy, number, label, state, digest, shadow, based_on, created, author, *rest = row
    source, ir = (rest[0], dump(msgspec.json.decode(rest[1]))) if rest else ("", b"")
    return Version(policy, number, label, State(state), digest, shadow, based_on, created, author, source, ir)
