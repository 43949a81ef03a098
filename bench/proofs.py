"""What the proofs of a policy cost, by the number of its rules.

Rules:
- The policies are made here, with a fixed seed: rules like those that people write, a few of which are dead or tie.
- Cold is a run with nothing in memory; edited is the run after the last rule was changed, with the memory of the first.
- Every figure is the median of some rounds in one process that has z3 loaded.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from random import Random

import msgspec

from stella.language.model import (
    SYNTAX,
    Addend,
    All,
    Compared,
    Condition,
    ExceptionRule,
    Flagged,
    Has,
    Invariant,
    Metadata,
    Not,
    OneOf,
    Options,
    OutcomeIs,
    Policy,
    Ranked,
    Rule,
    SetSeverity,
    SetStatus,
    Some,
    StartsWith,
    Sum,
)
from stella.language.names import EXPOSURE, MICRO, REACH, SEVERITY
from stella.prover.memory import Memory
from stella.prover.proofs import prove
from stella.prover.refactors import equivalent, holds
from stella.prover.verdicts import Limits

SIZES = (20, 100, 200, 500)
ROUNDS = 5
_SEED = 6


def proofs() -> dict[str, object]:
    """Milliseconds by number of rules."""
    prove(policy(3))  # z3 is loaded
    return {str(size): _of(size) for size in SIZES}


def policy(size: int, seed: int = _SEED) -> Policy:
    """A policy of many rules over all columns."""
    chance = Random(seed)  # noqa: S311  policies, not secrets
    rules = [_rule(chance, number) for number in range(size)]
    rules.sort(key=lambda one: (one.priority, one.name.encode()))
    kept = Invariant(
        "exploited",
        All((Flagged("kev"), OneOf("env.exposure", ("internet",)))),
        Not(OutcomeIs("status", ("not_affected",))),
    )
    return Policy("P-1", SYNTAX, Metadata(), Options(), (), tuple(rules), (kept,))


def _rule(chance: Random, number: int) -> Rule:
    parts = tuple(_part(chance) for _ in range(chance.choice((2, 2, 3, 3, 4))))
    status = chance.choice(("blocked", "affected", "ignored", "deferred", "not_affected"))
    more = (SetSeverity(chance.choice(SEVERITY.words)),) if chance.randrange(5) == 0 else ()
    return Rule(f"rule-{number:03}", number, All(parts), (SetStatus(status), *more), (), "because")


def _part(chance: Random) -> Condition:  # noqa: PLR0911  one for each kind of test
    pick = chance.choice
    match chance.randrange(11):
        case 0:
            return Flagged(pick(("kev", "fix.available", "component.direct", "secret.hasFinding")))
        case 1:
            return Ranked("severity.normalized", pick((">=", "<")), pick(SEVERITY.words[1:]))
        case 2:
            return Ranked("env.exposure", pick((">=", "<")), pick(EXPOSURE.words[1:]))
        case 3:
            return Ranked("reach_state", pick((">=", "<")), pick(REACH.words[1:]))
        case 4:
            return Compared(Sum((Addend("cvss", MICRO),)), pick((">=", "<")), chance.randrange(1, 100) * MICRO // 10)
        case 5:
            return Compared(Sum((Addend("epss", MICRO),)), pick((">=", "<")), chance.randrange(1, 100) * MICRO // 100)
        case 6:
            return StartsWith("component.purl", f"pkg:{pick(('pypi', 'npm', 'deb'))}/lib{chance.randrange(50)}")
        case 7:
            return OneOf("env.name", tuple(sorted(chance.sample(("dev", "prod", "staging", "test"), 2))))
        case 8:
            return Has("asset.tags", (f"team-{chance.randrange(20)}",))
        case 9:
            return Not(OneOf("component.ecosystem", (pick(("pypi", "npm", "deb")),)))
        case _:
            statement = All((OneOf("status", (pick(("not_affected", "fixed")),)), OneOf("vendor", (pick("abcd"),))))
            return Not(Some(statement)) if pick((True, False)) else Some(statement)


def _of(size: int) -> dict[str, object]:
    one = policy(size)
    last = one.rules[-1]
    changed = msgspec.structs.replace(last, when=Not(last.when))
    edited = msgspec.structs.replace(one, rules=(*one.rules[:-1], changed))
    excepted = ExceptionRule("x", OneOf("advisory.id", ("CVE-2024-1",)), "not_affected", "why", "who")
    found = prove(one)
    (invariant,) = one.invariants
    memory = Memory()
    prove(one, memory=memory)
    return {
        "prove_ms": _median(lambda: prove(one)),
        "without_inclusions_ms": _median(lambda: prove(one, limits=Limits(inclusions=False))),
        "with_an_exception_ms": _median(lambda: prove(one, (excepted,))),
        "again_ms": _median(lambda: prove(one, memory=memory)),
        "edited_ms": _median(lambda: prove(edited, memory=_copy(memory))),
        "equivalent_ms": _median(lambda: equivalent(one, edited)),
        "holds_ms": _median(lambda: holds(one, invariant.given, invariant.then)),
        "verdicts": len(found.verdicts),
        "bad": len(found.bad),
        "unproved": len(found.unproved),
    }


def _copy(memory: Memory) -> Memory:
    copied = Memory()
    copied.entries |= memory.entries
    copied.inclusions |= memory.inclusions
    return copied


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return round(1000 * statistics.median(times), 1)
