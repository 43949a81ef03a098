"""Why a finding is decided as it is: each outcome that holds or might, down to its clauses and what was found.

Rules:
- The truths are those of the reference interpreter; nothing is judged here.
- A clause is a test on the finding. One that asks the statements shows what each of them says.
- What is missing is shown as `missing`, never as an empty text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from stella.language.compare import decimal
from stella.language.explanation import MISSING, Clause, Explanation, Reason
from stella.language.groups import Group, Note
from stella.language.interpret import Decision, Facts, Truth, Value, truth
from stella.language.model import (
    Adjusted,
    All,
    Annotate,
    Any,
    Before,
    Compared,
    Condition,
    Constant,
    Every,
    Not,
    OutcomeIs,
    RequireVex,
    Some,
    Warn,
)
from stella.language.names import COLUMNS, STATEMENT
from stella.language.wording import shown_condition, shown_instant

WORDS: Mapping[Truth, str] = {True: "true", False: "false", None: "unknown"}


def explain(groups: Sequence[Group], decision: Decision, facts: Facts, more: Iterable[str] = ()) -> Explanation:
    """Expand a decision of a finding. Outcomes of the rules in `more` are shown though they do not hold."""
    held = dict.fromkeys(decision.true, True) | dict.fromkeys(decision.unknown)
    wanted = set(more)
    reasons = tuple(
        _reason(number, group, held.get(number, False), facts)
        for number, group in enumerate(groups)
        if number in held or group.rule in wanted
    )
    return Explanation(
        decision.status,
        None if decision.status_by is None else groups[decision.status_by].rule,
        decision.severity,
        None if decision.severity_by is None else groups[decision.severity_by].rule,
        decision.undecided,
        tuple(shown_note(note) for note in decision.notes),
        reasons,
    )


def _reason(number: int, group: Group, held: Truth, facts: Facts) -> Reason:
    seen = dict.fromkeys(leaves(group.condition))
    clauses = tuple(Clause(shown_condition(leaf), WORDS[truth(leaf, facts)], found(leaf, facts)) for leaf in seen)
    text = shown_condition(group.condition)
    return Reason(number, group.rule, group.branch, WORDS[held], decides(group), group.because, text, clauses)


def decides(group: Group) -> str:
    """What an outcome does, in one line."""
    parts = [f"status := {group.status}"] if group.status is not None else []
    parts += [f"severity := {group.severity}"] if group.severity is not None else []
    return "; ".join([*parts, *(shown_note(note) for note in group.notes)]) or "nothing"


def shown_note(note: Note) -> str:
    """A note in one line; fixtures expect notes in this form."""
    match note:
        case Warn(message):
            return f"warn: {message}"
        case Annotate(key, value):
            return f"{key}: {value}"
        case RequireVex(vendors, justifications):
            said = f"requireVex: vendors {', '.join(vendors) or 'any'}"
            return f"{said}; justifications {', '.join(justifications) or 'any'}"


def leaves(condition: Condition) -> Iterator[Condition]:
    """The tests of a condition, in the order of its text."""
    match condition:
        case All(items) | Any(items):
            for item in items:
                yield from leaves(item)
        case Not(item):
            yield from leaves(item)
        case _:
            yield condition


def found(leaf: Condition, facts: Facts) -> str:
    """What the finding has where a test looks."""
    match leaf:
        case Constant():
            return ""
        case Some(item) | Every(item):
            return _statements(item, facts)
        case Before(column):
            end = "" if column is None else f", {column} {shown(column, facts.values.get(column))}"
            return f"as_of {shown_instant(facts.as_of)}{end}"
        case OutcomeIs(attribute):
            return facts.outcome.get(attribute, MISSING)
        case _:
            names = list(dict.fromkeys(reads(leaf)))
            one = len(names) == 1
            values = (shown(name, facts.values.get(name)) for name in names)
            return ", ".join(value if one else f"{name} {value}" for name, value in zip(names, values, strict=True))


def _statements(item: Condition, facts: Facts) -> str:
    if not facts.statements:
        return "no statement"
    names = list(dict.fromkeys(name for leaf in leaves(item) for name in reads(leaf))) or ["status"]
    said = []
    for number, statement in enumerate(facts.statements, 1):
        held = WORDS[truth(item, facts._replace(values=statement))]
        values = ", ".join(f"{name} {shown(name, statement.get(name))}" for name in names)
        said.append(f"statement {number} {held} ({values})")
    return "; ".join(said)


def reads(leaf: Condition) -> Iterator[str]:
    """The names that a test looks at; those inside of a statement are not among them."""
    match leaf:
        case Compared(total):
            for part in total.parts:
                if isinstance(part, Adjusted):
                    for case, _ in part.cases:
                        for inner in leaves(case):
                            yield from reads(inner)
                else:
                    yield part.column
        case Constant() | Some() | Every() | OutcomeIs() | All() | Any() | Not():
            return
        case _:
            if leaf.column is not None:
                yield leaf.column


def shown(name: str, value: Value | None) -> str:
    """A value of a column as people write it."""
    column = COLUMNS.get(name) or STATEMENT.get(name)
    match value:
        case None:
            return MISSING
        case bool():
            return "true" if value else "false"
        case int():
            return shown_instant(value) if column is not None and column.type == "instant" else decimal(value)
        case str():
            return value or '""'
        case _:
            return f"[{', '.join(sorted(value))}]"
