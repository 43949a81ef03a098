"""Decisions of the drills: what holds against its limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt

from stella.drill.errors import BadOutage
from stella.drill.model import Measure, Relation
from stella.kernel.instant import Seconds, parse_duration

# What is promised, said once more: a limit that is taken from what is drilled moves with it and catches nothing.
PLAY: Seconds = 30  # by which two clocks may differ
LONGEST_LIFE: Seconds = 15 * 60  # of a token
BURST, INTERVAL = 5, 10  # downloads for unknown key ids: five at once, one more every ten seconds
PAUSE: Seconds = 5 * 60  # the longest one between two downloads that fail

OUTAGES = range(2 * 60, 60 * 60 + 1)  # long enough to make fresh keys stale, short enough to wait for

_HOLDS: Mapping[Relation, Callable[[float, float], bool]] = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}


def measured(name: str, found: float, relation: Relation, limit: float, unit: str = "") -> Measure:
    """What was found, beside what it must be."""
    found = int(found) if isinstance(found, bool) or float(found).is_integer() else found
    return Measure(name, found, relation, limit, unit, _HOLDS[relation](found, limit))


def share(part: int, whole: int) -> float:
    """Per cent with three digits; nothing of nothing is all, since what was never tried proves nothing."""
    return round(100 * part / whole, 3) if whole else 100.0


def outage_of(text: str) -> Seconds:
    """How long an outage lasts; raises BadDuration or BadOutage."""
    seconds = parse_duration(text)
    if seconds not in OUTAGES:
        raise BadOutage(text=text)
    return seconds


def shown(measure: Measure) -> tuple[str, str]:
    """Found and limit as people read them."""
    unit = f" {measure.unit}" if measure.unit else ""
    return f"{_number(measure.found)}{unit}", f"{measure.relation} {_number(measure.limit)}{unit}"


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.3f}"
