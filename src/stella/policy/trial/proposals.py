"""Fixtures that are proposed: findings of the solver that reach a term, with what the policy says of them today.

Rules:
- Nobody has thought about a proposal. Whoever takes it over answers for what it expects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from stella.language.compare import decimal
from stella.language.explain import shown_note
from stella.language.interpret import Decision, Facts, Value, decide
from stella.language.names import COLUMNS, LATEST, STATEMENT, Column
from stella.language.wording import shown_instant
from stella.policy.trial.fixtures import DEFAULT
from stella.policy.trial.trial import Place, Trial
from stella.prover.example import Example


class Proposal(NamedTuple):
    """A fixture as it stands in a file."""

    name: str
    text: str


def proposed(trial: Trial, place: Place, example: Example) -> Proposal:
    """A fixture for a term from an example of it."""
    facts = example.facts()
    decision = decide(trial.groups, trial.policy.settings.default_status, facts)
    name = f"{place.group.rule} ({place.group.branch}): {place.text}"
    by = DEFAULT if decision.status_by is None else trial.groups[decision.status_by].rule
    lines = ["[[fixture]]", f"name = {_quoted(name)}"]
    lines += [f"as_of = {shown_instant(facts.as_of)}"]
    lines += _expect(decision, by)
    lines += _rest(facts)
    return Proposal(name, "\n".join(lines) + "\n")


def _expect(decision: Decision, by: str) -> Iterator[str]:
    yield ""
    yield "[fixture.expect]"
    yield f"status = {_quoted(decision.status)}"
    yield f"rule = {_quoted(by)}"
    if decision.severity is not None:
        yield f"severity = {_quoted(decision.severity)}"
    if decision.undecided:
        yield "undecided = true"
    if decision.notes:
        yield f"notes = {_texts(shown_note(note) for note in decision.notes)}"


def _rest(facts: Facts) -> Iterator[str]:
    values = {name: value for name, value in facts.values.items() if not name.startswith(LATEST)}
    yield ""
    yield "[fixture.finding]"
    yield from _values(values, COLUMNS)
    for statement in facts.statements:
        yield ""
        yield "[[fixture.statement]]"
        yield from _values(statement, STATEMENT)


def _values(values: Mapping[str, Value], columns: Mapping[str, Column]) -> Iterator[str]:
    for name, value in sorted(values.items()):
        yield f"{_quoted(name) if '.' in name else name} = {_value(value, columns[name])}"


def _value(value: Value, column: Column) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return shown_instant(value) if column.type == "instant" else decimal(value)
        case str():
            return _quoted(value)
        case _:
            return _texts(sorted(value))


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(_quoted(text) for text in texts)}]"


def _quoted(text: str) -> str:
    """A basic string of TOML, which is one of JSON but for U+007F."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
