"""What was judged before: verdicts by everything that they depend on.

Rules:
- A claim about a rule depends on its own groups, on stronger ones, and on those of its priority; a claim about an
  exception or an invariant depends on all. An example depends also on all texts and statements that are asked about.
- A memory belongs to its caller and lives as long; what it says is what a first run would say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from stella.language.groups import Group
from stella.language.model import Condition, Policy
from stella.prover.asked import Asked
from stella.prover.verdicts import Verdict

MAX_ENTRIES = 20_000  # verdicts of subjects; about twenty versions of the largest policy
MAX_PAIRS = 1_000_000  # of rules


class Entry(NamedTuple):
    """The verdicts about one subject; with an example they hold only where the same texts are asked about."""

    verdicts: tuple[Verdict, ...]
    universe: str


class Memory:
    """Verdicts by digest. An empty one knows nothing."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.inclusions: dict[tuple[str, str], bool | None] = {}
        self.hits = 0

    def recall(self, key: str, universe: str) -> tuple[Verdict, ...] | None:
        """What was said before; None when it has to be judged."""
        entry = self.entries.get(key)
        if entry is None or (entry.universe != universe and any(one.example is not None for one in entry.verdicts)):
            return None
        self.hits += 1
        return entry.verdicts

    def keep(self, key: str, universe: str, verdicts: tuple[Verdict, ...]) -> None:
        """Remember the verdicts about one subject."""
        if len(self.entries) >= MAX_ENTRIES:
            self.entries.clear()
        if len(self.inclusions) >= MAX_PAIRS:
            self.inclusions.clear()
        self.entries[key] = Entry(verdicts, universe)


def digest(*things: object) -> str:
    """A name for some values."""
    return hashlib.sha256(msgspec.json.encode(things)).hexdigest()


class Keys:
    """The keys of all subjects of one policy. `frame` is whatever every claim depends on: the instant, the limits."""

    def __init__(self, policy: Policy, groups: Sequence[Group], frame: object) -> None:
        own = [digest(group) for group in groups]
        so_far = [digest(frame, policy.settings.default_status)]
        for one in own:
            so_far.append(digest(so_far[-1], one))
        last_of: dict[int, int] = {}
        priorities = {rule.name: rule.priority for rule in policy.rules}
        for at, group in enumerate(groups):
            if group.branch != "exception":
                last_of[priorities[group.rule]] = at
        self.whole = so_far[-1]
        self.rules = {
            rule.name: digest("rule", rule.name, rule.when, so_far[last_of[rule.priority] + 1]) for rule in policy.rules
        }

    def other(self, kind: str, what: object) -> str:
        """The key of an exception or an invariant."""
        return digest(kind, what, self.whole)


def universe(conditions: Iterable[Condition]) -> str:
    """A name for the texts and the statements that some conditions ask about."""
    asked = Asked()
    asked.look(conditions)
    patterns = sorted((key, [sorted(group) for group in found]) for key, found in asked.patterns.items())
    return digest(patterns, list(asked.statements))
