"""Limits of what a policy may change, as a TOML file, and the judgement of a simulation by them. Pure.

    max_newly_blocked = 50
    max_unblocked = 10
    max_unblocked_kev = 0
    max_changed_percent = 2.5
    max_per_asset = 20

    [environments.prod]
    max_newly_blocked = 0

Rules:
- A limit may be reached, and not exceeded. What is not written has no limit, except that nobody unblocks what is known
  to be exploited: `max_unblocked_kev` is 0 until another number is written.
- At the top a limit is about all findings. Below an environment it is about the findings of that environment alone; its
  `max_per_asset` takes the place of the one at the top for the assets there.
- Percentages are compared exactly, as they are written; nothing is rounded before it is compared.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from stella.engine.moves import Moved
from stella.kernel.nearest import nearest
from stella.language.compare import decimal
from stella.language.names import MICRO
from stella.policy.simulation.errors import LimitBadValue, LimitsUnreadable, LimitUnknown

MAX_SOURCE = 1 << 20  # bytes
Name = Literal["max_newly_blocked", "max_unblocked", "max_unblocked_kev", "max_changed_percent", "max_per_asset"]
NAMES: tuple[Name, ...] = (
    "max_newly_blocked",
    "max_unblocked",
    "max_unblocked_kev",
    "max_changed_percent",
    "max_per_asset",
)
ENVIRONMENTS = "environments"
ALL = "all"  # the scope of a limit about all findings
PERCENT = 100
COUNTED: dict[str, Callable[[Moved], int]] = {
    "max_newly_blocked": lambda one: one.newly_blocked,
    "max_unblocked": lambda one: one.unblocked,
    "max_unblocked_kev": lambda one: one.unblocked_kev,
    "max_per_asset": lambda one: one.changed,
}


class Bounds(NamedTuple):
    """Limits by name: findings, and of the percentage micros."""

    values: Mapping[Name, int]


class Limits(NamedTuple):
    """Limits for all findings, and for those of some environments."""

    every: Bounds
    environments: Mapping[str, Bounds]


class Counts(NamedTuple):
    """What a simulation counted; `environment_of` says where an asset is."""

    total: Moved
    environments: Sequence[Moved]
    assets: Sequence[Moved]
    environment_of: Mapping[str, str]


class LimitJudged(NamedTuple):
    """One limit: its scope, what was found and what may be, as text, and the asset that it is about if to one."""

    name: Name
    scope: str
    value: str
    limit: str
    exceeded: bool
    asset: str = ""


DEFAULT = Limits(Bounds({"max_unblocked_kev": 0}), {})


def read_limits(source: bytes, file: str) -> Limits:
    """The limits of a file; raises LimitsUnreadable, LimitUnknown or LimitBadValue."""
    if len(source) > MAX_SOURCE:
        raise LimitsUnreadable(file=file, problem=f"it has {len(source)} bytes, the limit is {MAX_SOURCE}")
    try:
        top = tomllib.loads(source.decode("utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError:
        raise LimitsUnreadable(file=file, problem="it is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LimitsUnreadable(file=file, problem=str(error)[:200]) from None
    inner = top.pop(ENVIRONMENTS, {})
    if not isinstance(inner, dict) or not all(isinstance(one, dict) for one in inner.values()):
        raise LimitsUnreadable(file=file, problem=f"`{ENVIRONMENTS}` has a table for each: `[{ENVIRONMENTS}.prod]`")
    if ALL in inner:
        raise LimitsUnreadable(file=file, problem=f"`{ALL}` stands for all findings, so no environment is called that")
    every = _bounds(top, file, "", (*NAMES, ENVIRONMENTS))
    found = {name: _bounds(row, file, f"{ENVIRONMENTS}.{name}.", NAMES) for name, row in sorted(inner.items())}
    return Limits(Bounds({**DEFAULT.every.values, **every.values}), found)


def _bounds(row: Mapping[str, Any], file: str, prefix: str, known: Iterable[str]) -> Bounds:
    found: dict[Name, int] = {}
    for key, value in row.items():
        name = next((one for one in NAMES if one == key), None)
        if name is None:
            guess = nearest(key, known)
            said = f"; did you mean `{guess}`?" if guess else ""
            raise LimitUnknown(file=file, name=f"{prefix}{key}", guess=said, known=", ".join(NAMES))
        found[name] = _bound(name, value, file, f"{prefix}{key}")
    return Bounds(found)


def _bound(name: Name, value: object, file: str, shown: str) -> int:
    if name == "max_changed_percent":
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and Decimal(value).is_finite():
            micros = Decimal(value) * MICRO
            if 0 <= value <= PERCENT and micros == micros.to_integral_value():
                return int(micros)
        expected, example = "it is a percentage, 0 to 100, with up to six places", "`max_changed_percent = 2.5`"
    else:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        expected, example = "it is a number of findings, 0 or more", f"`{name} = 10`"
    raise LimitBadValue(file=file, name=shown, found=str(value)[:60], expected=expected, example=example)


def judge(limits: Limits, counts: Counts) -> tuple[LimitJudged, ...]:
    """Every limit, in the order of NAMES, first about all findings, then by environment."""
    found = list(_judged(limits.every, ALL, counts.total))
    found += _per_asset(limits, counts)
    by_name = {one.name: one for one in counts.environments}
    for name, bounds in limits.environments.items():
        mine = by_name.get(name, Moved(name, 0, 0, 0, 0, 0))
        found += _judged(bounds, name, mine)
    order = {name: number for number, name in enumerate(NAMES)}
    return tuple(sorted(found, key=lambda one: (one.scope != ALL, one.scope.encode(), order[one.name])))


def _judged(bounds: Bounds, scope: str, counted: Moved) -> Iterator[LimitJudged]:
    for name, limit in bounds.values.items():
        if name == "max_changed_percent":
            exceeded = counted.changed * PERCENT * MICRO > limit * counted.findings
            shown = percent(counted.changed, counted.findings)
            if not exceeded and Decimal(shown) * MICRO > limit:
                shown = percent(counted.changed, counted.findings, 6)
            yield LimitJudged(name, scope, f"{shown} %", f"{decimal(limit)} %", exceeded)
        elif name != "max_per_asset":
            value = COUNTED[name](counted)
            yield LimitJudged(name, scope, str(value), str(limit), value > limit)


def _per_asset(limits: Limits, counts: Counts) -> Iterator[LimitJudged]:
    """The asset of each scope where most findings change."""
    scopes: dict[str, int] = {
        name: bounds.values["max_per_asset"]
        for name, bounds in limits.environments.items()
        if "max_per_asset" in bounds.values
    }
    own = set(scopes)
    if "max_per_asset" in limits.every.values:
        scopes[ALL] = limits.every.values["max_per_asset"]
    most: dict[str, Moved] = {}
    for asset in counts.assets:
        place = counts.environment_of.get(asset.name, "")
        scope = place if place in own else ALL
        if scope not in most or asset.changed > most[scope].changed:
            most[scope] = asset
    for scope, limit in scopes.items():
        asset = most.get(scope, Moved("", 0, 0, 0, 0, 0))
        yield LimitJudged("max_per_asset", scope, str(asset.changed), str(limit), asset.changed > limit, asset.name)


def percent(part: int, whole: int, places: int = 3) -> str:
    """A share as a percentage with so many places, rounded up: what exceeds never looks like what may be."""
    if not whole:
        return "0"
    steps = 10**places
    return decimal(-(-part * PERCENT * steps // whole) * (MICRO // steps))
