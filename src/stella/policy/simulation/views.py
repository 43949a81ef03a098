"""What people see of a simulation."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Text, View, human_count
from stella.policy.simulation import words
from stella.policy.simulation.model import LimitResult, PolicySimulated


def simulated(result: PolicySimulated) -> View:
    """The verdict and the limits, what changes, and the findings behind what was exceeded."""
    first = Text(words.headline(result), "bad" if result.reason else "good")
    view: list[Facts | Table | Text] = [first, Text(words.sentence(result))]
    view += [Text(line, "warn") for line in words.warnings(result)]
    view.append(
        Table(
            ("limit", "where", "found", "allowed", "verdict"),
            [_limit(words.TITLES[one.limit], one) for one in result.limits],
        )
    )
    levels = [("status", one) for one in result.statuses] + [("severity", one) for one in result.severities]
    rows = [(kind, one.word, human_count(one.before), human_count(one.after)) for kind, one in levels]
    view.append(Table(("", "", "before", "after"), rows, right=("before", "after")))
    moves = [one for one in result.transitions if one.before != one.after]
    shifts = [(one.before, one.after, human_count(one.findings)) for one in moves]
    if shifts:
        view.append(Table(("rule before", "rule after", "findings"), shifts, right=("findings",)))
    for one in result.limits:
        if one.exceeded and one.top:
            view.append(
                Facts(
                    [(str(found.finding), words.told(found)) for found in one.top],
                    f"{words.TITLES[one.limit]} in {one.scope}: the gravest",
                )
            )
    return [*view, Facts([(what, value.replace("`", "")) for what, value in words.compared(result)])]


def _limit(title: str, one: LimitResult) -> tuple[str | Cell, ...]:
    where = f"{one.scope}, {one.asset}" if one.asset else one.scope
    verdict = Cell("exceeded", "bad") if one.exceeded else Cell("kept", "good")
    return title, where, one.value, one.allowed, verdict
