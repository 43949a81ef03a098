"""The findings of a lint for other programs: SARIF, JUnit, annotations, and a comment on a pull request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import stella
from stella.formats import junit, markdown, sarif
from stella.formats.annotations import Annotation, log_lines
from stella.formats.junit import Case, Suite
from stella.formats.markdown import Rows
from stella.language.codes import CODES
from stella.policy.text.model import Finding, PolicyLinted

TOOL = "stella policy lint"
GIVEN_UP = "POL3009"


def rules() -> list[sarif.Rule]:
    """Every code that there is, found or not."""
    return [
        sarif.Rule(code.code, code.name, code.what, code.why, code.level, f"{code.why} {code.fix}")
        for code in CODES.values()
    ]


def results(result: PolicyLinted) -> list[sarif.Result]:
    """The findings in the form of SARIF."""
    return [
        sarif.Result(
            one.code,
            one.level,
            one.message,
            one.file,
            one.line,
            one.column,
            end_line=one.end_line,
            end_column=one.end_column,
            example=one.example,
        )
        for one in result.findings
    ]


def as_sarif(result: PolicyLinted) -> bytes:
    """SARIF 2.1.0."""
    return sarif.document(TOOL, stella.__version__, rules(), results(result))


def suites(result: PolicyLinted) -> list[Suite]:
    """A suite for each file, a check for each rule and invariant in it and one for the rest of the file."""
    found: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for one in result.findings:
        found[one.file, one.subject].append(one)
    names: dict[str, list[str]] = {one.file: list(one.subjects) for one in result.files}
    for file, subject in found:
        if subject not in names.setdefault(file, []):
            names[file].append(subject)
    return [
        Suite(file, [_case(result, file, subject, found[file, subject]) for subject in subjects])
        for file, subjects in names.items()
    ]


def as_junit(result: PolicyLinted) -> bytes:
    """The suites of all files."""
    return junit.document(TOOL, suites(result))


def _case(result: PolicyLinted, file: str, subject: str, found: list[Finding]) -> Case:
    bad = [one for one in found if _fails(result, one)]
    rest = "\n".join(_line(one) for one in found if not _fails(result, one))
    if not bad:
        unknown = next((one for one in found if one.code == GIVEN_UP), None)
        if unknown is not None:  # nobody knows, so that it has not passed
            return Case(subject, file, "skipped", GIVEN_UP, unknown.message, out=rest)
        return Case(subject, file, out=rest)
    kinds = ", ".join(dict.fromkeys(one.code for one in bad))
    return Case(subject, file, "failed", kinds, bad[0].message, "\n".join(map(_line, bad)), rest)


def _fails(result: PolicyLinted, one: Finding) -> bool:
    return one.level == "error" or (result.strict and one.level == "warning")


def _line(one: Finding) -> str:
    more = f"\n  example: {one.example}" if one.example else ""
    return f"{one.file}:{one.line}:{one.column}: {one.level}[{one.code}] {one.message}{more}"


def as_github(result: PolicyLinted) -> bytes:
    """Lines that GitHub and Gitea show beside the code."""
    return log_lines(
        Annotation(
            one.level,
            one.file,
            one.line,
            one.column,
            f"{one.code} {CODES[one.code].name}",
            f"{one.message}; {CODES[one.code].fix}" + (f"\nexample: {one.example}" if one.example else ""),
            one.end_line,
            one.end_column,
        )
        for one in result.findings
    )


def tables(result: PolicyLinted) -> list[Rows]:
    """The findings, the worst first, so that what is left out is the least; then the files."""
    ranks = {"error": 0, "warning": 1, "note": 2}
    ordered = sorted(result.findings, key=lambda one: ranks[one.level])
    rows = [
        (one.level, f"`{one.code}`", f"`{one.file}:{one.line}`", one.message, f"`{one.example}`" if one.example else "")
        for one in ordered
    ]
    files = [(f"`{one.file}`", one.policy, f"`{one.digest[:16]}`" if one.digest else "none") for one in result.files]
    found = [Rows("Findings", ("level", "code", "place", "what", "example"), rows)] if rows else []
    return [*found, Rows("Files", ("file", "policy", "digest"), files, folded=True)]


def as_markdown(result: PolicyLinted) -> bytes:
    """A comment on a pull request."""
    counts = f"{result.errors:,} errors, {result.warnings:,} warnings, {result.notes:,} notes"
    proved = sum(one.proved for one in result.files)
    lines = [f"{counts} in {len(result.files):,} files; {proved:,} proved."]
    return markdown.comment(TOOL, f"Policy lint: {result.verdict}", lines, tables(result))


FORMATS: dict[str, Callable[[PolicyLinted], bytes]] = {
    "sarif": as_sarif,
    "junit": as_junit,
    "github": as_github,
    "markdown": as_markdown,
}
