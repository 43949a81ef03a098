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
from stella.policy.simulation import words as simulation_words
from stella.policy.text import reports as lint_reports
from stella.policy.trial import reports as trial_reports

TOOL = "stella policy ci"
_STEPS = (
    ("test", "The fixtures of a policy fail, or show too little of it.", "What no fixture shows may do anything."),
    ("simulate", "The policy could not be simulated.", "What it changes is not known."),
    ("verify", "The signature of a policy does not hold.", "Nobody can say that this is what was approved."),
)


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
        lines = " ".join(simulation_words.lines(one))
        tables.append(Rows(f"Simulation of {simulation_words.policy_of(one)}", ("what changes",), [(lines,)]))
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
    """SARIF 2.1.0: what the lint found, each limit that a simulation exceeded, and each other step that failed."""
    results = lint_reports.results(result.linted)
    for one in result.simulated:
        results += simulation_reports.results(one)
    told = {one.file for one in results if one.rule in simulation_words.TITLES}
    results += [
        sarif.Result(f"policy-{step.step}", "error", f"{step.reason}: {step.told}", file, 1, 1)
        for step in result.steps
        if step.verdict == "failed" and step.step != "lint" and not (step.step == "simulate" and step.file in told)
        for file in _files(result, step)
    ]
    every = (
        lint_reports.rules()
        + simulation_reports.rules()
        + [sarif.Rule(f"policy-{name}", f"policy {name}", what, why) for name, what, why in _STEPS]
    )
    return sarif.document(TOOL, stella.__version__, every, results)


def _files(result: PoliciesChecked, step: Step) -> list[str]:
    """The policies that a failed step is about."""
    if step.file or result.tested is None:
        return [step.file]
    return [one.file for one in result.tested.policies if one.reasons]


FORMATS: dict[str, Callable[[PoliciesChecked], bytes]] = {
    "markdown": as_markdown,
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
}
