"""Frozen inputs: what a run is about, by the digests of its parts, and whether it may still be used.

Rules:
- Inputs are named by the SHA-256 of what they are made of, the instant that they are about included. The same parts at
  another instant are other inputs.
- What is frozen is never frozen anew: it gets old. A run over inputs of more than a day ago is refused, whether they
  were frozen then or are only about that instant; one that is still to come is refused too. More parts make nothing
  younger.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from stella.audit import tell as log
from stella.inventory import snapshot as snapshots
from stella.inventory.errors import SnapshotMissing
from stella.inventory.snapshot import Snapshot
from stella.kernel.canonical import dump
from stella.kernel.digest import is_digest, sha256
from stella.kernel.instant import Instant, format_time, parse_duration, parse_time
from stella.operations import Context
from stella.policy import records, rules
from stella.policy.errors import BadWord, InputsUnfrozen, OtherInputs
from stella.policy.records import PACKAGE
from stella.policy.run_model import PARTS, FreezeInputs, InputsFrozen
from stella.runtime.transaction import Transaction

ANY = "any"  # age of a snapshot
DIGEST = "64 lower-case hex digits"


class Inputs(msgspec.Struct, frozen=True):
    """Frozen inputs; `as_of` and `frozen` are in seconds since 1970."""

    digest: str
    parts: dict[str, str]
    as_of: Instant
    frozen: Instant

    def since(self, now: Instant) -> Instant:
        """What their age counts from: the older of what they are about and when they were frozen.

        An instant that is still to come is given as it is, so that it is refused.
        """
        return self.as_of if self.as_of > now + rules.SKEW else min(self.as_of, self.frozen)


class NamesInputs(Protocol):
    """A request that names a snapshot, and the frozen inputs that it must be a part of if any."""

    @property
    def inventory(self) -> str: ...

    @property
    def inputs(self) -> str: ...

    @property
    def max_age(self) -> str: ...


def freeze(ctx: Context, want: FreezeInputs) -> InputsFrozen:
    """Freeze inputs."""
    parts = {name: getattr(want, name) for name in PARTS if getattr(want, name)}
    for name, digest in parts.items():
        if not is_digest(digest):
            raise BadWord(what=f"digest of {name}", text=ascii(digest)[1:-1][: rules.MAX_SHOWN], form=DIGEST)
    if not parts:
        raise BadWord(what="digest of any part", text="", form=DIGEST)
    now = records.now_of(ctx)
    kept = {**parts, "as_of": want.as_of or format_time(now)}
    parse_time(kept["as_of"])
    data = dump(kept)
    digest = sha256(data)
    with ctx.tenant() as t:
        t.run(PACKAGE, "put_inputs", digest=digest, parts=data.decode(), now=now, actor=ctx.actor)
        found = read(t, digest)
        log.tell(ctx, t, "policy.freeze", digest, after=kept)
    frozen = now if found is None else found.frozen
    return InputsFrozen(digest=digest, parts=parts, as_of=kept["as_of"], frozen=format_time(frozen))


def admit(ctx: Context, want: NamesInputs) -> None:
    """Raise what speaks against the inputs of a request, before it waits for its turn.

    Raises InputsUnfrozen, InputsStale, OtherInputs, or as `snapshot.require_fresh`.
    """
    _, head = snapshot_of(ctx, want.inventory, want.max_age)
    require(ctx, want.inputs, head)


def require(ctx: Context, digest: str, head: Snapshot) -> None:
    """Raise InputsUnfrozen, InputsStale or OtherInputs unless a snapshot is a part of inputs, if any are named."""
    if digest:
        with ctx.tenant() as t:
            require_part(usable(t, digest, records.now_of(ctx)), head)


def snapshot_of(ctx: Context, place: str, max_age: str) -> tuple[Path, Snapshot]:
    """The folder of a snapshot, and what it says of itself.

    Raises InputsUnfrozen where there is none, or as `snapshot.require_fresh`.
    """
    try:
        folder = snapshots.find(place)
        head = snapshots.read(folder)
    except SnapshotMissing:
        raise InputsUnfrozen(digest=ascii(place)[1:-1][: rules.MAX_SHOWN]) from None
    if max_age != ANY:
        snapshots.require_fresh(head, records.now_of(ctx), parse_duration(max_age))
    return folder, head


def freeze_snapshot(ctx: Context, head: Snapshot) -> Inputs:
    """The frozen inputs that a snapshot is; what is recorded is never about one of more than a day ago."""
    snapshots.require_fresh(head, records.now_of(ctx))
    core = head.core
    parts = {
        "sbom_digest": core.sbom_digest,
        "advisory_snapshot": core.advisory_snapshot,
        "vex_set": core.vex_set,
        "reachability_hash": core.reach,
        "inventory": head.digest,
    }
    known = {name: digest for name, digest in parts.items() if digest}
    made = freeze(ctx, FreezeInputs(**known, as_of=format_time(core.as_of)))
    with ctx.tenant() as t:
        return usable(t, made.digest, records.now_of(ctx))


def require_part(found: Inputs, head: Snapshot) -> None:
    """Raise OtherInputs unless a snapshot is a part of frozen inputs."""
    if head.digest not in found.parts.values():
        raise OtherInputs(digest=head.digest, inputs=found.digest)


def usable(t: Transaction, digest: str, now: Instant) -> Inputs:
    """Inputs that may be used now; raises InputsUnfrozen or InputsStale."""
    found = read(t, digest)
    rules.check_inputs(digest, None if found is None else found.since(now), now)
    assert found is not None  # noqa: S101  # the check above has refused that
    return found


def read(t: Transaction, digest: str) -> Inputs | None:
    """Frozen inputs, None when there are none."""
    row = t.one(PACKAGE, "inputs", digest=digest)
    if row is None:
        return None
    parts = msgspec.json.decode(row[1], type=dict[str, str])
    return Inputs(row[0], parts, parse_time(parts.pop("as_of")), row[2])
