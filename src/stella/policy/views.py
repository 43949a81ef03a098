"""What people see of the life of policies."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Text, Tone, View, human_count
from stella.policy.exception_model import ExceptionFacts, ExceptionsListed
from stella.policy.model import (
    Decided,
    HistoryListed,
    Placed,
    PoliciesListed,
    PolicyDiffed,
    PolicyObserved,
    PolicyShown,
    State,
    VersionFacts,
)
from stella.policy.run_model import InputsFrozen, RunFacts

SHORT = 16  # characters of a digest that tell two apart by eye
_TONES: dict[State, Tone] = {
    State.DRAFT: "plain",
    State.SUBMITTED: "warn",
    State.APPROVED: "good",
    State.ACTIVE: "good",
    State.ARCHIVED: "dim",
}
_SAID: dict[str, Tone] = {"allow": "good", "pending": "warn", "deny": "bad", "passed": "good", "failed": "bad"}


def policies(result: PoliciesListed) -> View:
    """One line a policy."""
    rows = [
        (
            one.policy,
            one.name,
            f"{one.version} ({one.label})",
            Cell(one.state, _TONES[one.state]),
            "" if one.active is None else str(one.active),
        )
        for one in result.policies
    ]
    return [Table(("policy", "name", "newest", "state", "active"), rows, empty="No policy."), *_more(result.next)]


def version(result: VersionFacts) -> View:
    """One version."""
    rows: list[tuple[str, str | Cell]] = [
        ("version", f"{result.policy}@{result.version} ({result.label})"),
        ("name", result.name),
        ("state", Cell(result.state, _TONES[result.state])),
        ("identity", result.ir_sha256),
        ("author", result.author),
        ("created", result.created),
        ("allowed", ", ".join(result.allowed) or "nothing"),
    ]
    found: list[Facts | Table | Text] = [Facts(rows)]
    if result.placements:
        placed = [
            (one.env, _number(one.version), "" if one.canary is None else f"{one.canary} at {one.percent} %", one.since)
            for one in result.placements
        ]
        found.append(Table(("environment", "decides", "canary", "since"), placed))
    if result.evidence:
        known = [
            (one.kind, Cell(one.verdict, _SAID.get(one.verdict, "warn")), one.digest[:SHORT], one.made)
            for one in result.evidence
        ]
        found.append(Table(("evidence", "verdict", "digest", "made"), known))
    return found


def shown(result: PolicyShown) -> View:
    """One version, and all there are."""
    rows = [
        (str(one.version), one.label, Cell(one.state, _TONES[one.state]), one.author, one.ir_sha256[:SHORT])
        for one in result.versions
    ]
    return [*version(result), Table(("version", "label", "state", "author", "identity"), rows)]


def placed(result: Placed) -> View:
    """After a promotion."""
    return [*version(result), Facts([("environment", result.env), *_gate(result.gate)])]


def gate(result: Decided) -> View:
    """What a gate says."""
    return [Facts(_gate(result))]


def diff(result: PolicyDiffed) -> View:
    """What is not the same."""
    rows = [(one.kind, one.what, one.name, ", ".join(one.fields)) for one in result.changes]
    title = f"{result.policy}@{result.old} and {result.policy}@{result.new}"
    return [Table(("change", "of", "name", "what"), rows, title, empty="They mean the same.")]


def history(result: HistoryListed) -> View:
    """One line for each thing that happened."""
    rows = [(one.at, str(one.version), one.event, one.state, one.actor, one.ticket, one.reason) for one in result.rows]
    table = Table(("at", "version", "event", "state", "who", "ticket", "why"), rows, result.policy, empty="Nothing.")
    return [table, *_more(result.next)]


def observed(result: PolicyObserved) -> View:
    """Whether a canary goes on."""
    rows = [(one.transition, human_count(one.predicted), human_count(one.observed)) for one in result.differences]
    said = Cell("rolled back", "bad") if result.rolled_back else Cell("goes on", "good")
    facts: list[tuple[str, str | Cell]] = [
        ("canary", f"{result.policy}@{result.canary} at {result.percent} % in {result.env}"),
        ("it", said),
    ]
    if result.tripped:
        facts.append(("limits exceeded", ", ".join(result.tripped)))
    table = Table(("transition", "foretold", "seen"), rows, right=("foretold", "seen"), empty="As foretold.")
    return [Facts(facts), table]


def inputs(result: InputsFrozen) -> View:
    """After a freeze."""
    parts = [(name, digest) for name, digest in result.parts.items()]
    return [Facts([("inputs", result.digest), ("as of", result.as_of), ("frozen", result.frozen), *parts])]


def run(result: RunFacts) -> View:
    """One run."""
    rows = [
        ("run", result.run),
        ("version", f"{result.policy}@{result.version}"),
        ("status", result.status),
        ("inputs", result.inputs),
        ("determinism", result.determinism),
        ("decisions", result.result),
    ]
    counts = [(status, human_count(number)) for status, number in result.counts.items()]
    return [Facts(rows), Table(("status", "findings"), counts, right=("findings",), empty="No finding.")]


def exceptions(result: ExceptionsListed) -> View:
    """One line an exception."""
    rows = [
        (
            one.exception,
            one.policy,
            Cell(one.state, "good" if one.in_force else "dim"),
            one.status,
            one.expires or "never",
            one.author,
        )
        for one in result.exceptions
    ]
    head = ("exception", "policy", "state", "status", "ends", "author")
    return [Table(head, rows, empty="No exception."), *_more(result.next)]


def exception(result: ExceptionFacts) -> View:
    """One exception."""
    rows: list[tuple[str, str | Cell]] = [
        ("exception", result.exception),
        ("policy", result.policy),
        ("state", Cell(result.state, "good" if result.in_force else "dim")),
        ("when", result.when),
        ("status", result.status),
        ("because", result.justification),
        ("ends", result.expires or "never"),
    ]
    moves = [(one.at, one.state, one.actor, one.ticket, one.reason) for one in result.history]
    return [Facts(rows), Table(("at", "state", "who", "ticket", "why"), moves)]


def _gate(said: Decided) -> list[tuple[str, str | Cell]]:
    return [
        ("gate", Cell(said.decision, _SAID[said.decision])),
        ("reasons", ", ".join(said.reason_codes) or "none"),
        ("identity", said.policy_digest),
        ("determinism", said.determinism_hash),
        ("at", said.evaluated_at_utc),
    ]


def _number(number: int | None) -> str:
    return "nothing" if number is None else str(number)


def _more(cursor: str | None) -> list[Text]:
    return [Text(f"more: --cursor {cursor}", "dim")] if cursor else []
