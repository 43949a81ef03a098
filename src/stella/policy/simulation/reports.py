"""A simulation for other programs and for people in a hurry.

Rules:
- The comment on a pull request says the verdict first, then what was exceeded, then what changes, then details; twenty
  seconds are enough for the first two. It is found again by its marker, which names the policy, and updated in place.
- Counts are never left out; rows of lists are, where a forge takes no more, and how many is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

import stella
from stella.engine.moves import Moved, Shift
from stella.formats import junit, markdown, sarif
from stella.formats.junit import Case, Suite
from stella.formats.markdown import Rows
from stella.policy.simulation.model import FindingChanged, Level, LimitResult, PolicySimulated
from stella.policy.simulation.words import (
    TITLES,
    about,
    code,
    compared,
    doubts,
    headline,
    lines,
    policy_of,
    said,
    shifted,
    told,
)

TOOL = "stella policy simulate"
WHYS = {
    "max_newly_blocked": "Findings that only the proposed policy blocks stop releases that went out yesterday.",
    "max_unblocked": "Findings that only today's policy blocks would go out tomorrow.",
    "max_unblocked_kev": "A vulnerability that is known to be exploited is let go of only on purpose.",
    "max_changed_percent": "A change that touches more of the inventory than was meant is another change.",
    "max_per_asset": "One asset that changes much belongs to somebody who should hear of it first.",
}
MOVED = ("findings", "changed", "newly blocked", "unblocked", "unblocked KEV")


def as_json(result: PolicySimulated) -> bytes:
    """The result as it is."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def as_markdown(result: PolicySimulated) -> bytes:
    """The comment."""
    marker = f"{TOOL} {policy_of(result)}"
    return markdown.comment(marker, _headline(result), list(lines(result)), list(tables(result)))


def _headline(result: PolicySimulated) -> str:
    return f"Policy {policy_of(result)}: {headline(result)}"


def tables(result: PolicySimulated) -> Iterable[Rows]:
    """Limits first, then what changes, then details."""
    rows = [
        (*_named(one), one.value, one.allowed, "exceeded" if one.exceeded else "kept")
        for one in sorted(result.limits, key=lambda one: not one.exceeded)
    ]
    yield Rows("Limits", ("limit", "where", "found", "allowed", "verdict"), rows)
    yield Rows("Status", ("status", "before", "after", "change"), list(map(_level, result.statuses)))
    yield Rows("Severity", ("severity", "before", "after", "change"), list(map(_level, result.severities)))
    yield Rows("Assets that change most", ("asset", *MOVED), list(map(_moved, result.movers)))
    moves = sorted(
        (one for one in result.transitions if one.before != one.after),
        key=lambda one: (-one.findings, one.before, one.after),
    )
    yield Rows("From rule to rule", ("before", "after", "findings"), list(map(_shift, moves)))
    for one in result.limits:
        if one.exceeded and one.top:
            title = f"{TITLES[one.limit]} in {one.scope}: the gravest"
            yield Rows(
                title,
                ("asset", "component", "advisory", "severity", "before", "after"),
                list(map(_finding, one.top)),
                folded=True,
            )
    yield Rows("Environments", ("environment", *MOVED), list(map(_moved, result.environments)), folded=True)
    shifts = [one for one in result.severity_shifts if one.before != one.after]
    if shifts:
        yield Rows("From severity to severity", ("before", "after", "findings"), list(map(_shift, shifts)), folded=True)
    yield Rows("What was compared", ("what", "value"), list(compared(result)), folded=True)


def _named(one: LimitResult) -> tuple[str, str]:
    return TITLES[one.limit], f"{one.scope}, {one.asset}" if one.asset else one.scope


def _level(one: Level) -> tuple[str, ...]:
    change = one.after - one.before
    return one.word, f"{one.before:,}", f"{one.after:,}", f"{change:+,}" if change else "0"


def _moved(one: Moved) -> tuple[str, ...]:
    counts = (one.findings, one.changed, one.newly_blocked, one.unblocked, one.unblocked_kev)
    return (code(one.name), *(f"{count:,}" for count in counts))


def _shift(one: Shift) -> tuple[str, ...]:
    return code(one.before), code(one.after), f"{one.findings:,}"


def _finding(one: FindingChanged) -> tuple[str, ...]:
    advisory = f"{code(one.advisory)}{' (KEV)' if one.kev else ''}"
    before, after = f"{one.status_before} by {code(one.rule_before)}", f"{one.status_after} by {code(one.rule_after)}"
    return code(one.asset), code(one.component), advisory, shifted(one), before, after


def rules() -> list[sarif.Rule]:
    """The limits as rules of SARIF."""
    return [sarif.Rule(name, title, f"Limit: {title}.", WHYS[name]) for name, title in TITLES.items()]


def results(result: PolicySimulated) -> list[sarif.Result]:
    """Each exceeded limit at the proposed policy, with its gravest findings."""
    return [
        sarif.Result(one.limit, "error", "\n".join((said(one), *map(told, one.top))), about(result), 1, 1)
        for one in result.limits
        if one.exceeded
    ]


def as_sarif(result: PolicySimulated) -> bytes:
    """SARIF 2.1.0."""
    return sarif.document(TOOL, stella.__version__, rules(), results(result))


def suite(result: PolicySimulated) -> Suite:
    """A check for each limit, and one that is skipped for each thing that nobody could check."""
    cases = []
    for one in result.limits:
        name = f"{one.limit} in {one.scope}"
        text = "\n".join(map(told, one.top))
        if one.exceeded:
            cases.append(Case(name, about(result), "failed", "threshold_exceeded", said(one), text))
        else:
            cases.append(Case(name, about(result), out=text))
    cases += [Case(name, about(result), "skipped", message=text) for name, text in doubts(result)]
    return Suite(about(result), cases)


def as_junit(result: PolicySimulated) -> bytes:
    """The checks of the limits."""
    return junit.document(TOOL, [suite(result)])


FORMATS: dict[str, Callable[[PolicySimulated], bytes]] = {
    "markdown": as_markdown,
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
}
