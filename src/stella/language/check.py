"""From a tree to a checked policy: names, types, and what a policy must say beside its grammar.

Rules:
- Everything that is wrong is said at once; only a policy without an error is handed out.
- Rules are put into the order in which they are asked. Layout, comments and the order of rules in a file mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stella.language import compare
from stella.language.compare import sorted_words
from stella.language.diagnostics import Diagnostic, Fix, Span
from stella.language.instants import before
from stella.language.model import (
    SYNTAX,
    Action,
    Adjusted,
    Annotate,
    BandSeverity,
    Condition,
    Ignore,
    Invariant,
    Mapped,
    Metadata,
    Options,
    Part,
    Policy,
    Profile,
    RequireVex,
    Rule,
    SetSeverity,
    SetStatus,
    Warn,
)
from stella.language.names import COLUMNS, JUSTIFICATION, MICRO, SEVERITY, STATUS
from stella.language.resolve import PROFILE, UNKNOWN, Resolver, quotes
from stella.language.size import MAX_TERMS, terms
from stella.language.tree import (
    ActionNode,
    Assign,
    EntriesNode,
    Entry,
    Expression,
    InvariantNode,
    Name,
    PolicyNode,
    ProfileNode,
    Require,
    RuleNode,
    Say,
    Until,
    Weights,
)
from stella.language.values import Banded, Items, Numeric, Profiled, Said, Truthy, Unknown

DEFAULT_PRIORITY = 1000  # behind every rule that says one
MAX_PRIORITY = 1_000_000
SHORT = {"source": "advisory.source", "vendor": "vex.latest.vendor"}  # in a `map`, as policies have always written them
SETTINGS = ("shadow", "default_status")
NO_OPTIONS = Options()
UNSAID = Unknown()


class Checked(NamedTuple):
    """The policy, or None when there is an error; what is wrong; and where each rule and invariant is."""

    policy: Policy | None
    diagnostics: tuple[Diagnostic, ...]
    places: dict[str, Span]


def check(node: PolicyNode, *, strict: bool = False) -> Checked:
    """Check a tree; never raises. `places` names rules `rule NAME` and invariants `invariant NAME`."""
    return _Checker(strict=strict).policy(node)


class _Checker:
    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._profiles: dict[str, Profiled] = {}
        self._resolver = Resolver(strict=strict, profiles=self._profiles)
        self.say = self._resolver.say

    def policy(self, node: PolicyNode) -> Checked:
        if node.syntax.value != SYNTAX:
            self.say("POL2003", f'the syntax is `"{SYNTAX}"`', node.syntax.span)
        if not node.name.value:
            self.say("POL1001", "the policy has no name", node.name.span)
        blocks = [member for member in node.members if isinstance(member, EntriesNode)]
        metadata, settings = self._metadata(blocks), self._settings(blocks)
        shapes = [self._profile(member) for member in node.members if isinstance(member, ProfileNode)]
        rules = self._rules([member for member in node.members if isinstance(member, RuleNode)])
        invariants = self._invariants([member for member in node.members if isinstance(member, InvariantNode)])
        self._unused(node)
        places = {"policy": node.name.span}
        places |= {f"rule {one.name}": one.name_span for one in node.members if isinstance(one, RuleNode)}
        places |= {f"invariant {one.name}": one.name_span for one in node.members if isinstance(one, InvariantNode)}
        wrong = tuple(self._resolver.diagnostics)
        profiles = tuple(sorted(shapes, key=lambda one: one.name.encode()))
        made = Policy(node.name.value, SYNTAX, metadata, settings, profiles, rules, invariants)
        return Checked(None if any(one.level == "error" for one in wrong) else made, wrong, places)

    def _once(self, entries: Iterable[Entry]) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for entry in entries:
            if entry.key in found:
                self.say("POL1003", f"`{entry.key}` is there twice", entry.key_span)
            found.setdefault(entry.key, entry)
        return found

    def _block(self, blocks: list[EntriesNode], kind: str) -> dict[str, Entry]:
        mine = [block for block in blocks if block.kind == kind]
        for other in mine[1:]:
            self.say("POL1003", f"`{kind}` is there twice", Span(other.span.start, other.span.start + len(kind)))
        return self._once(entry for block in mine for entry in block.entries)

    # metadata, settings

    def _text(self, entry: Entry | None) -> str:
        value = self._resolver.settled(entry.value) if entry else Said("")
        if isinstance(value, Said):
            return value.text
        if entry and not isinstance(value, Unknown):
            self.say("POL2002", f"`{entry.key}` is a string", entry.value.span)
        return ""

    def _texts(self, entry: Entry | None) -> tuple[str, ...]:
        value = self._resolver.settled(entry.value) if entry else Items(())
        if isinstance(value, Items):
            return value.texts
        if entry and not isinstance(value, Unknown):
            self.say("POL2002", f"`{entry.key}` is a list of strings", entry.value.span)
        return ()

    def _metadata(self, blocks: list[EntriesNode]) -> Metadata:
        entries = self._block(blocks, "metadata")
        more = [
            (key, self._text(entry)) for key, entry in sorted(entries.items()) if key not in {"description", "tags"}
        ]
        return Metadata(self._text(entries.get("description")), self._texts(entries.get("tags")), tuple(more))

    def _settings(self, blocks: list[EntriesNode]) -> Options:
        entries = self._block(blocks, "settings")
        for key, entry in entries.items():
            if key not in SETTINGS:
                guess = self._resolver.guess(key, SETTINGS)
                fix = Fix(f"write `{guess}`", entry.key_span, guess) if guess else None
                said = f"did you mean `{guess}`?" if guess else f"there are {', '.join(SETTINGS)}"
                self.say("POL2001", f"no setting `{key}`; {said}", entry.key_span, fix)
        shadow, default = entries.get("shadow"), entries.get("default_status")
        return Options(
            self._flag(shadow) if shadow else NO_OPTIONS.shadow,
            self._word(default.value, STATUS.words, STATUS.name) if default else NO_OPTIONS.default_status,
        )

    def _flag(self, entry: Entry) -> bool:
        value = self._resolver.settled(entry.value)
        match value:
            case Truthy(condition) if getattr(condition, "value", None) in {True, False}:
                return bool(getattr(condition, "value", False))
            case _:
                self.say("POL2002", f"`{entry.key}` is `true` or `false`", entry.value.span)
                return False

    def _word(self, node: Expression, words: tuple[str, ...], name: str) -> str:
        if isinstance(node, Name) and node.name in words:
            self.say("POL2002", f'a {name} is a string: `"{node.name}"`', node.span, quotes(node))
            return node.name
        value = self._resolver.settled(node)
        if isinstance(value, Said) and value.text in words:
            return value.text
        if isinstance(value, Said):
            same = next((word for word in words if word.lower() == value.text.lower()), None)
            guess = same or self._resolver.guess(value.text, words)
            fix = Fix(f"write `{guess}`", node.span, f'"{guess}"', safe=same is not None) if guess else None
            self.say("POL2003", f"`{value.text}` is no {name}; there are {', '.join(words)}", node.span, fix)
        elif not isinstance(value, Unknown):
            self.say("POL2002", f"a {name} is a string: one of {', '.join(words)}", node.span)
        return words[0]

    # profiles

    def _profile(self, node: ProfileNode) -> Profile:
        if node.name in self._profiles:
            self.say("POL1003", f"profile `{node.name}` is there twice", node.name_span)
        parts: dict[str, Part] = {}
        scalars: dict[str, int] = {}
        for member in node.members:
            name, span = (
                (member.name, member.name_span) if isinstance(member, Weights) else (member.key, member.key_span)
            )
            if name in parts or name in scalars:
                self.say("POL1003", f"`{name}` is there twice in profile `{node.name}`", span)
            elif isinstance(member, Weights):
                parts[name] = self._weights(member)
            else:
                scalars[name] = self._constant(member.value)
        self._profiles[node.name] = Profiled(parts, scalars)
        return Profile(node.name, tuple(parts[name] for name in sorted(parts)), tuple(sorted(scalars.items())))

    def _constant(self, node: Expression) -> int:
        total = self._resolver.number(node)
        if total is not None and total.parts:
            self.say("POL2002", "a weight is a plain number", node.span)
        return total.constant if total is not None else 0

    def _weights(self, node: Weights) -> Part:
        if node.kind == "env":
            cases = [
                (self._resolver.condition(one.condition), self._constant(one.value), one)
                for one in node.weights
                if one.condition is not None
            ]
            seen = {COLUMNS[name].dimension for case, _, _ in cases for name in compare.columns(case)}
            if len(seen) > 1:
                said = f"`env {node.name}` speaks of {' and '.join(sorted(seen))}; keep to one, and make another `env`"
                self.say("POL2002", said, node.name_span)
            return Adjusted(tuple((case, weight) for case, weight, _ in cases))
        written = node.column.name if node.column else "source"
        column = COLUMNS.get(SHORT.get(written, written))
        if column is None or column.type not in {"text", "word"}:
            what = node.column.span if node.column else node.span
            self.say("POL2001", f"`{written}` is no name of a text; a map is about one, such as `source`", what)
            return Mapped("advisory.source", ())
        weights: dict[str, int] = {}
        for one in node.weights:
            if one.key is None:
                continue
            if one.key.value in weights:
                self.say("POL1003", f"`{one.key.value}` is there twice", one.key.span)
            if column.words is not None and one.key.value not in column.words.words:
                self.say("POL2003", f"`{one.key.value}` is no {column.words.name}", one.key.span)
            weights[one.key.value] = self._constant(one.value)
        return Mapped(column.name, tuple(sorted(weights.items())))

    def _unused(self, node: PolicyNode) -> None:
        for member in node.members:
            if not isinstance(member, ProfileNode):
                continue
            for one in member.members:
                name, span = _named(one)
                if f"{PROFILE}{member.name}.{name}" not in self._resolver.used:
                    self.say("POL4002", f"no rule uses `{PROFILE}{member.name}.{name}`", span)

    # rules

    def _rules(self, nodes: list[RuleNode]) -> tuple[Rule, ...]:
        seen: set[str] = set()
        rules = []
        for node in nodes:
            if node.name in seen:
                self.say("POL2006", f"another rule is called `{node.name}`", node.name_span)
            seen.add(node.name)
            rules.append(self._rule(node))
        return tuple(sorted(rules, key=lambda rule: (rule.priority, rule.name.encode())))

    def _rule(self, node: RuleNode) -> Rule:
        priority = DEFAULT_PRIORITY if node.priority is None else self._priority(node.priority)
        when = self._resolver.condition(node.when) if node.when is not None else UNKNOWN
        then = self._actions(node.then, node.then_span)
        otherwise = self._actions(node.otherwise, node.else_span or node.then_span)
        because = node.because.value if node.because else ""
        if not because.strip() and any(isinstance(one, _DECIDING) for one in (*then, *otherwise)):
            self.say("POL2005", f"rule `{node.name}` decides something and says no `because`", node.name_span)
        self._cost(node, when, (*then, *otherwise))
        return Rule(node.name, priority, when, then, otherwise, because)

    def _cost(self, node: RuleNode, when: Condition, actions: tuple[Action, ...]) -> None:
        if node.when is None:
            return
        count = terms(when)
        if count > MAX_TERMS:
            self.say("POL2090", f"rule `{node.name}` has more than {MAX_TERMS} alternatives", node.name_span)
        banded = (one.sum for one in actions if isinstance(one, BandSeverity))
        if compare.mixed(when) or any(len(compare.dimensions(one)) > 1 for one in banded):
            self.say("POL4001", f"rule `{node.name}` adds numbers of several dimensions", node.name_span)

    def _priority(self, node: Expression) -> int:
        value = self._resolver.settled(node)
        match value:
            case Numeric(total) if not total.parts and total.constant % MICRO == 0:
                if 0 <= total.constant // MICRO <= MAX_PRIORITY:
                    return total.constant // MICRO
        if not isinstance(value, Unknown):
            self.say("POL2002", f"a priority is a whole number, 0 to {MAX_PRIORITY}", node.span)
        return DEFAULT_PRIORITY

    def _actions(self, nodes: tuple[ActionNode, ...], span: Span) -> tuple[Action, ...]:
        actions = [action for node in nodes for action in self._action(node)]
        for kinds, word in (((SetStatus,), "status"), ((SetSeverity, BandSeverity), "severity"), ((Ignore,), "ignore")):
            if sum(isinstance(action, kinds) for action in actions) > 1:
                self.say("POL1003", f"`{word}` is decided twice", span)
        return tuple(actions)

    def _action(self, node: ActionNode) -> list[Action]:
        match node:
            case Assign("status", value):
                return [SetStatus(self._word(value, STATUS.words, STATUS.name))]
            case Assign("severity", value):
                found = UNSAID if isinstance(value, Name) else self._resolver.settled(value)
                if isinstance(found, Banded):
                    return [BandSeverity(found.sum)]
                return [SetSeverity(self._word(value, SEVERITY.words, SEVERITY.name))]
            case Assign(name):
                guess = self._resolver.guess(name, ("status", "severity"))
                fix = Fix(f"write `{guess}`", node.name_span, guess) if guess else None
                self.say("POL2001", f"`{name}` cannot be assigned; `status` and `severity` can", node.name_span, fix)
            case Say("warn", _, text):
                return [Warn(text.value)]
            case Say(_, key, text):
                return [Annotate(key, text.value)]
            case Until(value):
                return self._ignore(value)
            case Require(entries):
                return [self._require(entries)]
        return []

    def _ignore(self, node: Expression) -> list[Action]:
        value = self._resolver.settled(node)
        end = before(value)
        if end is not None:
            return [Ignore(end)]
        if not isinstance(value, Unknown):
            said = '`ignore until` takes an instant, such as `"2027-01-31T00:00:00Z"` or `env.quietUntil`'
            self.say("POL2002", said, node.span)
        return []

    def _require(self, entries: tuple[Entry, ...]) -> RequireVex:
        known = self._once(entries)
        for key, entry in known.items():
            if key not in {"vendors", "justifications"}:
                self.say("POL2001", f"no `{key}` in `requireVex`; there are vendors, justifications", entry.key_span)
        justifications = known.get("justifications")
        words = self._texts(justifications)
        for word in words:
            if word not in JUSTIFICATION.words and justifications is not None:
                guess = self._resolver.guess(word, JUSTIFICATION.words)
                more = f"did you mean `{guess}`?" if guess else f"there are {', '.join(JUSTIFICATION.words)}"
                self.say("POL2003", f"`{word}` is no justification; {more}", justifications.value.span)
        return RequireVex(sorted_words(self._texts(known.get("vendors"))), sorted_words(words))

    # invariants

    def _invariants(self, nodes: list[InvariantNode]) -> tuple[Invariant, ...]:
        seen: set[str] = set()
        made = []
        for node in nodes:
            if node.name in seen:
                self.say("POL2006", f"another invariant is called `{node.name}`", node.name_span)
            seen.add(node.name)
            given = self._resolver.condition(node.given, outcomes=True)
            made.append(Invariant(node.name, given, self._resolver.condition(node.then, outcomes=True)))
        return tuple(sorted(made, key=lambda one: one.name.encode()))


_DECIDING = (SetStatus, SetSeverity, BandSeverity, Ignore)


def _named(member: Weights | Entry) -> tuple[str, Span]:
    return (member.name, member.name_span) if isinstance(member, Weights) else (member.key, member.key_span)
