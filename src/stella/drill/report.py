"""What a drill found, for other programs: JUnit for a pipeline, Markdown for an issue."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stella.drill.model import Drilled, Measure
from stella.drill.rules import shown
from stella.formats.markup import safe


def junit(drilled: Drilled) -> bytes:
    """A suite with a case for each measure."""
    failed = sum(not measure.passed for measure in drilled.measures)
    suite = f'name="stella drill {drilled.name}" tests="{len(drilled.measures)}" failures="{failed}"'
    cases = "".join(_case(drilled, measure) for measure in drilled.measures)
    took = f'time="{drilled.took_ms / 1000:.3f}"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuite {suite} {took}>\n{cases}</testsuite>\n'.encode()


def _case(drilled: Drilled, measure: Measure) -> str:
    head = f'  <testcase classname="stella.drill.{drilled.name}" name="{safe(measure.name)}"'
    if measure.passed:
        return f"{head}/>\n"
    found, limit = shown(measure)
    message = safe(f"found {found}, must be {limit}; seed {drilled.seed}")
    return f'{head}>\n    <failure message="{message}"/>\n  </testcase>\n'


def markdown(drilled: Drilled) -> bytes:
    """A table of what was measured, then what happened."""
    verdict = "passed" if drilled.passed else "failed"
    lines = [f"# Drill {drilled.name}: {verdict}", ""]
    lines += [f"Mode {drilled.mode}, {drilled.tenants} tenants, {drilled.requests} requests, seed {drilled.seed}.", ""]
    lines += ["| measured | found | limit | verdict |", "| --- | ---: | ---: | --- |"]
    for measure in drilled.measures:
        found, limit = shown(measure)
        lines.append(f"| {_cell(measure.name)} | {found} | {limit} | {'ok' if measure.passed else '**failed**'} |")
    lines += ["", "| second | event | detail |", "| ---: | --- | --- |"]
    lines += [f"| {event.at} | {event.name} | {_cell(event.detail)} |" for event in drilled.events]
    return ("\n".join([*lines, *(["", *drilled.notes] if drilled.notes else [])]) + "\n").encode()


def _cell(text: str) -> str:
    return safe(text).replace("|", "\\|")


FORMATS: Mapping[str, Callable[[Drilled], bytes]] = {"junit": junit, "markdown": markdown}
