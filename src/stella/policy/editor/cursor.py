"""Where in a policy a cursor is, from the tokens before it alone: a text that is being written seldom parses.

Rules:
- Any text and any offset give an answer; nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from stella.language.lexer import Token, lex
from stella.language.tree import COMPARISONS

Block = Literal[
    "file", "policy", "metadata", "settings", "profile", "map", "env", "rule", "invariant", "requireVex", "other"
]
BLOCKS: tuple[Block, ...] = ("metadata", "settings", "profile", "map", "env", "rule", "invariant", "requireVex")
CLAUSES = frozenset({"when", "then", "else", "because", "priority", "if"})
STATEMENTS = frozenset({"vex.any", "vex.all"})
_PARTIAL = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")


class Cursor(NamedTuple):
    """What is around a cursor.

    `block` is the innermost one, `clause` the last word of it that begins a clause, `partial` what has been written of
    a name from `start` on, `string` whether that is inside of a string. `statement` is inside of `vex.any(...)`,
    `about` the name that is compared or assigned just here, `complete` whether a whole value stands before.
    """

    block: Block
    clause: str
    start: int
    partial: str
    string: bool
    statement: bool
    about: str
    complete: bool
    fresh: bool
    comment: bool = False


def cursor(text: str, offset: int) -> Cursor:
    """What is around an offset."""
    before = text[:offset]
    lexed = lex(before)
    if any(one.span.end == len(before) and before.startswith("/*", one.span.start) for one in lexed.diagnostics) or any(
        one.end == len(before) and one.text.startswith("//") for one in lexed.comments
    ):
        return Cursor("other", "", offset, "", False, False, "", False, False, comment=True)  # noqa: FBT003
    tokens = list(lexed.tokens[:-1])
    string = any(one.span.end == len(before) and before[one.span.start] == '"' for one in lexed.diagnostics)
    start = len(before)
    if string and tokens:
        start = tokens.pop().start + 1
    elif match := _PARTIAL.search(before):
        start = match.start()
        while tokens and tokens[-1].start >= start:
            tokens.pop()
    block, inside = _innermost(tokens)
    return Cursor(
        block,
        _clause(inside),
        start,
        before[start:],
        string,
        _in_statement(inside),
        _about(inside),
        _complete(inside),
        not inside,
    )


def _innermost(tokens: Sequence[Token]) -> tuple[Block, list[Token]]:
    """The innermost open block, and the tokens in it that belong to no block inside of it."""
    stack: list[tuple[Block, list[Token]]] = [("file", [])]
    for token in tokens:
        here = stack[-1][1]
        if token.kind == "symbol" and token.text == "{":
            stack.append((_opened(here), []))
        elif token.kind == "symbol" and token.text == "}":
            if len(stack) > 1:
                closed, _ = stack.pop()
                if closed != "requireVex":
                    stack[-1][1].clear()
        else:
            here.append(token)
    return stack[-1]


def _opened(before: Sequence[Token]) -> Block:
    for token in reversed(before):
        if token.kind == "name" and token.text == "policy":
            return "policy"
        for block in BLOCKS:
            if token.kind == "name" and token.text == block:
                return block
    return "other"


def _clause(inside: Sequence[Token]) -> str:
    return next((one.text for one in reversed(inside) if one.kind == "name" and one.text in CLAUSES), "")


def _in_statement(inside: Sequence[Token]) -> bool:
    opened: list[str] = []
    for number, token in enumerate(inside):
        if token.kind == "symbol" and token.text == "(":
            opened.append(name_before(inside, number))
        elif token.kind == "symbol" and token.text == ")" and opened:
            opened.pop()
    return any(name in STATEMENTS for name in opened)


def _about(inside: Sequence[Token]) -> str:
    """The name before an operator, or before `in [` and the words after it, that ends here."""
    number = len(inside) - 1
    while number >= 0 and (inside[number].kind == "text" or inside[number].text in {",", "["}):
        if inside[number].text == "[" and inside[number].kind == "symbol":
            number -= 1
            break
        number -= 1
    if number < 0:
        return ""
    token = inside[number]
    if token.kind == "name" and token.text == "in":
        number -= number > 0 and inside[number - 1].text == "not"
        return name_before(inside, number)
    ends_here = number == len(inside) - 1 or inside[number + 1].text == "["
    is_sign = token.kind == "symbol" and (token.text in COMPARISONS or token.text in {":=", "=", ":"})
    return name_before(inside, number) if ends_here and is_sign else ""


def name_before(tokens: Sequence[Token], number: int) -> str:
    """The name, with its dots, that ends right before a token; empty when there is none."""
    at = number - 1
    if at < 0 or tokens[at].kind != "name":
        return ""
    parts = [tokens[at].text]
    while at >= 2 and tokens[at - 1].text == "." and tokens[at - 2].kind == "name":  # noqa: PLR2004  a dot and a name
        at -= 2
        parts.append(tokens[at].text)
    return ".".join(reversed(parts))


def _complete(inside: Sequence[Token]) -> bool:
    """Whether a value has just ended, so that an operator or the next clause comes."""
    if not inside:
        return False
    last = inside[-1]
    if last.kind in {"text", "number"} or last.text in {")", "]"}:
        return True
    words = CLAUSES | {"and", "or", "not", "in"}
    return last.kind == "name" and last.text not in words
