"""A second reading of policies: the meaning of a text straight from its tree, one finding after the other.

Rules:
- It shares nothing with the checker, the groups and the interpreter but the tables of names and the tree.
- None is what is missing, and what is unknown. Numbers are exact fractions, so facts and weights must be such that
  nothing is rounded.
- Only policies without an error have a meaning here.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from stella.language import tree
from stella.language.names import COLUMNS, MICRO, SEVERITY, STATEMENT

SHORT = {"source": "advisory.source", "vendor": "vex.latest.vendor"}
SIGNS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Lower(NamedTuple):
    """A text in lower case, or a set of them: what is compared with it is made lower case too."""

    value: Any


class Word(NamedTuple):
    """A word of a closed list, with the list."""

    value: str | None
    words: tuple[str, ...]


class Finding(NamedTuple):
    """What is known of a finding, by full names."""

    values: Mapping[str, Any]
    statements: tuple[Mapping[str, Any], ...]
    as_of: int
    outcome: Mapping[str, str | None] = {}


class Meaning:
    """The meaning of one policy."""

    def __init__(self, policy: tree.PolicyNode) -> None:
        self.policy = policy
        self.profiles = {one.name: one for one in policy.members if isinstance(one, tree.ProfileNode)}

    # what is decided

    def decide(self, finding: Finding) -> tuple[str, str | None, list[str], bool]:
        """Status, severity, what is said, and whether a stronger rule might decide another status."""
        default = "affected"
        for block in self.policy.members:
            if isinstance(block, tree.EntriesNode) and block.kind == "settings":
                for entry in block.entries:
                    default = entry.value.value if entry.key == "default_status" else default  # type: ignore[union-attr]
        status: str | None = None
        severity: str | None = None
        said: list[str] = []
        possible: set[str] = set()  # statuses of what is stronger than the winner and unknown
        rules = [one for one in self.policy.members if isinstance(one, tree.RuleNode)]
        for rule in sorted(rules, key=self._order):
            held = self.truth(rule.when, finding)
            for branch, actions in ((held, rule.then), (_not(held), rule.otherwise)):
                for found, certain in self._statuses(branch, actions, finding):
                    if status is None and certain:
                        status = found
                    elif status is None:
                        possible.add(found)
                if branch is True:
                    severity = severity or self._severity(actions, finding)
                    said += [one.text.value for one in actions if isinstance(one, tree.Say)]
                    said += [
                        " ".join(("require", *sorted(self._listed(one, "justifications"))))
                        for one in actions
                        if isinstance(one, tree.Require)
                    ]
        final = status or default
        given = finding.values.get("severity.normalized")
        return final, severity or given, sorted(said), bool(possible - {final})

    def _order(self, rule: tree.RuleNode) -> tuple[int, bytes]:
        priority = rule.priority.micros // MICRO if isinstance(rule.priority, tree.Number) else 1000
        return priority, rule.name.encode()

    def _statuses(
        self, branch: bool | None, actions: tuple[tree.ActionNode, ...], finding: Finding
    ) -> Iterable[tuple[str, bool]]:
        """What a branch decides, what holds only for a time first; with False when it only might."""
        for one in actions:
            if isinstance(one, tree.Until):
                held = _and((branch, _less(finding.as_of, self.value(one.value, finding))))
                if held is not False:
                    yield "ignored", bool(held)
        for one in actions:
            if isinstance(one, tree.Assign) and one.name == "status" and branch is not False:
                yield one.value.value, bool(branch)  # type: ignore[union-attr, arg-type]

    def _severity(self, actions: tuple[tree.ActionNode, ...], finding: Finding) -> str | None:
        for one in actions:
            if isinstance(one, tree.Assign) and one.name == "severity":
                value = self.value(one.value, finding)
                return value.value if isinstance(value, Word) else value  # type: ignore[no-any-return]
        return None

    def _listed(self, one: tree.Require, key: str) -> set[str]:
        found = next((entry.value for entry in one.entries if entry.key == key), None)
        return {item.value for item in found.items} if found else set()  # type: ignore[union-attr, misc]

    def broken(self, invariant: tree.InvariantNode, finding: Finding) -> bool | None:
        """Whether `given` holds and `then` does not."""
        return _and((self.truth(invariant.given, finding), _not(self.truth(invariant.then, finding))))

    # expressions

    def truth(self, node: Any, finding: Finding) -> bool | None:
        """A condition: True, False or None."""
        found = self.value(node, finding)
        assert found is None or isinstance(found, bool)
        return found

    def value(self, node: Any, finding: Finding, names: Mapping[str, Any] = COLUMNS) -> Any:  # noqa: PLR0911  by kind
        """An expression: None when it is missing or unknown."""
        match node:
            case tree.Text(value):
                return value
            case tree.Number(micros):
                return Fraction(micros, MICRO)
            case tree.Atom(value):
                return value
            case tree.Listed(items):
                return [item.value for item in items]
            case tree.Name(name):
                return self._name(name, finding, names)
            case tree.Call():
                return self._call(node, finding, names)
            case tree.Negation(item):
                return _not(self.value(item, finding, names))
            case tree.Logic(word, items):
                parts = [self.value(item, finding, names) for item in items]
                return _and(parts) if word == "and" else _not(_and([_not(part) for part in parts]))
            case tree.Arithmetic(items):
                numbers = [(minus, self.value(item, finding, names)) for minus, item in items]
                if any(number is None for _, number in numbers):
                    return None
                return sum((-number if minus else number for minus, number in numbers), Fraction())
            case tree.Comparison():
                return self._compare(node, finding, names)
        raise AssertionError(node)

    def _name(self, name: str, finding: Finding, names: Mapping[str, Any]) -> Any:
        if name == "as_of":
            return finding.as_of
        if name.startswith("profile."):
            _, profile, member = name.split(".")
            return self._member(self.profiles[profile], member, finding)
        if names is COLUMNS and name in finding.outcome:
            words = SEVERITY.words if name == "severity" else ()
            return Word(finding.outcome[name], words)
        column = names[name]
        found = finding.values.get(name)
        if column.words is not None:
            return Word(found, column.words.words)
        return Fraction(found, MICRO) if column.type == "decimal" and found is not None else found

    def _member(self, profile: tree.ProfileNode, name: str, finding: Finding) -> Fraction | None:
        for one in profile.members:
            if isinstance(one, tree.Entry) and one.key == name:
                return self.value(one.value, finding)  # type: ignore[no-any-return]
            if isinstance(one, tree.Weights) and one.name == name:
                return self._weighed(one, finding)
        raise AssertionError(name)

    def _weighed(self, block: tree.Weights, finding: Finding) -> Fraction | None:
        if block.kind == "map":
            about = block.column.name if block.column else "source"
            text = finding.values.get(SHORT.get(about, about))
            found = [self.value(one.value, finding) for one in block.weights if one.key and one.key.value == text]
            return None if text is None else sum(found, Fraction())
        total = Fraction()
        for one in block.weights:
            held = self.truth(one.condition, finding)
            if held is None:
                return None
            total += self.value(one.value, finding) if held else 0
        return total

    def _call(self, node: tree.Call, finding: Finding, names: Mapping[str, Any]) -> Any:  # noqa: C901, PLR0911  by name
        if node.name in {"vex.any", "vex.all"}:
            each = [
                self.value(node.arguments[0], finding._replace(values=one), STATEMENT) if node.arguments else True
                for one in finding.statements
            ]
            if node.name == "vex.any":
                return _not(_and([_not(one) for one in each]))
            return _and(each) if each else None
        if node.name == "risk_score":
            parts = [self.value(tree.Name("cvss", node.span), finding)]
            profile = self.profiles[node.arguments[0].name]  # type: ignore[union-attr]
            parts += [self._weighed(one, finding) for one in profile.members if isinstance(one, tree.Weights)]
            return None if None in parts else _limited(10 * sum(parts, Fraction()))
        if node.name == "sbom.has_tag":
            tags = finding.values.get("sbom.tags")
            return None if tags is None else node.arguments[0].value in tags  # type: ignore[union-attr]
        values = [self.value(argument, finding, names) for argument in node.arguments]
        first = values[0]
        match node.name:
            case "exists":
                return _bare(first) is not None
            case "coalesce":
                if isinstance(first, Word):
                    return Word(first.value if first.value is not None else values[1], first.words)
                return _wrapped(first, values[1])
            case "lowercase":
                return Lower(first)
            case "starts_with":
                text = _bare(first)
                prefix = values[1].lower() if isinstance(first, Lower) else values[1]
                return None if text is None else text.startswith(prefix)
            case "percent_of":
                return None if values[1] is None else first * values[1] / 100
            case "normalize_cvss":
                return None if first is None else _limited(10 * first)
            case "severity_band":
                return Word(None if first is None else _band(first), SEVERITY.words)
        raise AssertionError(node.name)

    def _compare(self, node: tree.Comparison, finding: Finding, names: Mapping[str, Any]) -> bool | None:
        left, right = self.value(node.left, finding, names), self.value(node.right, finding, names)
        if isinstance(node.right, tree.Atom) and node.right.value is None:
            return (_bare(left) is None) == (node.operator == "==")
        if node.operator in {"in", "not in"}:
            held = _inside(left, right)
            return held if node.operator == "in" else _not(held)
        lower = isinstance(left, Lower) or isinstance(right, Lower)
        words = left.words if isinstance(left, Word) else right.words if isinstance(right, Word) else ()
        one, other = _bare(left), _bare(right)
        if one is None or other is None:
            return None
        if isinstance(node.left, tree.Text) and other == _instant(right):
            one = _instant(left)
        if isinstance(node.right, tree.Text) and isinstance(one, int) and not isinstance(one, bool):
            other = _instant(right)
        if node.operator in {"<", "<=", ">", ">="} and words:
            one, other = words.index(one), words.index(other)
        if lower:
            one, other = one.lower(), other.lower()
        return bool(SIGNS[node.operator](one, other))


def _instant(text: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (TypeError, ValueError):
        return None


def _less(as_of: int, end: Any) -> bool | None:
    return None if end is None else as_of < (_instant(end) if isinstance(end, str) else end)


def _wrapped(value: Any, other: Any) -> Any:
    if isinstance(value, Lower):
        return Lower(_wrapped(value.value, other))
    return other if value is None else value


def _bare(value: Any) -> Any:
    if isinstance(value, Lower):
        inside = _bare(value.value)
        return inside.lower() if isinstance(inside, str) else inside
    return value.value if isinstance(value, Word) else value


def _inside(left: Any, right: Any) -> bool | None:
    if isinstance(right, list):
        words = [word.lower() for word in right] if isinstance(left, Lower) else right
        return None if _bare(left) is None else _bare(left) in words
    among = _bare(right)
    if among is None:
        return None
    return left.lower() in {text.lower() for text in among} if isinstance(right, Lower) else left in among


def _not(held: bool | None) -> bool | None:
    return None if held is None else not held


def _and(held: Iterable[bool | None]) -> bool | None:
    seen = list(held)
    return False if any(one is False for one in seen) else None if None in seen else True


def _limited(number: Fraction) -> Fraction:
    return max(Fraction(0), min(number, Fraction(100)))


def _band(number: Fraction) -> str:
    begins = (("Critical", Fraction(9)), ("High", Fraction(7)), ("Medium", Fraction(4)), ("Low", Fraction(1, 10)))
    return next((word for word, begin in begins if number >= begin), "None")
