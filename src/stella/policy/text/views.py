"""What people see of the text of a policy."""

from __future__ import annotations

from stella.formats.view import Cell, Excerpt, Facts, Table, Text, Tone, View, human_bytes, human_count
from stella.policy.text.model import (
    Finding,
    LanguageServed,
    PolicyCompiled,
    PolicyFormatted,
    PolicyLinted,
    PolicyProved,
)

TONES: dict[str, Tone] = {"error": "bad", "warning": "warn", "note": "dim"}


def lint(result: PolicyLinted) -> View:
    """Each finding with its line, then the counts."""
    view: list[Facts | Table | Text | Excerpt] = [_excerpt(one) for one in result.findings]
    changes = [(one.file, change) for one in result.changed for change in one.changes]
    if changes:
        view.append(Table(("file", "changed"), changes, "Fixed"))
    proved = sum(one.proved for one in result.files)
    failed = result.verdict == "failed"
    rows: list[tuple[str, str | Cell]] = [
        ("files", f"{human_count(len(result.files))}, {human_count(proved)} proved"),
        ("errors", Cell(human_count(result.errors), "bad" if result.errors else "plain")),
        ("warnings", Cell(human_count(result.warnings), "warn" if result.warnings else "plain")),
        ("notes", human_count(result.notes)),
        ("verdict", Cell(result.verdict, "bad" if failed else "good")),
    ]
    safe = sum(one.safe for one in result.findings)
    more = [Text(f"{human_count(safe)} can be mended with --fix", "dim")] if safe else []
    return [*view, Facts(rows), *more]


def _excerpt(one: Finding) -> Excerpt:
    told = [f"fix: {one.fix}"] if one.fix else []
    told += [f"example: {one.example}"] if one.example else []
    width = one.end_column - one.column if one.end_line == one.line else len(one.source) - one.column + 1
    head = f"{one.file}:{one.line}:{one.column}: {one.level}[{one.code}] {one.message}"
    return Excerpt(head, one.source, one.line, one.column, max(width, 1), tuple(told), TONES[one.level])


def fmt(result: PolicyFormatted) -> View:
    """What was changed, or would be, and what could not be read."""
    word = "would change" if result.check else "changed"
    rows = [(name, Cell(word, "warn" if result.check else "good")) for name in result.changed]
    rows += [(name, Cell("not formatted: it does not parse", "bad")) for name in result.broken]
    facts: list[tuple[str, str | Cell]] = [
        ("files", human_count(result.files)),
        (word, human_count(len(result.changed))),
        ("verdict", Cell(result.verdict, "good" if result.verdict == "passed" else "bad")),
    ]
    table = [Table(("file", "what"), rows)] if rows else []
    return [*table, Facts(facts)]


def compiled(result: PolicyCompiled) -> View:
    """The identity of the policy, and what is in it."""
    if result.brief:
        return [Text(result.digest)]
    rows: list[tuple[str, str | Cell]] = [
        ("policy", result.policy),
        ("digest", f"sha256:{result.digest}"),
        ("canonical form", human_bytes(result.bytes)),
        ("rules", human_count(result.rules)),
        ("invariants", human_count(result.invariants)),
        ("default status", result.default_status),
        ("shadow", "yes" if result.shadow else "no"),
    ]
    rows += [("out", result.out)] if result.out else []
    return [*(_excerpt(one) for one in result.warnings), Facts(rows)]


def proved(result: PolicyProved) -> View:
    """Each claim, with its example."""
    tones: dict[str, Tone] = {"holds": "good", "broken": "bad", "unknown": "warn"}
    rows = [(one.claim, Cell(one.verdict, tones[one.verdict]), one.text) for one in result.claims]
    examples = [(one.claim, one.example) for one in result.claims if one.example]
    view: list[Facts | Table | Text | Excerpt] = [Table(("claim", "verdict", "what"), rows)]
    view += [Facts(examples, "Examples")] if examples else []
    verdict = Cell(result.verdict, "good" if result.verdict == "passed" else "bad")
    return [*view, Facts([("policy", result.policy), ("digest", f"sha256:{result.digest}"), ("verdict", verdict)])]


def served(result: LanguageServed) -> View:
    """Nothing: an editor reads, not a person."""
    del result
    return []
