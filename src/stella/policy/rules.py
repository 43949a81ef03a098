"""Decisions about the life of a policy; pure.

Rules:
- A version moves along one table. Who approves has neither written nor submitted it.
- A gate fails closed: what is missing, old, about something else or of an unknown form never allows.
- What could be mended by running something once more is pending; what was found to be bad is denied.
- The same facts give the same decision, whatever the order in which they were found.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from stella.kernel.digest import is_digest
from stella.kernel.errors import IllegalMove
from stella.kernel.instant import Instant, Seconds, format_time
from stella.kernel.machine import Machine
from stella.policy.errors import BadWord, IllegalTransition, InputsStale, InputsUnfrozen, LoginTooOld, SelfApproval
from stella.policy.model import Decided, Event, Level, State

FRESH: Seconds = 15 * 60  # how old the login may be of whoever gives rights away
MAX_AGE: Seconds = 24 * 3600  # of frozen inputs, and of what was seen over them
SKEW: Seconds = 60  # clocks of two machines that work well differ by less
MAX_SHOWN = 80  # characters of a wrong name that a message repeats

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z", re.ASCII)
_ENV = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z", re.ASCII)
_REFERENCE = re.compile(r"(?P<policy>[A-Za-z0-9][A-Za-z0-9._-]{0,62})@(?P<version>[1-9][0-9]{0,5})\Z", re.ASCII)

LIFE = Machine(
    "policy",
    State.DRAFT,
    {
        (State.DRAFT, Event.SUBMIT): State.SUBMITTED,
        (State.SUBMITTED, Event.REVIEW): State.DRAFT,
        (State.SUBMITTED, Event.APPROVE): State.APPROVED,
        (State.APPROVED, Event.PUBLISH): State.APPROVED,
        (State.APPROVED, Event.PROMOTE): State.ACTIVE,
        (State.ACTIVE, Event.PROMOTE): State.ACTIVE,
        (State.APPROVED, Event.ARCHIVE): State.ARCHIVED,
        (State.ACTIVE, Event.ARCHIVE): State.ARCHIVED,
        (State.ACTIVE, Event.SUPERSEDE): State.ARCHIVED,
        (State.ACTIVE, Event.RETURN): State.APPROVED,
        (State.ACTIVE, Event.ROLLBACK): State.ACTIVE,
        (State.ARCHIVED, Event.ROLLBACK): State.ACTIVE,
    },
)
OURS = frozenset({Event.SUPERSEDE, Event.RETURN})  # they follow from something else; nobody asks for them
WROTE = (Event.SUBMIT.value,)  # who did one of these to a version is one of its authors

Kind = Literal["lint", "fixtures", "coverage", "shadow", "simulation", "determinism", "signature"]
KINDS: tuple[Kind, ...] = ("lint", "fixtures", "coverage", "shadow", "simulation", "determinism", "signature")
GOOD, BAD, DEGRADED = "passed", "failed", "degraded"
# A kind of evidence; what a gate says when there is none, and when it is bad.
SAYS: Mapping[str, tuple[str, str]] = {
    "lint": ("lint_missing", "lint_failed"),
    "fixtures": ("fixtures_missing", "fixtures_failed"),
    "coverage": ("coverage_missing", "coverage_low"),
    "shadow": ("policy_shadow_required", "shadow_or_scope"),
    "simulation": ("simulation_missing", "threshold_exceeded"),
    "determinism": ("determinism_missing", "determinism_failed"),
    "signature": ("policy_attestation_missing", "policy_attestation_invalid"),
}
AGEING = frozenset({"simulation"})  # kinds that are about inputs which change
OF_A_DAY = frozenset({"simulation", "shadow", "determinism"})  # kinds that say nothing of another day
OTHER_INPUTS, HASH = "inputs_hash_mismatch", "policy_ir_hash_mismatch"
UNFROZEN, OLD_INPUTS = "policy_inputs_unfrozen", "inputs_stale"
EXCEPTED = "exceptions_changed"  # since the simulation
FUTURE, UNREADABLE, NOT_APPROVED = "evidence_from_future", "evidence_unreadable", "approval_missing"


class Evidence(NamedTuple):
    """Something that was found out about a version, with its own digest and that of the inputs that it read."""

    kind: str
    digest: str
    verdict: str
    made: Instant
    inputs: str = ""
    determinism: str = ""


def moved(policy: str, version: int, state: State, event: Event) -> State:
    """The next state of a version; raises IllegalTransition, which lists what could be done."""
    try:
        return LIFE.move(state, event)
    except IllegalMove:
        raise IllegalTransition(
            version=f"{policy}@{version}", state=state.value, event=event.value, allowed=list(allowed(state))
        ) from None


def allowed(state: State) -> tuple[str, ...]:
    """What can be done with a version in that state, in the order of its life."""
    return tuple(event.value for event in Event if (state, event) in LIFE.moves and event not in OURS)


def check_other(actor: str, authors: Collection[str], version: str) -> None:
    """The two-person rule: raises SelfApproval for whoever wrote or submitted what is approved."""
    if actor in authors:
        raise SelfApproval(actor=actor, version=version)


def check_fresh(authenticated: Instant | None, now: Instant) -> None:
    """Raise LoginTooOld unless whoever asks has proved lately who it is; None is the operating system, just now."""
    if authenticated is not None and not now - FRESH <= authenticated <= now + SKEW:
        raise LoginTooOld(limit=FRESH // 60)


def parse_id(text: str) -> str:
    """The id that `text` is; raises BadWord."""
    if not _ID.match(text):
        raise BadWord(what="id", text=ascii(text)[1:-1][:MAX_SHOWN], form="P-7: letters, digits, `.`, `_`, `-`")
    return text


def parse_env(text: str) -> str:
    """The name of an environment; raises BadWord."""
    if not _ENV.match(text):
        form = "prod: small letters, digits, `_`, `-`"
        raise BadWord(what="environment", text=ascii(text)[1:-1][:MAX_SHOWN], form=form)
    return text


def parse_reference(text: str) -> tuple[str, int]:
    """Policy and number in `P-7@3`; raises BadWord."""
    found = _REFERENCE.match(text)
    if not found:
        raise BadWord(what="version", text=ascii(text)[1:-1][:MAX_SHOWN], form="P-7@3: a policy, `@`, a number")
    return found["policy"], int(found["version"])


def is_reference(text: str) -> bool:
    """Whether a text names a version, such as P-7@3."""
    return _REFERENCE.match(text) is not None


def bumped(label: str, level: Level) -> str:
    """The label of the version behind one, such as 1.2.0 behind 1.1.4 (SemVer 2.0.0, items 6 to 8)."""
    major, minor, patch = map(int, label.split("."))
    if level == "major":
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if level == "minor" else f"{major}.{minor}.{patch + 1}"


def next_label(labels: Iterable[str], level: Level) -> str:
    """The label behind the greatest of those that there are."""
    return bumped(max(labels, key=lambda label: tuple(map(int, label.split(".")))), level)


def check_inputs(digest: str, frozen: Instant | None, now: Instant) -> None:
    """Raise InputsUnfrozen for inputs that nobody has frozen, InputsStale for such as are not of today."""
    if frozen is None:
        raise InputsUnfrozen(digest=digest[:MAX_SHOWN] or "nothing")
    if now - frozen > MAX_AGE or frozen > now + SKEW:
        raise InputsStale(digest=digest, age=max(now - frozen, 0) // 3600, limit=MAX_AGE // 3600)


def gate(
    policy_digest: str,
    found_digest: str,
    evidence: Sequence[Evidence],
    now: Instant,
    *,
    inputs: str = "",
    frozen: Mapping[str, Instant] = MappingProxyType({}),
    approved: bool = True,
    needed: Collection[str] = KINDS,
) -> Decided:
    """Whether a version may decide.

    `policy_digest` is its identity as it was approved and `found_digest` that of what is stored; `evidence` the last of
    each kind. The simulation must be about inputs that are among the `frozen`, and with `inputs` about these.
    """
    reasons = {HASH} if policy_digest != found_digest else set()
    denied = bool(reasons)
    last = {one.kind: one for one in sorted(evidence, key=lambda one: (one.made, one.digest))}
    for kind in sorted(needed):
        found = last.get(kind)
        said, bad = _judged(kind, found, now, inputs, frozen)
        denied |= bad
        reasons |= {said} if said else set()
    if not approved:
        reasons.add(NOT_APPROVED)
    proved = last.get("determinism")
    return Decided(
        decision="deny" if denied else "pending" if reasons else "allow",
        reason_codes=tuple(sorted(reasons)),
        policy_digest=policy_digest,
        determinism_hash=proved.determinism if proved is not None and proved.verdict == GOOD else "",
        evaluated_at_utc=format_time(now),
    )


def nothing(digest: str, now: Instant) -> Decided:
    """A decision about something of which nothing is known yet; `joined` says why it is not allowed."""
    return Decided(
        decision="pending",
        reason_codes=(),
        policy_digest=digest,
        determinism_hash="",
        evaluated_at_utc=format_time(now),
    )


def joined(said: Decided, reasons: Iterable[str], *, deny: bool) -> Decided:
    """A decision with more reasons against it."""
    return msgspec.structs.replace(
        said,
        decision="deny" if deny or said.decision == "deny" else "pending",
        reason_codes=tuple(sorted({*said.reason_codes, *reasons})),
    )


def _judged(
    kind: str, found: Evidence | None, now: Instant, inputs: str, frozen: Mapping[str, Instant]
) -> tuple[str, bool]:
    """What speaks against a version, and whether it is denied for that; empty for nothing."""
    if kind not in SAYS:
        return UNREADABLE, True
    missing, bad = SAYS[kind]
    if found is None:
        return missing, False
    ages = kind in AGEING
    other = ages and inputs and found.inputs != inputs
    unproved = kind == "determinism" and not is_digest(found.determinism)
    problems = (
        (found.verdict == BAD, bad, True),
        (found.verdict == DEGRADED, f"{kind}_degraded", False),
        (found.verdict != GOOD or not is_digest(found.digest), UNREADABLE, True),
        (found.made > now + SKEW, FUTURE, False),
        (unproved, missing, False),
        (other, OTHER_INPUTS, True),
        (kind in OF_A_DAY and now - found.made > MAX_AGE, f"{kind}_stale", False),
        (ages and found.inputs not in frozen, UNFROZEN, False),
        (ages and not now - MAX_AGE <= frozen.get(found.inputs, now) <= now + SKEW, OLD_INPUTS, False),
    )
    return next(((said, denied) for wrong, said, denied in problems if wrong), ("", False))
