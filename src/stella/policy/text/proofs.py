"""What a proof comes to, as diagnostics at the place of the rule.

Rules:
- Each claim that is bad is said once, and what only follows from one is not claimed.
- What the solver gave up on is said too, and is not taken to hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stella.language.compile import Compiled
from stella.language.diagnostics import Diagnostic, Span, found
from stella.language.model import ExceptionRule
from stella.prover.errors import PolicyTooWide, SumTooWide
from stella.prover.memory import Memory
from stella.prover.proofs import prove
from stella.prover.verdicts import Limits, Verdict

LIMITS = Limits(inclusions=False)  # no diagnostic speaks of them
GIVEN_UP = "POL3009"  # as in the lint, which loads this only when it proves
MOST_GIVEN_UP = 20  # claims that are named; more of them are counted


class Judged(NamedTuple):
    """Diagnostics of the policy, and those of exceptions by the name of the exception, with no place."""

    diagnostics: tuple[Diagnostic, ...]
    exceptions: tuple[tuple[str, Diagnostic], ...]


def judged(
    compiled: Compiled, exceptions: Iterable[ExceptionRule] = (), as_of: int | None = None, memory: Memory | None = None
) -> Judged:
    """Prove what can be proved of a policy; nothing of a text that is none. Raises ExampleUnconfirmed."""
    if compiled.policy is None:
        return Judged((), ())
    whole = compiled.places.get("policy", Span(0, 0))
    exempted = tuple(exceptions)
    try:
        proofs = prove(compiled.policy, exempted, as_of if exempted else None, LIMITS, memory)
    except (SumTooWide, PolicyTooWide) as error:
        return Judged((found(GIVEN_UP, f"nothing was proved: {error.message}", whole),), ())
    of_policy, of_exceptions = [], []
    for one in proofs.verdicts:
        if one.claim == "expired":  # which is judged without a solver
            continue
        if not one.is_bad and one.state != "unproved":
            continue
        diagnostic = _diagnostic(one, compiled)
        if one.branch == "exception":
            of_exceptions.append((one.subject, diagnostic))
        else:
            of_policy.append(diagnostic)
    given_up = [one for one in of_policy if one.code == GIVEN_UP]
    if len(given_up) > MOST_GIVEN_UP:
        left = set(given_up[MOST_GIVEN_UP:])
        of_policy = [one for one in of_policy if one not in left]
        of_policy.append(found(GIVEN_UP, f"not proved within the limit: {len(left):,} more claims", whole))
    return Judged(tuple(of_policy), tuple(of_exceptions))


def _diagnostic(one: Verdict, compiled: Compiled) -> Diagnostic:
    kind = "invariant" if one.claim == "invariant" else "rule"
    place = compiled.places.get(f"{kind} {one.subject}", Span(0, 0))
    if one.state == "unproved":
        return found(GIVEN_UP, f"not proved within the limit: that {said(one)}", place)
    return found(one.code, said(one), place)._replace(example=one.example.line() if one.example else "")


def said(one: Verdict) -> str:
    """A verdict in words."""
    what = f"{'exception' if one.branch == 'exception' else 'rule'} `{one.subject}`"
    others = ", ".join(f"`{name}`" for name in one.by)
    match one.claim:
        case "never true" if one.branch == "else":
            return f"`else` of {what} can never be reached: its condition is never false"
        case "never true":
            return f"{what} can never match"
        case "always true":
            return f"{what} matches every finding"
        case "never wins":
            branch = "`else` of " if one.branch == "else" else ""
            stronger = f"; stronger ones take all of it: {others}" if others else ""
            return f"the {one.attribute} of {branch}{what} is never heard{stronger}"
        case "alone at its priority":
            return f"{what} ties with {others} and decides another {one.attribute}"
        case "hides nothing exploited":
            return f"{what} hides a finding that is known to be exploited"
        case "invariant":
            return f"invariant `{one.subject}` does not hold"
        case "expired":
            return f"{what} has expired"
        case "equivalent":
            return "the two policies decide some finding differently"
