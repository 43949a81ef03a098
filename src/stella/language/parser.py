"""Blocks: recursive descent from tokens to a tree.

Rules:
- One file holds one policy. Every error of a file is found at once: after one, reading goes on at the next member, or
  behind the brace that closes the member in hand.
- Any text gives a tree, or none, and diagnostics; nothing raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from stella.language.diagnostics import Diagnostic, Fix, Span
from stella.language.expressions import Expressions, Stop
from stella.language.lexer import Lexed, Token, lex
from stella.language.model import SYNTAX
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
ATTRIBUTES = ("status", "severity")
CLAUSES = ("when", "then", "else", "because")
HEADER = 8  # tokens behind the name of a policy among which its `{` is looked for


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


class _Clauses:
    """The clauses of a rule as they are read; a broken one does not make others seem to be missing."""

    def __init__(self) -> None:
        self.when: Expression | None = None
        self.because: Text | None = None
        self.branches: dict[str, tuple[ActionNode, ...]] = {"then": (), "else": ()}
        self.seen: dict[str, Span] = {}
        self.broken = False


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
        syntax = self._syntax()
        members: list[Member] = []
        while not self.at("}") and self.next.kind != "end":
            begin = self.place
            try:
                members.append(self._member())
            except Stop:
                self._to_member(begin)
        if self.next.kind == "end" and not self.cut:
            self.say("POL1001", "the policy has no closing `}`", self.next.span)
        self.skip("}")
        return PolicyNode(name, syntax, tuple(members), Span(start, self.last_end))

    def _syntax(self) -> Text:
        """Read `syntax "..." {`; what is wrong between the name and the brace does not hide what is behind it."""
        syntax = Text(SYNTAX, Span(self.last_end, self.last_end))
        try:
            self.want("syntax", f'`syntax "{SYNTAX}"`')
            syntax = self.want_text(f'`"{SYNTAX}"`')
            self.want("{")
        except Stop:
            ahead = next((i for i in range(HEADER) if self.peek(i).text == "{"), None)
            if ahead is None:
                raise
            self.place += ahead + 1
        return syntax

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

    def _to_line(self, begin: int, begins: Callable[[], bool]) -> None:
        """Go on at the next line of the block in hand, or at its closing brace; raises Stop where there is none.

        `begins` says whether such a line begins at the next token.
        """
        self.depth = 0
        braces = sum((token.text == "{") - (token.text == "}") for token in self._symbols(begin, self.place))
        if self.place == begin and not self.at("}") and not self._begins_member(self.next):
            braces += self.at("{")
            self.take()
        while self.next.kind != "end" and not self._begins_member(self.next):
            if braces <= 0 and (self.at("}") or begins()):
                return
            braces += self.at("{") - self.at("}")
            self.take()
        raise Stop

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
        guess = self.guess(token.text, (*NAMED, *PLAIN)) if token.kind == "name" else None
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
            begin = self.place
            try:
                entries.append(self._entry())
            except Stop:
                self._to_line(begin, lambda: self.next.kind == "name" and self.peek().text in {"=", ":"})
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
            begin = self.place
            try:
                members.append(self._weights() if self._begins_weights() else self._entry())
            except Stop:
                self._to_line(begin, self._begins_weights)
        self.take()
        return ProfileNode(name.text, tuple(members), name.span, Span(start, self.last_end))

    def _begins_weights(self) -> bool:
        return self.at("map", "env") and self.peek().kind == "name"

    def _weights(self) -> Weights:
        first = self.take()
        kind: Literal["map", "env"] = "map" if first.text == "map" else "env"
        name = self.want_name(f"the name of the `{kind}`")
        self.want("{")
        column: Name | None = None
        weights: list[Weight] = []
        while not self.at("}"):
            begin = self.place
            try:
                weight, about = self._case() if kind == "env" else self._mapped()
            except Stop:
                self._to_line(begin, lambda: self.at("if") if kind == "env" else self._begins_mapped())
                continue
            weights.append(weight)
            if column is not None and about is not None and about.name != column.name:
                self.say("POL2002", f"this map is about `{column.name}`", about.span)
            column = column or about
            self.skip(",")
            self.skip(";")
        self.take()
        return Weights(kind, name.text, column, tuple(weights), name.span, Span(first.start, self.last_end))

    def _case(self) -> tuple[Weight, None]:
        begin = self.next.start
        self.want("if")
        condition = self.expression()
        self.want("then")
        value = self.expression()
        return Weight(None, condition, value, Span(begin, self.last_end)), None

    def _begins_mapped(self) -> bool:
        return self.next.kind == "name" and self.peek().kind in {"text", "symbol"} and self.peek().text != "=>"

    def _mapped(self) -> tuple[Weight, Name]:
        begin = self.next.start
        if self.next.kind != "name":
            raise self.lost('a name, such as `source "GHSA" => 0.5`')
        about = self.dotted()
        key = self.want_text("a word as a string")
        self.want("=>")
        value = self.expression()
        return Weight(key, None, value, Span(begin, self.last_end)), about

    # rule

    def _rule(self) -> RuleNode:
        start = self.take().start
        name = self.want_name("the name of the rule")
        priority = self.expression() if self.skip("priority") else None
        self.want("{", "`priority` or `{`")
        clauses = _Clauses()
        while not self.at("}"):
            begin = self.place
            try:
                self._clause(name, clauses)
            except Stop:
                clauses.broken = True
                self._to_line(begin, lambda: self.at(*CLAUSES))
        self.take()
        return self._ruled(name, priority, clauses, Span(start, self.last_end))

    def _clause(self, name: Token, clauses: _Clauses) -> None:
        if not self.at(*CLAUSES):
            raise self.lost("`when`, `then`, `else`, `because` or `}`")
        word = self.take()
        if word.text in clauses.seen:
            self.say("POL1003", f"`{word.text}` is there twice in rule `{name.text}`", word.span)
        clauses.seen[word.text] = word.span
        if word.text == "when":
            clauses.when = Wrong(word.span)
            clauses.when = self.expression()
        elif word.text == "because":
            clauses.because = Text("?", word.span)
            clauses.because = self.want_text("the reason as a string")
        else:
            clauses.branches[word.text] = self._actions()
        self.skip(";")

    def _ruled(self, name: Token, priority: Expression | None, clauses: _Clauses, whole: Span) -> RuleNode:
        seen = clauses.seen
        if clauses.when is None and not clauses.broken:
            self.say("POL1001", f"rule `{name.text}` has no `when`", name.span)
        if "then" not in seen and not clauses.broken:
            self.say("POL1001", f"rule `{name.text}` does nothing: `then` is missing", name.span)
        because = clauses.because or (Text("?", name.span) if clauses.broken else None)
        return RuleNode(
            name.text,
            priority,
            clauses.when,
            clauses.branches["then"],
            clauses.branches["else"],
            because,
            name.span,
            whole,
            seen.get("then", name.span),
            seen.get("else"),
        )

    def _actions(self) -> tuple[ActionNode, ...]:
        actions: list[ActionNode] = []
        more = True
        while more:
            begin = self.place
            try:
                actions.append(self._action())
            except Stop:
                self._to_line(begin, lambda: self.at(*CLAUSES) or self._begins_action())
            self.skip(";")
            more = self.next.kind == "name" and not self.at(*CLAUSES) and not self._begins_member(self.next)
        return tuple(actions)

    def _begins_action(self) -> bool:
        return self.next.kind == "name" and (self.next.text in VERBS or self.peek().text == ":=")

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
            if self.at("=", "=="):
                sign = self.next
                self.say("POL1001", f"expected `:=`, found `{sign.text}`", sign.span, _instead(":=", sign, safe=True))
                self.take()
                return Assign(name.name, self.expression(), name.span, Span(token.start, self.last_end))
            if name.name in ATTRIBUTES:
                raise self.lost("`:=`")
            raise self._no_action(name, token)
        self.take()
        return Assign(name.name, self.expression(), name.span, Span(token.start, self.last_end))

    def _no_action(self, name: Name, token: Token) -> Stop:
        guess = self.guess(name.name, (*VERBS, *ATTRIBUTES))
        more = f"did you mean `{guess}`?" if guess else "there are `status :=`, `severity :=`, " + ", ".join(VERBS)
        self.say("POL2001", f"no action `{name.name}`; {more}", name.span, _instead(guess, token) if guess else None)
        return Stop()

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
