"""Invariants of a policy, and whether two policies decide alike, proved for every finding there could be.

Rules:
- What the solver gave up on is unknown, and does not pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from stella.language.diagnostics import Lines
from stella.language.exceptions import MAX_SOURCE, exceptions
from stella.language.format import shown
from stella.language.ir import digest
from stella.language.model import Condition, ExceptionRule, Invariant, Policy
from stella.language.parser import parse_invariant
from stella.language.resolve import Resolver
from stella.language.tree import InvariantNode
from stella.operations import Context
from stella.policy.text.compiling import compiled_file
from stella.policy.text.errors import BrokenInvariant, BrokenSource, NothingToProve
from stella.policy.text.model import Claim, PolicyProved, ProvePolicy
from stella.prover.refactors import all_hold, equivalent
from stella.prover.verdicts import Verdict
from stella.runtime.files import read_file

Outcome = Literal["holds", "broken", "unknown"]
_WORDS: dict[str, Outcome] = {"proved": "holds", "refuted": "broken", "unproved": "unknown"}


def prove(ctx: Context, want: ProvePolicy) -> PolicyProved:
    """Prove; raises BrokenSource, BrokenInvariant, NothingToProve, or what reading raises."""
    compiled, policy = compiled_file(want.file)
    exempted = _exempted(want.exceptions)
    other = compiled_file(want.against)[1] if want.against is not None else None
    given = [_invariant(text) for text in want.invariant]
    if not (policy.invariants or given or other):
        raise NothingToProve(path=want.file)
    texts = {
        one.name: f"{shown(one.given)} => {shown(one.then)}"
        for one in (compiled.tree.members if compiled.tree else ())
        if isinstance(one, InvariantNode)
    }
    ctx.progress.start("prove", len(policy.invariants) + len(given) + (other is not None), "claims")
    claims = []
    asked = [*policy.invariants, *(Invariant("", before, after) for before, after in given)]
    named = [(f"invariant {one.name}", texts[one.name]) for one in policy.invariants]
    named += [("invariant", text) for text in want.invariant]
    for (name, text), verdict in zip(named, all_hold(policy, asked, exempted) if asked else (), strict=True):
        claims.append(_claim(name, text, verdict))
        ctx.progress.advance(1)
    if other is not None:
        said = f"{want.file} decides as {want.against}"
        claims.append(_claim("equivalent", said, equivalent(other, policy, exempted)))
        ctx.progress.advance(1)
    return _result(policy, tuple(claims))


def _result(policy: Policy, claims: tuple[Claim, ...]) -> PolicyProved:
    broken = [one.claim for one in claims if one.verdict == "broken"]
    unknown = any(one.verdict == "unknown" for one in claims)
    reason: Literal["invariant_broken", "not_equivalent", "not_proved"] | None = None
    if any(claim != "equivalent" for claim in broken):
        reason = "invariant_broken"
    elif broken:
        reason = "not_equivalent"
    elif unknown:
        reason = "not_proved"
    return PolicyProved(
        verdict="failed" if reason else "passed",
        reason=reason,
        policy=policy.policy_id,
        digest=digest(policy),
        claims=claims,
    )


def _claim(name: str, text: str, verdict: Verdict) -> Claim:
    return Claim(name, _WORDS[verdict.state], text, verdict.example.line() if verdict.example else "")


def _invariant(text: str) -> tuple[Condition, Condition]:
    """What stands before and behind the arrow; raises BrokenInvariant."""
    before, after, wrong = parse_invariant(text)
    resolver = Resolver(strict=True)
    conditions = [] if wrong else [resolver.condition(node, outcomes=True) for node in (before, after)]
    for one in (*wrong, *resolver.diagnostics):
        if one.level == "error":
            raise BrokenInvariant(problem=f"{one.message} at {Lines(text).at(one.span.start).column} [{one.code}]")
    return conditions[0], conditions[1]


def _exempted(file: str | None) -> tuple[ExceptionRule, ...]:
    if file is None:
        return ()
    read = exceptions(read_file(Path(file), MAX_SOURCE))
    if read.diagnostics:
        first = read.diagnostics[0]
        place = Lines(read.text).at(first.span.start)
        raise BrokenSource(path=file, problem=f"{first.message} at {place.line}:{place.column} [{first.code}]")
    return read.rules
