"""Expressions: a Pratt parser (V. Pratt, "Top down operator precedence", 1973) over tokens.

Rules:
- Binding powers: `or` 1, `and` 2, `not` 3, comparisons and `in` 4, `+` and `-` 5. Comparisons do not chain.
- Chains of one operator are one node, so that depth is only what the author nested.
- Deeper than MAX_DEPTH is a diagnostic, as is whatever the grammar does not expect; nothing raises out of the parser.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from stella.kernel.nearest import nearest
from stella.language.diagnostics import LONGEST_GUESS, MAX_DIAGNOSTICS, Diagnostic, Fix, Span, found
from stella.language.lexer import Lexed, Token
from stella.language.names import MICRO
from stella.language.tree import (
    Arithmetic,
    Atom,
    Call,
    Comparison,
    Expression,
    Listed,
    Logic,
    Name,
    Negation,
    Number,
    Sign,
    Text,
    Wrong,
)

MAX_DEPTH = 64  # nesting that an author can follow; bounds the stack
PLACES = 6  # of a number after its point: what MICRO holds

OR, AND, NOT, COMPARE, ADD = 1, 2, 3, 4, 5
BINDS: dict[str, int] = {
    "or": OR,
    "and": AND,
    "not": COMPARE,
    "in": COMPARE,
    "+": ADD,
    "-": ADD,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), COMPARE),
}
"""How tight an operator binds that stands behind a value; `not` begins `not in` there."""
ATOMS = {"true": True, "false": False, "null": None}
RESERVED = frozenset({"and", "or", "not", "in", "when", "then", "else", "because", "if", "rule", "invariant", "until"})


class Stop(Exception):
    """The grammar has been lost; a diagnostic is written."""


class Expressions:
    """A cursor over tokens that reads expressions."""

    def __init__(self, lexed: Lexed) -> None:
        self.tokens = lexed.tokens
        self.place = 0
        self.depth = 0
        self.diagnostics: list[Diagnostic] = list(lexed.diagnostics)
        self.cut = any(one.code == "POL1002" and one.span.end == lexed.tokens[-1].end for one in lexed.diagnostics)

    # the cursor

    @property
    def next(self) -> Token:
        """The token that is to be read."""
        return self.tokens[self.place]

    @property
    def last_end(self) -> int:
        """Where the token that was read last ends."""
        return self.tokens[self.place - 1].end if self.place else 0

    def peek(self, ahead: int = 1) -> Token:
        """A later token, or the end."""
        return self.tokens[min(self.place + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        """Read a token; the end is never passed."""
        token = self.tokens[self.place]
        if token.kind != "end":
            self.place += 1
        return token

    def at(self, *words: str) -> bool:
        """Whether the next token is one of these words or symbols."""
        token = self.tokens[self.place]
        return token.text in words and token.kind != "text"

    def skip(self, word: str) -> bool:
        """Read the next token if it is that one."""
        token = self.tokens[self.place]
        if token.text == word and token.kind != "text":
            self.place += 1
            return True
        return False

    def say(self, code: str, message: str, span: Span, fix: Fix | None = None) -> None:
        """Write a diagnostic, as long as there are not too many."""
        if len(self.diagnostics) < MAX_DIAGNOSTICS:
            self.diagnostics.append(found(code, message, span, fix))

    def guess(self, word: str, known: Iterable[str]) -> str | None:
        """The known word that may be meant, as long as a diagnostic with it would be heard."""
        return nearest(word, known) if len(self.diagnostics) < MAX_DIAGNOSTICS and len(word) <= LONGEST_GUESS else None

    def lost(self, expected: str) -> Stop:
        """Say what was expected in place of the next token."""
        token = self.next
        there = "the end of the file" if token.kind == "end" else f"`{_shown(token)}`"
        if token.kind != "end" or not self.cut:  # behind a comment or string without an end anything may stand
            self.say("POL1001", f"expected {expected}, found {there}", token.span)
        return Stop()

    def want(self, symbol: str, expected: str = "") -> Token:
        """Read that word or symbol; raises Stop."""
        if not self.at(symbol):
            raise self.lost(expected or f"`{symbol}`")
        return self.take()

    def want_name(self, what: str) -> Token:
        """Read a name that is no reserved word; raises Stop."""
        if self.next.kind != "name" or self.next.text in RESERVED:
            raise self.lost(what)
        return self.take()

    def want_text(self, what: str) -> Text:
        """Read a string; raises Stop."""
        if self.next.kind != "text":
            raise self.lost(what)
        token = self.take()
        return Text(token.text, token.span)

    # expressions

    def expression(self, power: int = 0) -> Expression:
        """Read an expression whose operators bind tighter than `power`; raises Stop."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.depth = 0
            self.say("POL1004", f"nested deeper than {MAX_DEPTH}", self.next.span)
            raise Stop
        left = self._first()
        while (binds := self._binds()) > power:
            if binds <= AND:
                left = self._logic("or" if binds == OR else "and", left, binds)
            elif binds == COMPARE:
                left = self._comparison(left)
            else:
                left = self._sum(left)
        self.depth -= 1
        return left

    def _binds(self) -> int:
        """How tight the next token binds; 0 when it is no operator."""
        token = self.tokens[self.place]
        binds = BINDS.get(token.text)
        if binds is None or token.kind == "text" or (token.text == "not" and not self._at_not_in()):
            return 0
        return binds

    def _at_not_in(self) -> bool:
        return self.peek().text == "in" and self.peek().kind == "name"

    def _logic(self, operator: Literal["and", "or"], left: Expression, power: int) -> Expression:
        items = [left]
        while self.skip(operator):
            items.append(self.expression(power))
        return Logic(operator, tuple(items), self._since(left))

    def _comparison(self, left: Expression) -> Expression:
        first = self.take()
        sign = first.text
        if sign == "not":
            self.take()
            sign = "not in"
        right = self.expression(COMPARE)
        where = Span(first.start, first.start + len(sign))
        whole = Comparison(cast("Sign", sign), left, right, self._since(left), where)
        if self._binds() == COMPARE:
            raise self.lost("`and`: comparisons do not chain")
        return whole

    def _sum(self, left: Expression) -> Expression:
        items = [(False, left)]
        while self.at("+", "-"):
            minus = self.take().text == "-"
            items.append((minus, self.expression(ADD)))
        return Arithmetic(tuple(items), self._since(left))

    def _since(self, first: Expression) -> Span:
        return Span(first.span.start, self.last_end)

    def _first(self) -> Expression:
        token = self.tokens[self.place]
        if token.kind == "name" and token.text not in RESERVED:
            return self._name()
        if token.kind == "text":
            self.place += 1
            return Text(token.text, token.span)
        if token.kind == "number":
            return self.number()
        if self.skip("("):
            inner = self.expression()
            self.want(")")
            return inner
        if self.at("["):
            return self._list()
        if self.at("+", "-"):
            minus = self.take().text == "-"
            item = self.expression(ADD)
            return Arithmetic(((minus, item),), Span(token.start, self.last_end))
        if self.skip("not"):
            item = self.expression(NOT)
            return Negation(item, Span(token.start, self.last_end))
        raise self.lost("a condition or a value")

    def number(self) -> Number:
        """Read a number; raises Stop."""
        if self.next.kind != "number":
            raise self.lost("a number")
        token = self.take()
        whole, _, fraction = token.text.partition(".")
        if len(fraction.rstrip("0")) > PLACES or len(whole) > 10:  # noqa: PLR2004  digits below 2**53 micros
            self.say("POL2004", f"`{token.text[:24]}` has more digits than 10 before and {PLACES} after", token.span)
            return Number(0, 0, token.span)
        micros = int(whole) * MICRO + int(fraction[:PLACES].ljust(PLACES, "0"))
        if micros >= 2**53:
            self.say("POL2004", f"`{token.text}` is too large", token.span)
            return Number(0, 0, token.span)
        return Number(micros, len(fraction), token.span)

    def _list(self) -> Expression:
        start = self.take().start
        items: list[Expression] = []
        while not self.at("]"):
            items.append(self.expression())
            if not self.skip(","):
                break
        self.want("]", "`,` or `]`")
        return Listed(tuple(items), Span(start, self.last_end))

    def dotted(self) -> Name:
        """Read a name with its dots; raises Stop."""
        first = self.take()
        if self.tokens[self.place].text != ".":
            return Name(first.text, first.span)
        parts = [first.text]
        while self.at(".") and self.peek().kind == "name":
            self.take()
            parts.append(self.take().text)
        if self.at("."):
            self.take()
            raise self.lost("a name behind the `.`")
        return Name(".".join(parts), Span(first.start, self.last_end))

    def _name(self) -> Expression:
        name = self.dotted()
        if name.name in ATOMS:
            return Atom(ATOMS[name.name], name.span)
        if self.tokens[self.place].text != "(" or not self.skip("("):
            return name
        arguments: list[Expression] = []
        while not self.at(")"):
            arguments.append(self.expression())
            if not self.skip(","):
                break
        self.want(")", "`,` or `)`")
        return Call(name.name, tuple(arguments), name.span, Span(name.span.start, self.last_end))

    def expression_or_wrong(self) -> Expression:
        """Read an expression; where there is none, a node that says so."""
        start = self.next.start
        self.depth = 0
        try:
            return self.expression()
        except Stop:
            return Wrong(Span(start, max(start, self.last_end)))


def _shown(token: Token) -> str:
    return f'"{token.text[:20]}"' if token.kind == "text" else token.text[:20]
