"""Recording what was found out about a version, for the gate; and the gate over what was recorded.

Rules:
- What finds something out records it: lint, tests, simulations, shadow runs, the check of a signature.
- Evidence is only added. Of each kind the last counts, so that a failure is never hidden by an older success.
- It is about one version, whose identity it was made for; evidence about another identity is refused.
"""

from __future__ import annotations

from stella.audit import tell as log
from stella.kernel.digest import is_digest
from stella.kernel.tenant import is_tenant
from stella.operations import Context
from stella.policy import records, rules
from stella.policy.errors import BadEvidence
from stella.policy.inputs import read
from stella.policy.model import AskGate, Decided, GateAsked, State
from stella.policy.records import PACKAGE, Version, held
from stella.policy.rules import BAD, DEGRADED, GOOD, KINDS, Evidence
from stella.runtime.transaction import Transaction

VERDICTS = (GOOD, BAD, DEGRADED)
NOT_PLACED, UNKNOWN, OTHER_TENANT, NOT_SHOWN = (
    "policy_not_active",
    "policy_unknown",
    "tenant_mismatch",
    "evidence_missing",
)
MATCHES = 20  # versions of one identity that are looked at


def record(ctx: Context, reference: str, ir_sha256: str, evidence: Evidence) -> None:
    """Record something about the version `P-7@3`, whose identity is `ir_sha256`.

    Raises BadEvidence, BadVersionName, NoSuchPolicy or NoSuchVersion.
    """
    policy, number = rules.parse_reference(reference)
    with ctx.tenant() as t:
        record_in(ctx, t, held(t, policy, number), ir_sha256, evidence)


def record_in(ctx: Context, t: Transaction, found: Version, ir_sha256: str, evidence: Evidence) -> None:
    """The same in an open transaction, in which the policy of that version is held."""
    _check(found, ir_sha256, evidence)
    t.run(
        PACKAGE,
        "put_evidence",
        policy=found.policy,
        version=found.number,
        kind=evidence.kind,
        digest=evidence.digest,
        verdict=evidence.verdict,
        inputs=evidence.inputs,
        determinism=evidence.determinism,
        made=evidence.made,
        now=records.now_of(ctx),
        actor=ctx.actor,
    )
    told = {"kind": evidence.kind, "verdict": evidence.verdict, "digest": evidence.digest}
    log.tell(ctx, t, "policy.record", found.name, after=told)


def gate(ctx: Context, want: AskGate) -> GateAsked:
    """Whether an artifact may go on under a policy; what cannot be shown is not allowed."""
    if not is_tenant(want.tenant_id) or want.tenant_id != ctx.principal.tenant:
        said = refused(want.policy_bundle_digest, OTHER_TENANT, records.now_of(ctx))
    else:
        with ctx.tenant() as t:
            said = _asked(ctx, t, want)
    return GateAsked(
        decision=said.decision,
        reason_codes=said.reason_codes,
        policy_digest=said.policy_digest,
        determinism_hash=said.determinism_hash,
        evaluated_at_utc=said.evaluated_at_utc,
    )


def decided(ctx: Context, t: Transaction, found: Version, inputs: str) -> Decided:
    """What the gate says of a version; with `inputs` its simulation must be about these."""
    known, now = records.evidence(t, found.policy, found.number), records.now_of(ctx)
    frozen = [read(t, one.inputs) for one in known if one.kind in rules.AGEING]
    return rules.gate(
        found.digest,
        found.found_digest,
        known,
        now,
        inputs=inputs,
        frozen={one.digest: one.since(now) for one in frozen if one is not None},
        approved=found.state in {State.APPROVED, State.ACTIVE},
    )


def refused(digest: str, reason: str, now: int) -> Decided:
    """A decision that denies for one reason."""
    return rules.joined(rules.nothing(digest, now), (reason,), deny=True)


def _asked(ctx: Context, t: Transaction, want: AskGate) -> Decided:
    now = records.now_of(ctx)
    rows = t.all(PACKAGE, "versions_by_digest", digest=want.policy_bundle_digest, limit=MATCHES)
    found = [records.version(t, policy, number) for policy, number in rows]
    if not found:
        return refused(want.policy_bundle_digest, UNKNOWN, now)
    placed = [one for one in found if _decides(t, one, want.target_environment)]
    if not placed:
        return refused(want.policy_bundle_digest, NOT_PLACED, now)
    said = decided(ctx, t, placed[0], "")
    values = {"policy": placed[0].policy, "version": placed[0].number, "digest": want.evidence_ref}
    shown = t.one(PACKAGE, "evidence_of", **values)
    about = is_digest(want.artifact_digest) and shown is not None and _is_about(t, str(shown[0]), want.artifact_digest)
    return said if about else rules.joined(said, (NOT_SHOWN,), deny=False)


def _decides(t: Transaction, found: Version, env: str) -> bool:
    placed = records.placements(t, found.policy).get(env)
    return placed is not None and found.number in {placed.version, placed.canary}


def _is_about(t: Transaction, inputs: str, artifact: str) -> bool:
    """Whether frozen inputs are that artifact, or have it as one of their parts."""
    if inputs == artifact:
        return True
    row = t.one(PACKAGE, "inputs", digest=inputs)
    return row is not None and f'"{artifact}"' in row[1]


def _check(found: Version, ir_sha256: str, evidence: Evidence) -> None:
    problems = (
        (evidence.kind in KINDS, f"there is no kind `{evidence.kind[:40]}`"),
        (evidence.verdict in VERDICTS, f"there is no verdict `{evidence.verdict[:40]}`"),
        (is_digest(evidence.digest), "its digest is not 64 lower-case hex digits"),
        (ir_sha256 == found.digest, f"it is about another identity than that of {found.name}"),
        (evidence.inputs == "" or is_digest(evidence.inputs), "the digest of its inputs is none"),
        (evidence.determinism == "" or is_digest(evidence.determinism), "its determinism hash is none"),
        (evidence.made >= 0, "it is older than time"),
    )
    for good, problem in problems:
        if not good:
            raise BadEvidence(problem=problem)
