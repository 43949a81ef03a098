"""The shape of a policy for an editor: its parts, and what kind of word each word of it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from stella.language.diagnostics import Span
from stella.language.functions import FUNCTIONS
from stella.language.lexer import Lexed, Token
from stella.language.tree import InvariantNode, PolicyNode, ProfileNode, RuleNode

Part = Literal["policy", "rule", "invariant", "profile", "block"]
Paint = Literal["comment", "keyword", "string", "number", "operator", "variable", "function", "class"]
PAINTS: Final[tuple[Paint, ...]] = (
    "comment",
    "keyword",
    "string",
    "number",
    "operator",
    "variable",
    "function",
    "class",
)
WORDS = frozenset(
    {"policy", "syntax", "metadata", "settings", "profile", "rule", "priority", "when", "then", "else", "because"}
    | {"invariant", "map", "env", "if", "and", "or", "not", "in", "true", "false", "null"}
    | {"warn", "message", "annotate", "ignore", "until", "requireVex"}
)
NAMING = frozenset({"rule", "invariant", "profile", "map", "env"})


class Symbol(NamedTuple):
    """A part of a policy: the whole of it, and its name in it."""

    name: str
    part: Part
    whole: Span
    named: Span


def symbols(tree: PolicyNode) -> Iterator[Symbol]:
    """The policy, then its members in the order of the text."""
    yield Symbol(tree.name.value or "policy", "policy", tree.span, tree.name.span)
    for member in tree.members:
        match member:
            case RuleNode():
                yield Symbol(member.name, "rule", member.span, member.name_span)
            case InvariantNode():
                yield Symbol(member.name, "invariant", member.span, member.name_span)
            case ProfileNode():
                yield Symbol(member.name, "profile", member.span, member.name_span)
            case _:
                named = Span(member.span.start, member.span.start + len(member.kind))
                yield Symbol(member.kind, "block", member.span, named)


def painted(lexed: Lexed) -> list[tuple[Span, Paint]]:
    """Each word and comment with its kind, in the order of the text."""
    tokens = lexed.tokens[:-1]
    found: list[tuple[Span, Paint]] = [(Span(one.start, one.end), "comment") for one in lexed.comments]
    for number, token in enumerate(tokens):
        paint = _paint(tokens, number, token)
        if paint is not None:
            found.append((token.span, paint))
    return sorted(found)


def _paint(tokens: tuple[Token, ...], number: int, token: Token) -> Paint | None:
    match token.kind:
        case "text":
            return "string"
        case "number":
            return "number"
        case "symbol":
            return "operator" if token.text not in {"{", "}", "(", ")", "[", "]", ",", ";", "."} else None
        case _:
            return _paint_name(tokens, number, token)


def _paint_name(tokens: tuple[Token, ...], number: int, token: Token) -> Paint:
    before = tokens[number - 1] if number else None
    after = tokens[number + 1].text if number + 1 < len(tokens) else ""
    dotted = after == "." or (before is not None and before.text == ".")
    if before is not None and before.kind == "name" and before.text in NAMING and not dotted:
        return "class"
    if token.text in WORDS and not dotted:
        return "keyword"
    last = tokens[number + 2].text if after == "." and number + 2 < len(tokens) else ""
    first = tokens[number - 2].text if before is not None and before.text == "." and number > 1 else ""
    called = after == "(" or f"{token.text}.{last}" in FUNCTIONS or f"{first}.{token.text}" in FUNCTIONS
    return "function" if called else "variable"
