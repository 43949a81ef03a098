"""Diagnostics of a text as findings: with the file, lines and columns, and what of the policy they are about."""

from __future__ import annotations

from collections.abc import Iterable

from stella.language.compile import Compiled
from stella.language.diagnostics import Diagnostic, Lines
from stella.language.tree import InvariantNode, PolicyNode, RuleNode
from stella.policy.text.model import Finding

MAX_LINE = 200  # characters of a line that is shown
POLICY = "policy"


def findings(file: str, text: str, diagnostics: Iterable[Diagnostic], tree: PolicyNode | None) -> list[Finding]:
    """The findings, in the order of their places."""
    lines = Lines(text)
    made = []
    for one in diagnostics:
        begin, end = lines.at(one.span.start), lines.at(max(one.span.end, one.span.start))
        source = _line(text, lines.offset(begin.line, 1)) if begin.column <= MAX_LINE else ""
        made.append(
            Finding(
                one.code,
                one.level,
                file,
                begin.line,
                begin.column,
                end.line,
                end.column,
                subject_at(tree, one.span.start),
                one.message,
                source,
                one.fix.title if one.fix else "",
                one.fix.safe if one.fix else False,
                one.example,
            )
        )
    return sorted(made, key=order)


def order(found: Finding) -> tuple[str, int, int, str, str]:
    """How findings of one file are sorted."""
    return found.file, found.line, found.column, found.code, found.message


def subject_at(tree: PolicyNode | None, offset: int) -> str:
    """What of a policy is at an offset."""
    for member in tree.members if tree else ():
        if isinstance(member, RuleNode | InvariantNode) and member.span.start <= offset < member.span.end:
            return f"{'rule' if isinstance(member, RuleNode) else 'invariant'} {member.name}"
    return POLICY


def subjects(compiled: Compiled) -> tuple[str, ...]:
    """All that a file has to look at, in the order of the file; a text that is no policy is one thing."""
    return tuple(compiled.places) or (POLICY,)


def _line(text: str, start: int) -> str:
    rest = text[start : start + MAX_LINE]
    return rest.splitlines()[0] if rest and rest[0] not in "\r\n" else ""
