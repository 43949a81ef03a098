"""What the drills take and give."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.kernel.instant import Seconds
from stella.operations import arg

Relation = Literal["=", "<", "<=", ">", ">="]
Speed = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Tenants = Annotated[int, msgspec.Meta(ge=2, le=100)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Share = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class _Drill(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every drill takes."""

    tenants: Annotated[Tenants, arg("How many tenants send requests.", metavar="N")] = 10
    seed: Annotated[Seed, arg("Makes the same random choices again; 0 draws one.", metavar="N")] = 0
    report: Annotated[
        tuple[str, ...], arg("Write a report; the formats are junit and markdown.", "report", metavar="FORMAT=FILE")
    ] = ()


class _Timed(_Drill, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a drill takes whose time is compressed."""

    speed: Annotated[Speed, arg("Seconds of the drill in one second, at most.", metavar="N")] = 100
    netns: Annotated[
        bool, arg("Drop real packets, in a network namespace of its own, instead of a faulty endpoint.")
    ] = False


class DrillOutage(_Timed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of drill.jwks-outage."""

    outage: Annotated[str, arg("How long no key set can be fetched, 2m to 1h.", metavar="DURATION")] = "5m"


class DrillExpiry(_Timed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of drill.token-expiry."""


class DrillSkew(_Timed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of drill.clock-skew."""


class DrillFlood(_Timed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of drill.kid-flood."""

    kids: Annotated[
        Annotated[int, msgspec.Meta(ge=1000, le=100_000_000)],
        arg("How many tokens with a random key id are presented.", metavar="N"),
    ] = 1_000_000
    seconds: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=3600)],
        arg("How long they may take; what was not presented by then is left out.", metavar="N"),
    ] = 60


class DrillRotation(_Timed, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of drill.key-rotation."""


class DrillPool(_Drill, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of drill.pool-leak."""

    rounds: Annotated[
        Annotated[int, msgspec.Meta(ge=20, le=1_000_000)],
        arg("Transactions of two tenants on one connection.", metavar="N"),
    ] = 400


class Measure(msgspec.Struct, frozen=True):
    """One thing that was measured beside its limit: `found relation limit` must hold."""

    name: str
    found: float
    relation: Relation
    limit: float
    unit: str
    passed: bool


class Event(msgspec.Struct, frozen=True):
    """Something that happened, at a second of the drill."""

    at: Seconds
    name: str
    detail: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill found out."""

    measures: tuple[Measure, ...]
    events: tuple[Event, ...]
    requests: int
    errors: int
    seconds: Seconds
    notes: tuple[str, ...] = ()


class Drilled(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.drill@1"):
    """Result of every drill.

    `seconds` passed on the clock of the drill, `took_ms` on the machine's. The same seed makes the same choices.
    """

    name: str
    passed: bool
    mode: Literal["endpoint", "packets", "database"]
    seed: Seed
    tenants: int
    requests: int
    errors: int
    seconds: Seconds
    took_ms: int
    measures: tuple[Measure, ...]
    events: tuple[Event, ...]
    notes: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
