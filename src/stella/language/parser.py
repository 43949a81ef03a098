"""Blocks: recursive descent from tokens to a tree.

Rules:
- One file holds one policy. Every error of a file is found at once: after one, reading goes on at the next member, or
  behind the brace that closes the member in hand.
- Any text gives a tree, or none, and diagnostics; nothing raises.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from stella.kernel.nearest import nearest
from stella.language.diagnostics import Diagnostic, Fix, Span
from stella.language.expressions import Expressions, Stop
from stella.language.lexer import Lexed, Token, lex
from stella.language.tree import (
    ActionNode,
    Assign,
    EntriesNode,
    Entry,
    Expression,
    InvariantNode,
    Member,
    Name,
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

NAMED = ("rule", "invariant", "profile")
PLAIN = ("metadata", "settings")
VERBS: Final = ("warn", "annotate", "ignore", "requireVex")
CLAUSES = ("when", "then", "else", "because")


class Parsed(NamedTuple):
    """A tree, what is wrong, and the tokens and comments it was made of."""

    policy: PolicyNode | None
    diagnostics: tuple[Diagnostic, ...]
    lexed: Lexed


def parse(text: str) -> Parsed:
    """Parse a file; never raises."""
    lexed = lex(text)
    parser = _Parser(lexed)
    policy = parser.file()
    return Parsed(policy, tuple(parser.diagnostics), lexed)


class Alone(NamedTuple):
    """An expression that stands alone, such as that of an exception, and what is wrong with it."""

    expression: Expression
    diagnostics: tuple[Diagnostic, ...]


def parse_expression(text: str) -> Alone:
    """Parse an expression; never raises."""
    parser = _Parser(lex(text))
    expression = parser.expression_or_wrong()
    if parser.next.kind != "end" and not parser.diagnostics:
        parser.lost("the end of the condition")
    return Alone(expression, tuple(parser.diagnostics))


def parse_invariant(text: str) -> tuple[Expression, Expression, tuple[Diagnostic, ...]]:
    """Parse `a => b`; never raises."""
    parser = _Parser(lex(text))
    try:
        given, then = parser.implication()
        if parser.next.kind != "end":
            raise parser.lost("the end of the invariant")
    except Stop:
        given = then = Wrong(Span(0, len(text)))
    return given, then, tuple(parser.diagnostics)


class _Parser(Expressions):
    def file(self) -> PolicyNode | None:
        first: PolicyNode | None = None
        while self.next.kind != "end":
            start = self.next
            if not self.at("policy"):
                self.lost("`policy`")
                self._to_policy()
                continue
            if first is not None:
                self.say("POL1003", "one file holds one policy; this is another one", start.span)
            try:
                read = self._policy()
                first = first or read
            except Stop:
                self._to_policy()
        if first is None and not self.diagnostics:
            self.say("POL1001", 'expected `policy "name" syntax "stella-dsl@1" { ... }`', Span(0, 0))
        return first

    def _to_policy(self) -> None:
        self.depth = 0
        self.take()
        while self.next.kind != "end" and not (self.at("policy") and self.peek().kind == "text"):
            self.take()

    def _policy(self) -> PolicyNode:
        start = self.take().start
        name = self.want_text("the name of the policy as a string")
        self.want("syntax")
        syntax = self.want_text('`"stella-dsl@1"`')
        self.want("{")
        members: list[Member] = []
        while not self.at("}") and self.next.kind != "end":
            begin = self.place
            try:
                members.append(self._member())
            except Stop:
                self._to_member(begin)
        if self.next.kind == "end":
            self.say("POL1001", "the policy has no closing `}`", self.next.span)
        self.skip("}")
        return PolicyNode(name, syntax, tuple(members), Span(start, self.last_end))

    def _to_member(self, begin: int) -> None:
        """Go on behind the member that began there, or at the next one."""
        self.depth = 0
        braces = sum((token.text == "{") - (token.text == "}") for token in self._symbols(begin, self.place))
        if self.place == begin:
            self.take()
        while self.next.kind != "end":
            token = self.next
            if self._begins_member(token) and self.place > begin:
                return
            if token.kind == "symbol" and token.text == "{":
                braces += 1
            elif token.kind == "symbol" and token.text == "}":
                if braces <= 0:
                    return
                braces -= 1
                if braces == 0:
                    self.take()
                    return
            self.take()

    def _symbols(self, begin: int, end: int) -> list[Token]:
        return [token for token in self.tokens[begin:end] if token.kind == "symbol"]

    def _begins_member(self, token: Token) -> bool:
        if token.kind != "name":
            return False
        if token.text in NAMED:
            return self.peek().kind == "name" and self.peek(2).text in {"{", "priority"}
        return token.text in PLAIN and self.peek().text == "{"

    def _member(self) -> Member:
        token = self.next
        if token.text == "rule" and token.kind == "name":
            return self._rule()
        if self.at("invariant"):
            return self._invariant()
        if self.at("profile"):
            return self._profile()
        if self.at("metadata"):
            return self._entries("metadata")
        if self.at("settings"):
            return self._entries("settings")
        guess = nearest(token.text, (*NAMED, *PLAIN)) if token.kind == "name" else None
        if guess is not None:
            self.say("POL1001", f"expected `{guess}`, found `{token.text}`", token.span, _instead(guess, token))
            raise Stop
        raise self.lost("`rule`, `profile`, `invariant`, `metadata`, `settings` or `}`")

    # metadata, settings

    def _entries(self, kind: Literal["metadata", "settings"]) -> EntriesNode:
        start = self.take().start
        entries = self._braced()
        return EntriesNode(kind, entries, Span(start, self.last_end))

    def _braced(self) -> tuple[Entry, ...]:
        self.want("{")
        entries = []
        while not self.at("}"):
            entries.append(self._entry())
        self.take()
        return tuple(entries)

    def _entry(self) -> Entry:
        key = self.want_name("a key")
        if not self.skip("=") and not self.skip(":"):
            raise self.lost("`=`")
        value = self.expression()
        self.skip(",")
        self.skip(";")
        return Entry(key.text, value, key.span, Span(key.start, self.last_end))

    # profile

    def _profile(self) -> ProfileNode:
        start = self.take().start
        name = self.want_name("the name of the profile")
        self.want("{")
        members: list[Weights | Entry] = []
        while not self.at("}"):
            if self.at("map", "env") and self.peek().kind == "name":
                members.append(self._weights())
            else:
                members.append(self._entry())
        self.take()
        return ProfileNode(name.text, tuple(members), name.span, Span(start, self.last_end))

    def _weights(self) -> Weights:
        first = self.take()
        kind: Literal["map", "env"] = "map" if first.text == "map" else "env"
        name = self.want_name(f"the name of the `{kind}`")
        self.want("{")
        column: Name | None = None
        weights: list[Weight] = []
        while not self.at("}"):
            begin = self.next.start
            if kind == "env":
                self.want("if")
                condition = self.expression()
                self.want("then")
                value = self.expression()
                weights.append(Weight(None, condition, value, Span(begin, self.last_end)))
            else:
                if self.next.kind != "name":
                    raise self.lost('a name, such as `source "GHSA" => 0.5`')
                found = self.dotted()
                if column is not None and found.name != column.name:
                    self.say("POL2002", f"this map is about `{column.name}`", found.span)
                column = column or found
                key = self.want_text("a word as a string")
                self.want("=>")
                value = self.expression()
                weights.append(Weight(key, None, value, Span(begin, self.last_end)))
            self.skip(",")
            self.skip(";")
        self.take()
        return Weights(kind, name.text, column, tuple(weights), name.span, Span(first.start, self.last_end))

    # rule

    def _rule(self) -> RuleNode:
        start = self.take().start
        name = self.want_name("the name of the rule")
        priority = None
        if self.skip("priority"):
            priority = self.expression()
        self.want("{", "`priority` or `{`")
        return self._clauses(start, name, priority)

    def _clauses(self, start: int, name: Token, priority: Expression | None) -> RuleNode:
        when: Expression | None = None
        because: Text | None = None
        branches: dict[str, tuple[ActionNode, ...]] = {"then": (), "else": ()}
        seen: dict[str, Span] = {}
        while not self.at("}"):
            if not self.at(*CLAUSES):
                raise self.lost("`when`, `then`, `else`, `because` or `}`")
            word = self.take()
            if word.text in seen:
                self.say("POL1003", f"`{word.text}` is there twice in rule `{name.text}`", word.span)
            seen[word.text] = word.span
            if word.text == "when":
                when = self.expression()
            elif word.text == "because":
                because = self.want_text("the reason as a string")
            else:
                branches[word.text] = self._actions()
            self.skip(";")
        self.take()
        whole = Span(start, self.last_end)
        if when is None:
            self.say("POL1001", f"rule `{name.text}` has no `when`", name.span)
        if not branches["then"]:
            self.say("POL1001", f"rule `{name.text}` does nothing: `then` is missing", name.span)
        then_span = seen.get("then", name.span)
        return RuleNode(
            name.text,
            priority,
            when,
            branches["then"],
            branches["else"],
            because,
            name.span,
            whole,
            then_span,
            seen.get("else"),
        )

    def _actions(self) -> tuple[ActionNode, ...]:
        actions = [self._action()]
        while True:
            self.skip(";")
            if self.next.kind != "name" or self.at(*CLAUSES):
                return tuple(actions)
            actions.append(self._action())

    def _action(self) -> ActionNode:
        token = self.next
        if token.kind != "name" or token.text in CLAUSES:
            raise self.lost('an action, such as `status := "blocked"`')
        if self.at("requireVex"):
            self.take()
            entries = self._braced()
            return Require(entries, Span(token.start, self.last_end))
        if self.at("warn"):
            self.take()
            self.skip("message")
            return Say("warn", "", self.want_text("the warning as a string"), Span(token.start, self.last_end))
        if self.at("annotate"):
            self.take()
            key = self.want_name("the key of the annotation")
            return Say("annotate", key.text, self.want_text("the annotation"), Span(token.start, self.last_end))
        if self.at("ignore"):
            self.take()
            self.want("until")
            return Until(self.expression(), Span(token.start, self.last_end))
        name = self.dotted()
        if not self.at(":="):
            guess = nearest(name.name, (*VERBS, "status", "severity"))
            if guess is not None and not self.at("=", "=="):
                self.say(
                    "POL2001", f"no action `{name.name}`; did you mean `{guess}`?", name.span, _instead(guess, token)
                )
                raise Stop
            if self.at("=", "=="):
                sign = self.next
                self.say("POL1001", f"expected `:=`, found `{sign.text}`", sign.span, _instead(":=", sign, safe=True))
                self.take()
                return Assign(name.name, self.expression(), name.span, Span(token.start, self.last_end))
            raise self.lost("`:=`")
        self.take()
        return Assign(name.name, self.expression(), name.span, Span(token.start, self.last_end))

    # invariant

    def _invariant(self) -> InvariantNode:
        start = self.take().start
        name = self.want_name("the name of the invariant")
        self.want("{")
        given, then = self.implication()
        self.skip(";")
        self.want("}")
        return InvariantNode(name.text, given, then, name.span, Span(start, self.last_end))

    def implication(self) -> tuple[Expression, Expression]:
        """Read `a => b`; raises Stop."""
        given = self.expression()
        self.want("=>")
        return given, self.expression()


def _instead(text: str, token: Token, *, safe: bool = False) -> Fix:
    return Fix(f"write `{text}`", token.span, text, safe)
