"""What can be written at a cursor: names, functions, words of an enum, actions and keywords, by what is around it.

Rules:
- Only what may stand there is proposed; inside of a string, words alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from stella.language.functions import FUNCTIONS
from stella.language.names import COLUMNS, JUSTIFICATION, OUTCOME, SEVERITY, STATEMENT, STATUS, Column, Words
from stella.language.tree import Entry, PolicyNode, ProfileNode
from stella.policy.editor.cursor import Cursor, cursor

Kind = Literal["keyword", "name", "function", "word", "action", "key"]


class Proposal(NamedTuple):
    """One thing to write from `start` on, in place of what is there up to the cursor."""

    label: str
    kind: Kind
    start: int
    insert: str
    detail: str = ""
    help: str = ""


MEMBERS = {
    "rule": "what is decided, and when",
    "invariant": "what must hold whatever the rules are",
    "profile": "weights that are added to a score",
    "metadata": "what the policy says about itself",
    "settings": "whether it only watches, and the status of what no rule decides",
}
CLAUSES = {
    "when": "the condition",
    "then": "what is done when it is true",
    "else": "what is done when it is false",
    "because": "why, for whoever is told",
}
ACTIONS = {
    "status": ("status := ", "decide the status"),
    "severity": ("severity := ", "decide the severity"),
    "warn": ("warn message ", "warn, whatever the status"),
    "annotate": ("annotate ", "say something about the finding"),
    "ignore": ("ignore until ", "ignore it for a time"),
    "requireVex": ("requireVex ", "ask for a statement"),
}
OPERATORS = ("and", "or", "in", "not in")
SETTINGS = {"shadow": "true: it only watches", "default_status": "the status of what no rule decides"}
METADATA = {"description": "what the policy is for", "tags": "words to find it by"}
REQUIRED = {"vendors": "who must say it", "justifications": "one of these reasons"}
NOT_IN_STATEMENTS = frozenset({"vex.any", "vex.all", "risk_score", "sbom.has_tag"})


def proposals(text: str, offset: int, tree: PolicyNode | None) -> list[Proposal]:
    """All proposals at an offset."""
    at = cursor(text, offset)
    if at.comment:
        return []
    words = words_of(at)
    if words is not None:
        return list(_words(at, words))
    return [] if at.string else list(_plain(at, tree))


def words_of(at: Cursor) -> Words | None:
    """The words of what is compared or assigned at the cursor; None when there is no closed list."""
    if not at.about:
        return None
    if at.block == "settings":
        return STATUS if at.about == "default_status" else None
    if at.block == "requireVex":
        return JUSTIFICATION if at.about == "justifications" else None
    if at.block == "rule" and at.clause in {"then", "else"}:
        return OUTCOME.get(at.about)
    if at.block == "invariant" and not at.statement and at.about in OUTCOME:
        return OUTCOME[at.about]
    column = (STATEMENT if at.statement else COLUMNS).get(at.about)
    return SEVERITY if column is None and at.about == "severity_band" else column.words if column else None


def _words(at: Cursor, words: Words) -> Iterator[Proposal]:
    for word in words.words:
        insert = word if at.string else f'"{word}"'
        yield Proposal(word, "word", at.start, insert, words.name)


def _keys(at: Cursor, keys: Mapping[str, str], kind: Kind = "key") -> Iterator[Proposal]:
    tail = " = " if kind == "key" else " "
    for key, said in keys.items():
        yield Proposal(key, kind, at.start, f"{key}{tail}", said)


def _plain(at: Cursor, tree: PolicyNode | None) -> Iterator[Proposal]:
    match at.block:
        case "file" if at.fresh:
            yield Proposal("policy", "keyword", at.start, 'policy "" syntax "stella-dsl@1" {\n}\n', "a policy")
        case "policy":
            yield from _keys(at, MEMBERS, "keyword") if at.fresh else ()
        case "metadata" | "settings" | "requireVex" as block:
            if at.about == "shadow":
                yield from (Proposal(word, "keyword", at.start, word) for word in ("true", "false"))
            elif not at.about:
                yield from _keys(at, {"metadata": METADATA, "settings": SETTINGS, "requireVex": REQUIRED}[block])
        case "rule":
            yield from _in_rule(at, tree)
        case "invariant":
            yield from _expression(at, tree)
        case "profile":
            yield from _keys(at, {"map": "a weight for each text", "env": "weights under conditions"}, "keyword")
        case "env":
            if at.clause == "if":
                yield from _expression(at, tree)
                yield from _keys(at, {"then": "the weight"}, "keyword") if at.complete else ()
            else:
                yield from _keys(at, {"if": "when it holds"}, "keyword")
        case _:
            return


def _in_rule(at: Cursor, tree: PolicyNode | None) -> Iterator[Proposal]:
    if at.clause == "when":
        yield from _expression(at, tree)
        yield from _keys(at, {"then": CLAUSES["then"]}, "keyword") if at.complete else ()
    elif at.clause in {"then", "else"}:
        if not at.about:
            for name, (insert, said) in ACTIONS.items():
                yield Proposal(name, "action", at.start, insert, said)
        elif at.about == "severity":
            yield from _expression(at, tree)
        if at.complete:
            yield from _keys(at, {word: CLAUSES[word] for word in ("else", "because")}, "keyword")
    else:
        yield from _keys(at, CLAUSES, "keyword")


def _expression(at: Cursor, tree: PolicyNode | None) -> Iterator[Proposal]:
    if at.complete and not at.partial:
        yield from (Proposal(word, "keyword", at.start, f"{word} ") for word in OPERATORS)
        return
    scope = STATEMENT if at.statement else COLUMNS
    for name, column in scope.items():
        yield Proposal(name, "name", at.start, name, described(column), column.help)
    for name, signature in FUNCTIONS.items():
        if not (at.statement and name in NOT_IN_STATEMENTS):
            yield Proposal(name, "function", at.start, f"{name}(", signature)
    if at.block == "invariant" and not at.statement:
        yield from (Proposal(name, "name", at.start, name, words.name) for name, words in OUTCOME.items())
    if not at.statement:
        yield Proposal("as_of", "name", at.start, "as_of", "instant", "the instant that the run is about")
        for member in tree.members if tree else ():
            if isinstance(member, ProfileNode):
                for one in member.members:
                    called = f"profile.{member.name}.{one.key if isinstance(one, Entry) else one.name}"
                    yield Proposal(called, "name", at.start, called, "number")
    yield from (Proposal(word, "keyword", at.start, word) for word in ("not", "true", "false"))
    if at.complete:
        yield from (Proposal(word, "keyword", at.start, f"{word} ") for word in OPERATORS)


def described(column: Column) -> str:
    """The type of a column in a few words."""
    if column.words is not None:
        return f"{column.words.name} of the {column.dimension}"
    return f"{column.type} of the {column.dimension}"
