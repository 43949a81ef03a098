"""What people see of a test of policies, and of one finding that is evaluated."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Text, View, human_count
from stella.language.explanation import lines
from stella.policy.trial.model import PolicyEvaluated, PolicyExplained, PolicyTested, PolicyTrial

SHOWN = 20  # survivors and terms of a policy that a screen shows; reports have all


def tested(result: PolicyTested) -> View:
    """Failures first, then what is not covered and what nobody noticed, then the figures of each policy."""
    view: list[Facts | Table | Text] = []
    for one in result.policies:
        view += _failures(one)
        rows = [(_branch(term.rule, term.branch), term.text) for term in one.uncovered[:SHOWN]]
        if rows:
            view.append(Table(("rule", "term"), rows, _head(one, "not covered", len(one.uncovered))))
        mutants = [(mutant.rule, mutant.what) for mutant in one.survivors[:SHOWN]]
        if mutants:
            view.append(Table(("rule", "change"), mutants, _head(one, "not noticed", len(one.survivors))))
    columns = ("policy", "fixtures", "failed", "coverage", "score", "verdict")
    rows_of_all = [_row(one) for one in result.policies]
    view.append(Table(columns, rows_of_all, right=("fixtures", "failed", "coverage", "score")))
    return [*view, *(Text(f"proposals are in {one.proposed}") for one in result.policies if one.proposed)]


def _failures(one: PolicyTrial) -> list[Facts | Table | Text]:
    view: list[Facts | Table | Text] = []
    for fixture in one.fixtures:
        if not fixture.passed:
            rows = [(wrong.what, wrong.expected, Cell(wrong.found, "bad")) for wrong in fixture.mismatches]
            view.append(Table(("", "expected", "found"), rows, f"{one.file}: {fixture.name}"))
            view.append(Text("\n".join(fixture.explanation), "dim"))
    return view


def _head(one: PolicyTrial, what: str, count: int) -> str:
    return f"{one.file}: {human_count(count)} {what}" + (f", the first {SHOWN}" if count > SHOWN else "")


def _branch(rule: str, branch: str) -> str:
    return rule if branch == "then" else f"{rule} ({branch})"


def _row(one: PolicyTrial) -> tuple[str | Cell, ...]:
    said = ", ".join(one.reasons) or "passed"
    return (
        one.file,
        human_count(len(one.fixtures)),
        Cell(human_count(one.failed), "bad" if one.failed else "plain"),
        f"{one.coverage} % of {human_count(one.terms)}",
        f"{one.score} % of {human_count(one.mutants)}",
        Cell(said, "bad" if one.reasons else "good"),
    )


def evaluated(result: PolicyEvaluated) -> View:
    """The explanation, line by line."""
    return [Text("\n".join(lines(result.explanation))), Facts([("as of", result.as_of)])]


def explained(result: PolicyExplained) -> View:
    """The finding, then the explanation."""
    rows = [("finding", str(result.finding)), ("as of", result.as_of), *sorted(result.values.items())]
    statements = [
        (f"statement {number}", ", ".join(f"{name} {value}" for name, value in sorted(one.items())))
        for number, one in enumerate(result.statements, 1)
    ]
    return [Facts([*rows, *statements]), Text("\n".join(lines(result.explanation)))]
