"""Expressions: a Pratt parser (V. Pratt, "Top down operator precedence", 1973) over tokens.

Rules:
- Binding powers: `or` 1, `and` 2, `not` 3, comparisons and `in` 4, `+` and `-` 5. Comparisons do not chain.
- Chains of one operator are one node, so that depth is only what the author nested.
- Deeper than MAX_DEPTH is a diagnostic, as is whatever the grammar does not expect; nothing raises out of the parser.
"""

from __future__ import annotations

from typing import cast

from stella.language.diagnostics import Diagnostic, Fix, Span, found
from stella.language.lexer import Lexed, Token
from stella.language.names import MICRO
from stella.language.tree import (
    COMPARISONS,
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
MAX_DIAGNOSTICS = 100  # of the parser for one text; more of them help nobody
PLACES = 6  # of a number after its point: what MICRO holds

OR, AND, NOT, COMPARE, ADD = 1, 2, 3, 4, 5
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
        return token.text in words and (token.kind == "name" or token.kind == "symbol")  # noqa: PLR1714  hot

    def skip(self, word: str) -> bool:
        """Read the next token if it is that one."""
        if self.at(word):
            self.place += 1
            return True
        return False

    def say(self, code: str, message: str, span: Span, fix: Fix | None = None) -> None:
        """Write a diagnostic, as long as there are not too many."""
        if len(self.diagnostics) < MAX_DIAGNOSTICS:
            self.diagnostics.append(found(code, message, span, fix))

    def lost(self, expected: str) -> Stop:
        """Say what was expected in place of the next token."""
        token = self.next
        there = "the end of the file" if token.kind == "end" else f"`{_shown(token)}`"
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
        while True:
            if power < OR and self.at("or"):
                left = self._logic("or", left, OR)
            elif power < AND and self.at("and"):
                left = self._logic("and", left, AND)
            elif power < COMPARE and (self._compares() or (self.at("not") and self.peek().text == "in")):
                left = self._comparison(left)
            elif power < ADD and self.at("+", "-"):
                left = self._sum(left)
            else:
                break
        self.depth -= 1
        return left

    def _compares(self) -> bool:
        token = self.next
        return (token.kind == "symbol" and token.text in COMPARISONS) or (token.kind == "name" and token.text == "in")

    def _logic(self, operator: str, left: Expression, power: int) -> Expression:
        items = [left]
        while self.skip(operator):
            items.append(self.expression(power))
        return Logic("and" if operator == "and" else "or", tuple(items), self._since(left))

    def _comparison(self, left: Expression) -> Expression:
        first = self.take()
        sign = first.text
        if sign == "not":
            self.take()
            sign = "not in"
        right = self.expression(COMPARE)
        where = Span(first.start, first.start + len(sign))
        whole = Comparison(cast("Sign", sign), left, right, self._since(left), where)
        if self._compares():
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
        token = self.next
        if token.kind == "text":
            self.take()
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
        if token.kind == "name" and token.text not in RESERVED:
            return self._name()
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
        if not self.skip("("):
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
