"""A policy as bits: one for each term, the strongest first.

Rules:
- A plan knows no inventory. The same policy and exceptions give the same plan, and its digest names it.
- A view says what bits mean to one policy. Two policies that are compared share one plan with two views: what they
  have in common is asked once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

import msgspec

from stella.engine.terms import Term, terms
from stella.kernel import canonical
from stella.language import ir
from stella.language.groups import Group, groups
from stella.language.model import ExceptionRule, Policy

MAX_TERMS = 4_096  # bits of a mask; bounds its memory: 512 bytes for each finding
NO_GROUP = -1


class View(NamedTuple):
    """What one policy makes of bits: `group_of[bit]` is the number of the group that a bit speaks for, or NO_GROUP."""

    policy_id: str
    digest: str
    default_status: str
    groups: tuple[Group, ...]
    group_of: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """Terms in the order of their bits, and one view for each policy."""

    terms: tuple[Term, ...]
    views: tuple[View, ...]

    @property
    def view(self) -> View:
        """That of the only policy, or of the first."""
        return self.views[0]

    @property
    def slow(self) -> tuple[str, ...]:
        """Rules that have no list of terms, and are asked finding by finding."""
        whole = [bit for bit, term in enumerate(self.terms) if term.whole is not None]
        found = [
            view.groups[view.group_of[bit]].rule for view in self.views for bit in whole if view.group_of[bit] >= 0
        ]
        return tuple(dict.fromkeys(found))

    def bits(self, group: int, view: int = 0) -> tuple[int, ...]:
        """The bits that speak for a group."""
        return tuple(bit for bit, of in enumerate(self.views[view].group_of) if of == group)


def compile(  # noqa: A001  the verb of the language
    policy: Policy, exceptions: Iterable[ExceptionRule] = (), digest: str | None = None, most: int = MAX_TERMS
) -> Plan:
    """The plan of a policy.

    `digest` is its identity where somebody has one already; else it is that of its canonical form.
    """
    exempted = tuple(sorted(exceptions, key=lambda one: one.name.encode()))
    found = groups(policy, exempted)
    listed: list[Term] = []
    group_of: list[int] = []
    for number, group in enumerate(found):
        waiting = len(found) - number - 1  # each group that follows gets a bit, whatever it costs
        more = terms(group.condition, max(1, most - len(listed) - waiting))
        listed += more
        group_of += [number] * len(more)
    name = identity(policy, exempted, digest)
    view = View(policy.policy_id, name, policy.settings.default_status, found, tuple(group_of))
    return Plan(tuple(listed), (view,))


def identity(policy: Policy, exceptions: Sequence[ExceptionRule], digest: str | None) -> str:
    """Names what is evaluated: a policy with its exceptions."""
    found = digest if digest is not None else ir.digest(policy)
    if not exceptions:
        return found
    return hashlib.sha256(canonical.dump_whole([found, *map(_plain, exceptions)])).hexdigest()


def _plain(value: object) -> str:
    """JSON of an exception as text."""
    return msgspec.json.encode(value, order="sorted").decode()


def join(before: Plan, after: Plan) -> Plan:
    """One plan for two policies; a term that stands in both in the same order has one bit."""
    if before is after:
        return Plan(before.terms, (before.view, before.view))
    listed: list[Term] = []
    first: list[int] = []
    second: list[int] = []
    numbers: dict[Term, int] = {}  # terms are long; comparing numbers is quick
    left = [numbers.setdefault(term, len(numbers)) for term in before.terms]
    right = [numbers.setdefault(term, len(numbers)) for term in after.terms]
    for tag, a, a_end, b, b_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        old, new = before.view.group_of[a:a_end], after.view.group_of[b:b_end]
        listed += before.terms[a:a_end]
        first += old
        second += new if tag == "equal" else [NO_GROUP] * len(old)
        if tag != "equal":
            listed += after.terms[b:b_end]
            first += [NO_GROUP] * len(new)
            second += new
    views = (before.view._replace(group_of=tuple(first)), after.view._replace(group_of=tuple(second)))
    return Plan(tuple(listed), views)
