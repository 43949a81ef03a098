"""All checks of policies for other programs, and as one comment on a pull request."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

import stella
from stella.formats import junit, markdown, sarif
from stella.formats.junit import Case, Suite
from stella.formats.markdown import Rows
from stella.policy.pipeline.model import PoliciesChecked, Step
from stella.policy.simulation import reports as simulation_reports
from stella.policy.simulation import words
from stella.policy.text import reports as lint_reports
from stella.policy.trial import reports as trial_reports

TOOL = "stella policy ci"


def as_json(result: PoliciesChecked) -> bytes:
    """The result as it is."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def as_markdown(result: PoliciesChecked) -> bytes:
    """The verdict, a line for each step, then the tables of each."""
    steps = [
        (one.step, f"`{one.file}`" if one.file else "all", one.verdict, one.reason, one.told) for one in result.steps
    ]
    tables = [Rows("Steps", ("step", "policy", "verdict", "reason", "found"), steps)]
    for one in result.simulated:
        lines = " ".join(words.lines(one))
        tables.append(Rows(f"Simulation of {one.after.policy}", ("what changes",), [(lines,)]))
        tables += simulation_reports.tables(one)
    tables += lint_reports.tables(result.linted)
    tables += trial_reports.tables(result.tested) if result.tested else []
    failed = sum(one.verdict == "failed" for one in result.steps)
    line = (
        f"{failed:,} of {len(result.steps):,} steps failed." if failed else f"All {len(result.steps):,} steps passed."
    )
    return markdown.comment(TOOL, f"Policies: {result.verdict}", [line], tables)


def as_junit(result: PoliciesChecked) -> bytes:
    """The suites of every step, and one with the steps themselves."""
    suites = [Suite(TOOL, [_case(one) for one in result.steps])]
    suites += lint_reports.suites(result.linted)
    suites += trial_reports.suites(result.tested) if result.tested else []
    suites += [simulation_reports.suite(one) for one in result.simulated]
    return junit.document(TOOL, suites)


def _case(step: Step) -> Case:
    name = f"{step.step} {step.file}".strip()
    if step.verdict == "failed":
        return Case(name, TOOL, "failed", step.reason, step.told)
    return Case(name, TOOL, step.verdict, message=step.told, out="" if step.verdict == "skipped" else step.told)


def as_sarif(result: PoliciesChecked) -> bytes:
    """SARIF 2.1.0: what the lint found, and each limit that a simulation exceeded."""
    results = lint_reports.results(result.linted)
    for one in result.simulated:
        results += simulation_reports.results(one)
    return sarif.document(TOOL, stella.__version__, lint_reports.rules() + simulation_reports.rules(), results)


FORMATS: dict[str, Callable[[PoliciesChecked], bytes]] = {
    "markdown": as_markdown,
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
}
