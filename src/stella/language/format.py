"""One layout for every policy.

Rules:
- Formatting changes no meaning and loses no comment; formatting what is formatted changes nothing.
- A line is broken before `and` and `or` when it would be longer than WIDTH. Clauses stand in one order.
- Only what parses is formatted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from stella.language.compare import decimal
from stella.language.expressions import ADD, AND, COMPARE, NOT, OR
from stella.language.lexer import Comment, Lexed, quoted
from stella.language.names import MICRO
from stella.language.tree import (
    ActionNode,
    Arithmetic,
    Assign,
    Atom,
    Call,
    Comparison,
    EntriesNode,
    Entry,
    Expression,
    InvariantNode,
    Listed,
    Logic,
    Member,
    Name,
    Negation,
    Number,
    PolicyNode,
    ProfileNode,
    Require,
    RuleNode,
    Say,
    Text,
    Until,
    Weight,
    Weights,
    Wrong,
)

WIDTH = 120
INDENT = "  "
POWERS = {"or": OR, "and": AND}


def formatted(policy: PolicyNode, lexed: Lexed) -> str:
    """The text of a policy that parsed without an error, in its one layout."""
    return _Printer(lexed.comments).policy(policy)


class _Printer:
    def __init__(self, comments: Sequence[Comment]) -> None:
        self._comments = list(comments)
        self._next = 0
        self._lines: list[str] = []
        self._ended = 0  # how many lines there were when one ended with `//`

    def policy(self, node: PolicyNode) -> str:
        self._comments_before(node.span.start, 0, spaced=True)
        self._line(0, f"policy {quoted(node.name.value)} syntax {quoted(node.syntax.value)} {{")
        self._blocks(node.members, self._member, 1, node.span.end)
        self._line(0, "}")
        self._comments_before(None, 0)
        return "\n".join(self._lines) + "\n"

    # lines and comments

    def _line(self, depth: int, text: str) -> None:
        self._lines.append(INDENT * depth + text)

    def _comments_before(self, offset: int | None, depth: int, *, spaced: bool = False) -> None:
        """Comments up to there; where they are `spaced` an empty line behind one is kept."""
        while self._next < len(self._comments):
            comment = self._comments[self._next]
            if offset is not None and comment.start >= offset:
                return
            self._next += 1
            text = comment.text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
            if comment.beside and self._open():
                self._lines[-1] += f" {text}"
            else:
                self._line(depth, text)
            self._ended = len(self._lines) if text.startswith("//") else 0
            if spaced and comment.apart and not comment.beside:
                self._lines.append("")

    def _open(self) -> bool:
        """Whether something can stand behind the last line: not behind `//`, which would take it in."""
        return bool(self._lines and self._lines[-1]) and self._ended != len(self._lines)

    def _blocks(self, nodes: Sequence[Member], show: Callable[[Member, int], None], depth: int, end: int) -> None:
        for number, node in enumerate(nodes):
            self._beside(node.span.start, depth)
            if number:
                self._lines.append("")
            self._comments_before(node.span.start, depth, spaced=True)
            show(node, depth)
        self._comments_before(end, depth)

    def _beside(self, offset: int, depth: int) -> None:
        """Comments that stand behind the line before come first, so that no blank line parts them from it."""
        while self._next < len(self._comments):
            comment = self._comments[self._next]
            if not comment.beside or comment.start >= offset or not self._open():
                return
            self._comments_before(comment.start + 1, depth)

    # members

    def _member(self, node: Member, depth: int) -> None:
        match node:
            case EntriesNode(kind, entries, span):
                self._line(depth, f"{kind} {{")
                self._entries(entries, depth + 1, span.end)
                self._line(depth, "}")
            case ProfileNode():
                self._profile(node, depth)
            case RuleNode():
                self._rule(node, depth)
            case InvariantNode(name, given, then, _, span):
                self._line(depth, f"invariant {name} {{")
                self._comments_before(given.span.start, depth + 1)
                self._long(depth + 1, "", given, " =>" if self._wide(depth + 1, given, then) else "")
                if self._lines[-1].endswith(" =>"):
                    self._long(depth + 2, "", then)
                else:
                    self._lines[-1] += f" => {shown(then)}"
                self._comments_before(span.end, depth + 1)
                self._line(depth, "}")

    def _wide(self, depth: int, given: Expression, then: Expression) -> bool:
        return len(INDENT * depth + f"{shown(given)} => {shown(then)}") > WIDTH

    def _entries(self, entries: Iterable[Entry], depth: int, end: int) -> None:
        for entry in entries:
            self._comments_before(entry.span.start, depth)
            self._line(depth, f"{entry.key} = {shown(entry.value)}")
        self._comments_before(end, depth)

    def _profile(self, node: ProfileNode, depth: int) -> None:
        self._line(depth, f"profile {node.name} {{")
        for member in node.members:
            self._comments_before(member.span.start, depth + 1)
            if isinstance(member, Entry):
                self._line(depth + 1, f"{member.key} = {shown(member.value)}")
                continue
            self._line(depth + 1, f"{member.kind} {member.name} {{")
            for weight in member.weights:
                self._comments_before(weight.span.start, depth + 2)
                self._line(depth + 2, _weight(member, weight))
            self._comments_before(member.span.end, depth + 2)
            self._line(depth + 1, "}")
        self._comments_before(node.span.end, depth + 1)
        self._line(depth, "}")

    def _rule(self, node: RuleNode, depth: int) -> None:
        priority = f" priority {shown(node.priority)}" if node.priority is not None else ""
        self._line(depth, f"rule {node.name}{priority} {{")
        if node.when is not None:
            self._comments_before(node.when.span.start, depth + 1)
            self._long(depth + 1, "when ", node.when)
        for word, actions in (("then", node.then), ("else", node.otherwise)):
            for number, action in enumerate(actions):
                self._comments_before(action.span.start, depth + 1)
                self._action(depth + 1, f"{word} " if number == 0 else INDENT * 2, action)
        if node.because is not None:
            self._comments_before(node.because.span.start, depth + 1)
            self._line(depth + 1, f"because {quoted(node.because.value)}")
        self._comments_before(node.span.end, depth + 1)
        self._line(depth, "}")

    def _action(self, depth: int, word: str, node: ActionNode) -> None:
        match node:
            case Assign(name, value):
                self._line(depth, f"{word}{name} := {shown(value)}")
            case Say("warn", _, text):
                self._line(depth, f"{word}warn message {quoted(text.value)}")
            case Say(_, key, text):
                self._line(depth, f"{word}annotate {key} {quoted(text.value)}")
            case Until(value):
                self._line(depth, f"{word}ignore until {shown(value)}")
            case Require(entries, span):
                self._line(depth, f"{word}requireVex {{")
                under = depth + 1 if word.strip() else depth + 3
                self._entries(entries, under, span.end)
                self._line(under - 1, "}")

    def _long(self, depth: int, word: str, node: Expression, tail: str = "") -> None:
        whole = f"{word}{shown(node)}{tail}"
        if len(INDENT * depth + whole) <= WIDTH or not isinstance(node, Logic):
            self._line(depth, whole)
            return
        power = POWERS[node.operator]
        first, *others = [shown(item, power) for item in node.items]
        self._line(depth, f"{word}{first}")
        for item in others:
            self._line(depth + 1, f"{node.operator} {item}")
        self._lines[-1] += tail


def _weight(block: Weights, node: Weight) -> str:
    if node.condition is not None:
        return f"if {shown(node.condition)} then {shown(node.value)}"
    key = quoted(node.key.value) if node.key else '""'
    return f"{block.column.name if block.column else 'source'} {key} => {shown(node.value)}"


def shown(node: Expression, power: int = 0) -> str:
    """An expression in one line; in parentheses where it binds no tighter than `power`."""
    text, own = _shown(node)
    return f"({text})" if own <= power else text


def _shown(node: Expression) -> tuple[str, int]:
    tight = ADD + 1
    match node:
        case Name(name):
            return name, tight
        case Text(value):
            return quoted(value), tight
        case Number(micros, places):
            return _number(micros, places), tight
        case Atom(value):
            return {True: "true", False: "false", None: "null"}[value], tight
        case Listed(items):
            return f"[{', '.join(shown(item) for item in items)}]", tight
        case Call(name, arguments):
            return f"{name}({', '.join(shown(argument) for argument in arguments)})", tight
        case Logic(operator, items):
            power = POWERS[operator]
            return f" {operator} ".join(shown(item, power) for item in items), power
        case Negation(item):
            return f"not {shown(item, NOT - 1)}", NOT
        case Comparison(operator, left, right):
            return f"{shown(left, COMPARE)} {operator} {shown(right, COMPARE)}", COMPARE
        case Arithmetic(items):
            return _sum(items)
        case Wrong():
            return "", tight


def _sum(items: Sequence[tuple[bool, Expression]]) -> tuple[str, int]:
    if len(items) == 1:
        minus, item = items[0]
        return f"{'-' if minus else '+'}{shown(item, ADD)}", ADD
    first = items[0][1]
    signed = isinstance(first, Arithmetic) and len(first.items) == 1  # a sign in front binds no tighter than the sum
    text = shown(first, 0 if signed else ADD)
    for minus, item in items[1:]:
        text += f" {'-' if minus else '+'} {shown(item, ADD)}"
    return text, ADD


def _number(micros: int, places: int) -> str:
    text = decimal(micros)
    if places and micros % MICRO == 0:
        return f"{text}.{'0' * min(places, 6)}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(min(places, 6), '0')}" if places else text
