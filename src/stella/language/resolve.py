"""Expressions get their meaning: names become columns, functions what they stand for, and types must fit.

Rules:
- Inside of `vex.any(...)` and `vex.all(...)` names are those of one statement, and no others: what a set of statements
  says must not hang on the finding.
- A name that does not exist makes its test unknown; it never makes it false.
- Nothing is read from outside: a function that would is a diagnostic of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from stella.kernel.nearest import nearest
from stella.language import compare
from stella.language.diagnostics import LONGEST_GUESS, MAX_DIAGNOSTICS, Diagnostic, Fix, Span, found
from stella.language.functions import APPLY, FUNCTIONS, RISK, typed
from stella.language.model import (
    Addend,
    All,
    Any,
    Condition,
    Constant,
    Every,
    Not,
    Some,
    Sum,
)
from stella.language.names import COLUMNS, MICRO, OUTCOME, STATEMENT, Column
from stella.language.size import spread
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
    Text,
    Wrong,
)
from stella.language.values import (
    NOUNS,
    AsOf,
    Dated,
    Items,
    Null,
    Numeric,
    Outcome,
    Profiled,
    Said,
    Textual,
    Truthy,
    Unknown,
    Value,
    Worded,
)

UNKNOWN = Constant(value=None)
PROFILE = "profile."
OUTSIDE = frozenset(
    {"now", "today", "time", "date", "clock", "sleep", "random", "rand", "uuid"}
    | {"http", "https", "fetch", "net", "read", "file", "open", "getenv", "system", "exec"}
)


MOST_WEIGHTS = 200_000  # of all uses of profiles: each use says the whole part again in the canonical form
MOST_NAMES = 50  # of an author that are shown or compared in one message
OF_FINDINGS = frozenset({"sbom.has_tag"})
WORDS = frozenset(
    word
    for words in (*OUTCOME.values(), *(one.words for one in (COLUMNS | STATEMENT).values() if one.words is not None))
    for word in words.words
)


def quotes(name: Name) -> Fix:
    """The proposal to make a name a string."""
    return Fix(f'write `"{name.name}"`', name.span, f'"{name.name}"', safe=True)


class Resolver:
    """Gives meaning to expressions of one policy; writes what is wrong into `diagnostics`."""

    def __init__(self, *, strict: bool, profiles: Mapping[str, Profiled] | None = None) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._left = {"error": MAX_DIAGNOSTICS, "warning": MAX_DIAGNOSTICS, "note": MAX_DIAGNOSTICS}
        self._guesses = MAX_DIAGNOSTICS
        self._weights = MOST_WEIGHTS
        self._spreads: dict[str, int] = {}
        self.used: set[str] = set()  # parts and numbers of profiles, by their full names
        self._strict = strict
        self._profiles = {} if profiles is None else profiles
        self._scope: Mapping[str, Column] = COLUMNS
        self._outcomes = False

    def say(self, code: str, message: str, span: Span, fix: Fix | None = None) -> None:
        """Write a diagnostic, as long as there are not too many of its level."""
        self._write(found(code, message, span, fix))

    def _write(self, one: Diagnostic) -> None:
        if self._left[one.level] > 0:
            self._left[one.level] -= 1
            self.diagnostics.append(one)

    def guess(self, word: str, known: Iterable[str]) -> str | None:
        """The known word that may be meant; after many of them none any more, since it takes time."""
        self._guesses -= 1
        return nearest(word, known) if self._guesses >= 0 and len(word) <= LONGEST_GUESS else None

    def settled(self, node: Expression) -> Value:
        """The value of what a policy decides or states: a name that does not exist is an error there, strict or not."""
        strict, self._strict = self._strict, True
        value = self.value(node)
        self._strict = strict
        return value

    def condition(self, node: Expression, *, outcomes: bool = False) -> Condition:
        """The condition that an expression is; unknown when it is none. Invariants may speak of outcomes."""
        self._outcomes = outcomes
        value = self.settled(node) if outcomes else self.value(node)
        self._outcomes = False
        return self.truthy(value, node.span)

    def number(self, node: Expression) -> Sum | None:
        """The sum that an expression is; None when it is none."""
        value = self.settled(node)
        if isinstance(value, Numeric):
            return value.sum
        if not isinstance(value, Unknown):
            self.say("POL2002", f"expected a number, found {NOUNS[type(value)]}", node.span)
        return None

    def truthy(self, value: Value, span: Span) -> Condition:
        """A value as a condition."""
        if isinstance(value, Truthy):
            return value.condition
        if not isinstance(value, Unknown):
            hint = "; compare it with something" if isinstance(value, Numeric | Worded | Textual | Dated) else ""
            self.say("POL2002", f"expected a condition, found {NOUNS[type(value)]}{hint}", span)
        return UNKNOWN

    def value(self, node: Expression) -> Value:
        """What an expression is."""
        match node:
            case Wrong():
                return Unknown()
            case Text(text):
                return Said(text)
            case Number(micros):
                return Numeric(Sum((), micros))
            case Atom(value):
                return Null() if value is None else Truthy(Constant(value=value))
            case Listed():
                return self._items(node)
            case Name():
                return self._name(node)
            case Call():
                return self._call(node)
            case Comparison():
                return self._comparison(node)
            case _:
                return self._combined(node)

    def _combined(self, node: Logic | Negation | Arithmetic) -> Value:
        match node:
            case Logic(operator, items):
                conditions = tuple(self.truthy(self.value(item), item.span) for item in items)
                return Truthy(All(conditions) if operator == "and" else Any(conditions))
            case Negation(item):
                return Truthy(Not(self.truthy(self.value(item), item.span)))
            case Arithmetic(items):
                return self._arithmetic(items)

    def _items(self, node: Listed) -> Value:
        texts = []
        for item in node.items:
            value = self.value(item)
            if isinstance(value, Said):
                texts.append(value.text)
            elif not isinstance(value, Unknown):
                self.say("POL2002", f"a list holds strings, not {NOUNS[type(value)]}", item.span)
        return Items(tuple(texts)) if len(texts) == len(node.items) else Unknown()

    # names

    def _name(self, node: Name) -> Value:
        if self._scope is COLUMNS:
            if self._outcomes and node.name in OUTCOME:
                return Outcome("status" if node.name == "status" else "severity")
            if node.name == "as_of":
                return AsOf()
        if node.name.startswith(PROFILE):
            return self._of_profile(node)
        column = self._scope.get(node.name)
        return self._unknown(node) if column is None else typed(column)

    def _unknown(self, node: Name) -> Unknown:
        if node.name.split(".")[0] in OUTSIDE:
            self.say("POL2007", f"`{node.name}` would read the world; the instant of a run is `as_of`", node.span)
            return Unknown()
        guess = self.guess(node.name, self._scope)
        fix = Fix(f"write `{guess}`", node.span, guess) if guess else None
        where = "" if self._scope is COLUMNS else " in a statement"
        said = f"no name `{node.name}`{where}" + (f"; did you mean `{guess}`?" if guess else "")
        self._write(found("POL2001", said, node.span, fix, level="error" if self._strict else "warning"))
        return Unknown()

    def _of_profile(self, node: Name) -> Value:
        profile, _, member = node.name.removeprefix(PROFILE).partition(".")
        known = self._profiles.get(profile)
        if known is not None and member in known.numbers:
            self.used.add(node.name)
            return Numeric(Sum((), known.numbers[member]))
        if known is not None and member in known.parts and self._scope is STATEMENT:
            self.say("POL2002", f"`{node.name}` is about the finding, not about one statement", node.span)
            return Unknown()
        if known is not None and member in known.parts:
            self.used.add(node.name)
            if not self._has_room(profile, (member,), node.span):
                return Unknown()
            return Numeric(Sum((known.parts[member],)))
        names = (f"{PROFILE}{one}.{name}" for one, of in self._profiles.items() for name in (*of.parts, *of.numbers))
        guess = self.guess(node.name, islice(names, MOST_NAMES))
        fix = Fix(f"write `{guess}`", node.span, guess) if guess else None
        self.say("POL2001", f"no `{node.name}`" + (f"; did you mean `{guess}`?" if guess else ""), node.span, fix)
        return Unknown()

    def _has_room(self, profile: str, members: Iterable[str], span: Span) -> bool:
        """Whether the weights of a profile may be said once more."""
        for member in members:
            key = f"{profile}.{member}"
            if key not in self._spreads:
                self._spreads[key] = spread(self._profiles[profile].parts[member])
            self._weights -= self._spreads[key]
        if self._weights < 0:
            self.say("POL1004", f"the uses of profiles come to more than {MOST_WEIGHTS:,} weights", span)
        return self._weights >= 0

    # sums

    def _arithmetic(self, items: tuple[tuple[bool, Expression], ...]) -> Value:
        sums: list[Sum | None] = []
        for minus, item in items:
            value = self.value(item)
            if isinstance(value, Numeric):
                sums.append(compare.negated(value.sum) if minus else value.sum)
            elif not isinstance(value, Unknown):
                self.say("POL2002", f"only numbers are added, not {NOUNS[type(value)]}", item.span)
        if len(sums) < len(items):
            return Unknown()
        span = Span(items[0][1].span.start, items[-1][1].span.end)
        total = compare.added(sums)
        if total is None:
            self.say("POL2002", "a score with limits cannot be added to; compare it alone", span)
            return Unknown()
        return self._bounded(Numeric(total), span)

    def _bounded(self, value: Numeric, span: Span) -> Value:
        if compare.too_large(value.sum):
            self.say("POL2004", compare.TOO_LARGE, span)
            return Unknown()
        return value

    # comparisons

    def _compared_with(self, node: Comparison) -> Value:
        """The right side; a word without its quotes is said to be one."""
        if isinstance(node.right, Name) and node.right.name in WORDS and node.right.name not in self._scope:
            word = node.right.name
            self.say("POL2002", f'a word is a string: `"{word}"`', node.right.span, quotes(node.right))
            return Unknown()
        return self.value(node.right)

    def _comparison(self, node: Comparison) -> Value:
        left, right = self.value(node.left), self._compared_with(node)
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            return Unknown()
        judged = compare.compared(node.operator, left, right, node)
        for one in judged.diagnostics:
            self._write(one)
        return Unknown() if judged.condition is None else Truthy(judged.condition)

    # functions

    def _call(self, node: Call) -> Value:
        name = node.name
        if name in {"vex.any", "vex.all"}:
            return self._quantified(node)
        if name == "risk_score":
            return self._risk(node) if self._scope is COLUMNS else self._not_of_statements(node)
        if name in self._scope and not node.arguments:
            return typed(self._scope[name])
        if name not in FUNCTIONS:
            return self._no_function(node)
        if name in OF_FINDINGS and self._scope is STATEMENT:
            return self._not_of_statements(node)
        wanted = FUNCTIONS[name].count(",") + 1
        if len(node.arguments) != wanted:
            said = f"`{FUNCTIONS[name]}` takes {wanted}, not {len(node.arguments)}"
            self.say("POL2002", said, node.span)
            return Unknown()
        values = [self.value(argument) for argument in node.arguments]
        if any(isinstance(value, Unknown) for value in values):
            return Unknown()
        made = APPLY[name](*values)
        if made is None:
            kinds = ", ".join(NOUNS[type(value)] for value in values)
            self.say("POL2002", f"`{FUNCTIONS[name]}` does not take {kinds}{_taken(name, values)}", node.span)
            return Unknown()
        return self._made(made, node)

    def _made(self, made: Value, node: Call) -> Value:
        if not isinstance(made, Numeric):
            return made
        column, default = made.column, made.default
        if column is not None and default is not None and not column.low <= default <= column.high:
            domain = f"{compare.decimal(column.low)} to {compare.decimal(column.high)}"
            self.say("POL2004", f"`{column.name}` is {domain}, and so is what stands for it", node.arguments[1].span)
            return Unknown()
        return self._bounded(made, node.span)

    def _not_of_statements(self, node: Call) -> Unknown:
        self.say("POL2002", f"`{node.name}(...)` is about the finding, not about one statement", node.name_span)
        return Unknown()

    def _no_function(self, node: Call) -> Unknown:
        if node.name.split(".")[0] in OUTSIDE:
            self.say("POL2007", f"`{node.name}(...)` would read the world", node.name_span)
            return Unknown()
        guess = self.guess(node.name, FUNCTIONS)
        fix = Fix(f"write `{guess}`", node.name_span, guess) if guess else None
        said = f"no function `{node.name}`" + (f"; did you mean `{guess}`?" if guess else "")
        self.say("POL2001", said, node.name_span, fix)
        return Unknown()

    def _quantified(self, node: Call) -> Value:
        if self._scope is STATEMENT:
            self.say("POL2002", f"`{node.name}` cannot be inside of another one", node.name_span)
            return Unknown()
        if len(node.arguments) > 1:
            self.say("POL2002", f"`{node.name}` takes one condition, not {len(node.arguments)}", node.span)
            return Unknown()
        self._scope = STATEMENT
        item: Condition = Constant(value=True)
        for argument in node.arguments:
            item = self.truthy(self.value(argument), argument.span)
        self._scope = COLUMNS
        return Truthy(Some(item) if node.name == "vex.any" else Every(item))

    def _risk(self, node: Call) -> Value:
        name = node.arguments[0].name if node.arguments and isinstance(node.arguments[0], Name) else ""
        if not node.arguments and len(self._profiles) == 1:
            name = next(iter(self._profiles))
        profile = self._profiles.get(name)
        if len(node.arguments) > 1 or (profile is None and (node.arguments or self._profiles)):
            known = ", ".join(f"`{one}`" for one in islice(self._profiles, MOST_NAMES)) or "none"
            self.say("POL2001", f"`risk_score(profile)` names one profile of this policy: {known}", node.span)
            return Unknown()
        parts = profile.parts if profile else {}
        self.used |= {f"{PROFILE}{name}.{part}" for part in parts}
        if not self._has_room(name, parts, node.span):
            return Unknown()
        scored = (Addend("cvss", RISK * MICRO), *(compare.times(part, RISK) for part in parts.values()))
        return self._bounded(Numeric(Sum(scored, 0, 0, 100 * MICRO)), node.span)


def _taken(name: str, values: list[Value]) -> str:
    """Why two values do not go together, where it can be said."""
    match name, values:
        case "coalesce", [Worded(column), Said(text)] if column.words is not None:
            return f": `{text[:40]}` is no {column.words.name}; there are {', '.join(column.words.words)}"
        case "coalesce", [value, _] if getattr(value, "default", None) is not None:
            return ", which is never missing"
        case _:
            return ""
