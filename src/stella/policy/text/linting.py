"""The lint of policies: read each file, mend what is safe, compile, prove, look at what is beside it.

Rules:
- Every file that is there is read, and one that cannot be is a finding.
- Findings come in the order of files and places, those of exceptions last; the same files give the same findings at
  the same instant.
- A safe fix is made until there is none left, so that a second run changes nothing. A file is replaced as a whole.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from stella.kernel.errors import StellaError
from stella.kernel.instant import parse_time
from stella.language.compile import MAX_SOURCE, Compiled, compile_policy
from stella.language.diagnostics import Diagnostic, Lines, Span, applied, found
from stella.language.exceptions import MAX_SOURCE as MAX_EXCEPTIONS
from stella.language.exceptions import Exceptions, exceptions
from stella.language.ir import digest
from stella.operations import Context
from stella.policy.text.beside import beside, fixtures_of
from stella.policy.text.changing import replace
from stella.policy.text.diagnosed import findings, order, subjects
from stella.policy.text.model import Changed, Finding, Linted, LintPolicy, PolicyLinted
from stella.policy.text.sources import sources
from stella.runtime.errors import TooLarge
from stella.runtime.files import read_file
from stella.runtime.reports import read_reports, write_reports

GIVEN_UP = "POL3009"  # a claim that was not proved
MAX_ROUNDS = 16  # of fixes that make room for further ones


class Exempted(NamedTuple):
    """The exceptions that count, from which file, and the instant at which they are judged, in seconds since 1970."""

    file: str
    read: Exceptions
    as_of: int


def lint(ctx: Context, want: LintPolicy) -> PolicyLinted:
    """Lint the files, and write the reports; raises as `read_reports`, `sources` and `write_reports`."""
    if not want.report:  # the writers take a tenth of the time of a lint to load
        return _linted(ctx, want)
    from stella.policy.text.reports import FORMATS  # noqa: PLC0415

    reports = read_reports(want.report, FORMATS)
    result = _linted(ctx, want)
    return msgspec.structs.replace(result, reports=write_reports(reports, FORMATS, result))


def _linted(ctx: Context, want: LintPolicy) -> PolicyLinted:
    as_of = ctx.clock.read().wall if want.as_of is None else parse_time(want.as_of)
    found = sources(want.paths)
    exempted = _exempted(want.exceptions, as_of)
    ctx.progress.start("lint", len(found), "files")
    of_exceptions = findings(exempted.file, exempted.read.text, exempted.read.diagnostics, None)
    of_exceptions += _about_ends(exempted)
    heard: list[Finding] = []
    changed, linted = [], []
    for path in found:
        one = _file(ctx, path, want, exempted)
        heard += one.findings
        of_exceptions += one.of_exceptions
        linted.append(one.linted)
        changed += [one.changed] if one.changed else []
        ctx.progress.advance(1)
    return _result(want, linted, [*heard, *sorted(of_exceptions, key=order)], changed)


class _Looked(NamedTuple):
    linted: Linted
    findings: list[Finding]
    of_exceptions: list[Finding]
    changed: Changed | None


def _file(ctx: Context, path: Path, want: LintPolicy, exempted: Exempted) -> _Looked:
    shown = str(path)
    try:
        data = read_file(path, MAX_SOURCE)
    except StellaError as error:
        code = "POL1004" if isinstance(error, TooLarge) else "POL1002"
        wrong = findings(shown, "", [found(code, error.message, Span(0, 0))], None)
        return _Looked(Linted(shown, subjects=("policy",)), wrong, [], None)
    changed = None
    if want.fix:
        data, titles = fixed(data, strict=want.strict)
        if titles:
            replace(path, data)
            changed = Changed(shown, titles)
    compiled = compile_policy(data, strict=want.strict)
    diagnostics = list(compiled.diagnostics)
    outside: list[Finding] = []
    if compiled.policy is not None and want.proofs:
        from stella.policy.text.proofs import judged  # noqa: PLC0415  # the solver

        said = judged(compiled, exempted.read.rules, exempted.as_of)
        diagnostics += said.diagnostics
        outside = [_of_exception(exempted, name, one) for name, one in said.exceptions]
    diagnostics += beside(path, compiled, governance=want.governance)
    if want.governance and compiled.policy is not None and fixtures_of(path):
        from stella.policy.trial.fixture_cover import cover  # noqa: PLC0415  # the interpreter, mutants and the solver

        diagnostics += cover(ctx, path, compiled, prove=want.proofs)
    identity = digest(compiled.policy) if compiled.policy is not None else ""
    name = compiled.tree.name.value if compiled.tree is not None else ""
    proved = want.proofs and compiled.policy is not None and not _given_up((*diagnostics, *outside))
    linted = Linted(shown, name, identity, subjects(compiled), proved)
    return _Looked(linted, findings(shown, compiled.text, diagnostics, compiled.tree), outside, changed)


def _given_up(heard: Iterable[Diagnostic | Finding]) -> bool:
    return any(one.code == GIVEN_UP for one in heard)


def fixed(data: bytes, *, strict: bool = False) -> tuple[bytes, tuple[str, ...]]:
    """A text with every safe fix made, and what was done; the same bytes when there was nothing to do."""
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    done: list[str] = []
    for _ in range(MAX_ROUNDS):
        compiled = compile_policy(data, strict=strict)
        safe = [one.fix for one in compiled.diagnostics if one.fix is not None and one.fix.safe]
        text = applied(compiled.text, safe)
        if text == compiled.text or not safe:
            break
        data = mark + text.encode()
        done += [_done(compiled, one) for one in compiled.diagnostics if one.fix is not None and one.fix.safe]
    return data, tuple(done)


def _done(compiled: Compiled, one: Diagnostic) -> str:
    line = Lines(compiled.text).at(one.span.start).line
    return f"line {line}: {one.fix.title if one.fix else ''} ({one.code})"


# exceptions


def _exempted(file: str | None, as_of: int) -> Exempted:
    if file is None:
        return Exempted("", Exceptions((), (), ""), as_of)
    return Exempted(file, exceptions(read_file(Path(file), MAX_EXCEPTIONS)), as_of)


def _about_ends(exempted: Exempted) -> list[Finding]:
    """The exceptions that have expired."""
    return [
        _of_exception(exempted, one.name, found("POL3005", f"exception `{one.name}` has expired", Span(0, 0)))
        for one in exempted.read.rules
        if one.expires is not None and one.expires <= exempted.as_of
    ]


def _of_exception(exempted: Exempted, name: str, one: Diagnostic) -> Finding:
    """A finding about an exception, at its name in the file."""
    text = exempted.read.text
    key = r"""(?:^|[{,])[ \t]*(?:name|"name"|'name')[ \t]*=[ \t]*"""  # no other text of the file that reads the same
    named = re.search(rf"""{key}(["']{re.escape(name)}["'])""", text, re.MULTILINE)
    start = named.start(1) if named else 0
    (made,) = findings(exempted.file, text, [one._replace(span=Span(start, start + len(name) + 2))], None)
    return msgspec.structs.replace(made, subject=f"exception {name}")


# the result


def _result(
    want: LintPolicy, linted: Iterable[Linted], heard: Iterable[Finding], changed: Iterable[Changed]
) -> PolicyLinted:
    every = tuple(dict.fromkeys(heard))
    counts = Counter(one.level for one in every)
    failed = bool(counts["error"] or (want.strict and counts["warning"]))
    return PolicyLinted(
        verdict="failed" if failed else "passed",
        reason="lint_failed" if failed else None,
        strict=want.strict,
        errors=counts["error"],
        warnings=counts["warning"],
        notes=counts["note"],
        files=tuple(linted),
        findings=every,
        changed=tuple(changed),
    )
