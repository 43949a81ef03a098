"""What a proof comes to: claims, and what was found out about each.

Rules:
- `proved` means of every finding there could be. `refuted` has an example where somebody needs one. `unproved` means
  that nobody knows: the solver gave up within its limit, and it never means that the claim holds.
- A claim is bad when it is proved, or when it is refuted: CODES says which, and under which code of the lint.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from stella.prover.example import Example

State = Literal["proved", "refuted", "unproved"]
Claim = Literal[
    "never true",
    "always true",
    "never wins",
    "alone at its priority",
    "expired",
    "hides nothing exploited",
    "invariant",
    "equivalent",
]
CODES: dict[Claim, tuple[str, State]] = {
    "never true": ("POL3001", "proved"),
    "always true": ("POL3002", "proved"),
    "never wins": ("POL3003", "proved"),
    "alone at its priority": ("POL3004", "refuted"),
    "expired": ("POL3005", "proved"),
    "hides nothing exploited": ("POL3006", "refuted"),
    "invariant": ("POL3007", "refuted"),
    "equivalent": ("POL3008", "refuted"),
}
"""The code of the lint for each claim, and the state in which it is reported."""
EXCEPTION_NEVER = "POL3005"  # an exception that is never true is reported as an exception


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How hard to try, in the solver's units, about two million a second.

    `effort` is for one question, `total` for all questions about a policy; what is left then is unproved.
    `inclusions` asks of all pairs of rules whether one includes the other.
    """

    effort: int = 2_000_000
    total: int = 10_000_000
    inclusions: bool = True


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a claim about a subject: a rule, an exception, an invariant, or two versions.

    `branch` is that of a rule, `attribute` what is decided (`status`, `severity`). `by` names other rules: those that
    are always stronger, or those that tie.
    """

    claim: Claim
    subject: str
    state: State
    branch: Literal["", "then", "else", "exception"] = ""
    attribute: Literal["", "status", "severity"] = ""
    by: tuple[str, ...] = ()
    example: Example | None = None

    @property
    def code(self) -> str:
        """The code of the lint for this claim."""
        if self.branch == "exception" and self.claim == "never true":
            return EXCEPTION_NEVER
        return CODES[self.claim][0]

    @property
    def is_bad(self) -> bool:
        """Whether somebody has to be told."""
        return self.state == CODES[self.claim][1]


class Inclusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whenever the condition of one rule is true, that of the other one is."""

    rule: str
    included_in: str


class Proofs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that was found out about a policy, in the order of its exceptions, rules and invariants."""

    verdicts: tuple[Verdict, ...]
    inclusions: tuple[Inclusion, ...] = ()

    @property
    def bad(self) -> tuple[Verdict, ...]:
        """What has to be told."""
        return tuple(verdict for verdict in self.verdicts if verdict.is_bad)

    @property
    def unproved(self) -> tuple[Verdict, ...]:
        """What nobody knows."""
        return tuple(verdict for verdict in self.verdicts if verdict.state == "unproved")
