"""The operations of `policy` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.client.remote import Caller
from stella.policy.examination.model import ExaminePolicy, PolicyExamined
from stella.policy.model import (
    ActivatePolicy,
    AskGate,
    BumpPolicy,
    CreatePolicy,
    DecidePolicy,
    DiffPolicy,
    GateAsked,
    HistoryListed,
    ListHistory,
    ListPolicies,
    ObservePolicy,
    PoliciesListed,
    PolicyActivated,
    PolicyApproved,
    PolicyArchived,
    PolicyBumped,
    PolicyCreated,
    PolicyDiffed,
    PolicyObserved,
    PolicyPromoted,
    PolicyPublished,
    PolicyReviewed,
    PolicyRolledBack,
    PolicyShown,
    PolicySubmitted,
    PromotePolicy,
    PublishPolicy,
    ReviewPolicy,
    RollbackPolicy,
    ShowPolicy,
    SubmitPolicy,
)
from stella.policy.pipeline.model import CheckPolicies, PoliciesChecked
from stella.policy.run_model import FreezeInputs, InputsFrozen, NameRun, PolicyRan, RunPolicy, RunShown
from stella.policy.signature.model import PolicySigned, PolicyVerified, SignPolicy, VerifyPolicy
from stella.policy.simulation.model import PolicySimulated, SimulatePolicy
from stella.policy.text.model import CompilePolicy, LintPolicy, PolicyCompiled, PolicyLinted, PolicyProved, ProvePolicy
from stella.policy.trial.model import (
    EvalPolicy,
    ExplainFinding,
    PolicyEvaluated,
    PolicyExplained,
    PolicyTested,
    TestPolicy,
)


class PolicyCalls:
    """The operations of `policy` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def create(
        self,
        *,
        policy: str,
        name: str = "",
        file: str | None = None,
        template: Literal["baseline", "serverless", "blank"] | None = None,
        source: str | None = None,
    ) -> PolicyCreated:
        """Make a policy; its first version is a draft."""
        return self._call(
            "policy.create",
            CreatePolicy(policy=policy, name=name, file=file, template=template, source=source),
            PolicyCreated,
        )

    def list(self, *, limit: int = 50, cursor: str | None = None) -> PoliciesListed:
        """List the policies of the tenant."""
        return self._call("policy.list", ListPolicies(limit=limit, cursor=cursor), PoliciesListed)

    def show(self, *, policy: str, version: int | None = None) -> PolicyShown:
        """Show a version: where it stands, what can be done with it, and what is known of it."""
        return self._call("policy.show", ShowPolicy(policy=policy, version=version), PolicyShown)

    def diff(self, *, policy: str, old: int, new: int | None = None) -> PolicyDiffed:
        """Show which rules were added, changed and removed between two versions."""
        return self._call("policy.diff", DiffPolicy(policy=policy, old=old, new=new), PolicyDiffed)

    def bump(self, *, policy: str, file: str, level: Literal["patch", "minor", "major"] = "patch") -> PolicyBumped:
        """Add a version to a policy, as a draft."""
        return self._call("policy.bump", BumpPolicy(policy=policy, file=file, level=level), PolicyBumped)

    def submit(self, *, policy: str, version: int, shadow: bool = False, reason: str = "") -> PolicySubmitted:
        """Ask others to look at a draft."""
        return self._call(
            "policy.submit", SubmitPolicy(policy=policy, version=version, shadow=shadow, reason=reason), PolicySubmitted
        )

    def review(self, *, policy: str, version: int, reason: str) -> PolicyReviewed:
        """Send a version back to its author, with what is to be changed."""
        return self._call("policy.review", ReviewPolicy(policy=policy, version=version, reason=reason), PolicyReviewed)

    def approve(self, *, policy: str, version: int, reason: str, ticket: str) -> PolicyApproved:
        """Say that a version is good."""
        return self._call(
            "policy.approve", DecidePolicy(policy=policy, version=version, reason=reason, ticket=ticket), PolicyApproved
        )

    def publish(
        self, *, policy: str, version: int, reason: str, ticket: str, attestation: str | None = None
    ) -> PolicyPublished:
        """Let an approved version be promoted; its signature is verified, or was when it was recorded."""
        return self._call(
            "policy.publish",
            PublishPolicy(policy=policy, version=version, reason=reason, ticket=ticket, attestation=attestation),
            PolicyPublished,
        )

    def archive(self, *, policy: str, version: int, reason: str, ticket: str) -> PolicyArchived:
        """Let a version decide nowhere any more."""
        return self._call(
            "policy.archive", DecidePolicy(policy=policy, version=version, reason=reason, ticket=ticket), PolicyArchived
        )

    def history(self, *, policy: str, limit: int = 50, cursor: str | None = None) -> HistoryListed:
        """List what happened to the versions of a policy: who did what, and why."""
        return self._call("policy.history", ListHistory(policy=policy, limit=limit, cursor=cursor), HistoryListed)

    def freeze(
        self,
        *,
        sbom_digest: str = "",
        advisory_snapshot: str = "",
        vex_set: str = "",
        reachability_hash: str = "",
        signals_digest: str = "",
        inventory: str = "",
        as_of: str = "",
    ) -> InputsFrozen:
        """Freeze the inputs of runs and simulations, by the digests of their parts."""
        return self._call(
            "policy.freeze",
            FreezeInputs(
                sbom_digest=sbom_digest,
                advisory_snapshot=advisory_snapshot,
                vex_set=vex_set,
                reachability_hash=reachability_hash,
                signals_digest=signals_digest,
                inventory=inventory,
                as_of=as_of,
            ),
            InputsFrozen,
        )

    def run(
        self,
        *,
        policy: str,
        inventory: str,
        version: int | None = None,
        mode: Literal["full", "shadow"] = "full",
        inputs: str = "",
    ) -> PolicyRan:
        """Judge the findings of a snapshot, with all exceptions in force."""
        return self._call(
            "policy.run",
            RunPolicy(policy=policy, inventory=inventory, version=version, mode=mode, inputs=inputs),
            PolicyRan,
        )

    def run_status(self, *, run: str) -> RunShown:
        """Show a run."""
        return self._call("policy.run-status", NameRun(run=run), RunShown)

    def gate(
        self,
        *,
        tenant_id: str,
        promotion_id: str,
        target_environment: str,
        artifact_digest: str,
        evidence_ref: str,
        policy_bundle_digest: str,
    ) -> GateAsked:
        """Ask whether an artifact may go on to an environment under a policy; what cannot be shown is not allowed."""
        return self._call(
            "policy.gate",
            AskGate(
                tenant_id=tenant_id,
                promotion_id=promotion_id,
                target_environment=target_environment,
                artifact_digest=artifact_digest,
                evidence_ref=evidence_ref,
                policy_bundle_digest=policy_bundle_digest,
            ),
            GateAsked,
        )

    def promote(
        self, *, policy: str, version: int, env: str, reason: str, ticket: str, canary: int = 100, inputs: str = ""
    ) -> PolicyPromoted:
        """Let a published version decide in an environment, for all assets or for a share of them."""
        return self._call(
            "policy.promote",
            PromotePolicy(
                policy=policy, version=version, env=env, reason=reason, ticket=ticket, canary=canary, inputs=inputs
            ),
            PolicyPromoted,
        )

    def activate(
        self,
        *,
        policy: str,
        version: int,
        env: str,
        reason: str,
        ticket: str,
        inputs: str = "",
        attestation: str | None = None,
    ) -> PolicyActivated:
        """Publish an approved version and let it decide in an environment, in one step; the gate must allow it."""
        return self._call(
            "policy.activate",
            ActivatePolicy(
                policy=policy,
                version=version,
                env=env,
                reason=reason,
                ticket=ticket,
                inputs=inputs,
                attestation=attestation,
            ),
            PolicyActivated,
        )

    def observe(
        self,
        *,
        policy: str,
        env: str,
        transition: tuple[str, ...] = (),
        tripped: tuple[str, ...] = (),
        inventory: str | None = None,
    ) -> PolicyObserved:
        """Say what a canary does; it is rolled back when that is not what was foretold, or a limit is exceeded."""
        return self._call(
            "policy.observe",
            ObservePolicy(policy=policy, env=env, transition=transition, tripped=tripped, inventory=inventory),
            PolicyObserved,
        )

    def rollback(
        self, *, policy: str, to: int, env: str, reason: str, ticket: str, incident: str = ""
    ) -> PolicyRolledBack:
        """Let a version decide again that did before."""
        return self._call(
            "policy.rollback",
            RollbackPolicy(policy=policy, to=to, env=env, reason=reason, ticket=ticket, incident=incident),
            PolicyRolledBack,
        )

    def examine(
        self,
        *,
        policy: str,
        version: int,
        fixtures: str | None = None,
        min_coverage: int = 90,
        inventory: str | None = None,
        env: str | None = None,
        limits: str | None = None,
        attestation: str | None = None,
    ) -> PolicyExamined:
        """Examine a version, and record what was found as evidence for the gate."""
        return self._call(
            "policy.examine",
            ExaminePolicy(
                policy=policy,
                version=version,
                fixtures=fixtures,
                min_coverage=min_coverage,
                inventory=inventory,
                env=env,
                limits=limits,
                attestation=attestation,
            ),
            PolicyExamined,
        )

    def ci(
        self,
        *,
        paths: tuple[str, ...],
        strict: bool = False,
        exceptions: str | None = None,
        min_coverage: int = 0,
        min_score: int = 0,
        inventory: str | None = None,
        before: str = "none",
        policy: str | None = None,
        env: str = "prod",
        record: str | None = None,
        limits: str | None = None,
        max_age: str = "24h",
        trust: str | None = None,
        key: tuple[str, ...] = (),
        report: tuple[str, ...] = (),
    ) -> PoliciesChecked:
        """Lint, prove, test, simulate and verify policies in one go, as a pipeline does."""
        return self._call(
            "policy.ci",
            CheckPolicies(
                paths=paths,
                strict=strict,
                exceptions=exceptions,
                min_coverage=min_coverage,
                min_score=min_score,
                inventory=inventory,
                before=before,
                policy=policy,
                env=env,
                record=record,
                limits=limits,
                max_age=max_age,
                trust=trust,
                key=key,
                report=report,
            ),
            PoliciesChecked,
        )

    def sign(
        self,
        *,
        file: str,
        policy_id: str,
        version: int,
        reason: str,
        ticket: str,
        out: str,
        approval: tuple[str, ...] = (),
        evidence: tuple[str, ...] = (),
        for_tenant: str | None = None,
        dir: str = ".stella/keys",
        keyless: bool = False,
    ) -> PolicySigned:
        """Sign a policy as a version: a Sigstore bundle about its canonical form."""
        return self._call(
            "policy.sign",
            SignPolicy(
                file=file,
                policy_id=policy_id,
                version=version,
                reason=reason,
                ticket=ticket,
                out=out,
                approval=approval,
                evidence=evidence,
                for_tenant=for_tenant,
                dir=dir,
                keyless=keyless,
            ),
            PolicySigned,
        )

    def verify(
        self,
        *,
        file: str,
        attestation: str | None = None,
        trust: str | None = None,
        key: tuple[str, ...] = (),
        policy_id: str | None = None,
        version: int | None = None,
        identity: tuple[str, ...] = (),
        issuer: tuple[str, ...] = (),
        fresh: str | None = None,
        transparency: Literal["allow", "require", "skip"] = "allow",
    ) -> PolicyVerified:
        """Verify that a policy is the very one that was signed."""
        return self._call(
            "policy.verify",
            VerifyPolicy(
                file=file,
                attestation=attestation,
                trust=trust,
                key=key,
                policy_id=policy_id,
                version=version,
                identity=identity,
                issuer=issuer,
                fresh=fresh,
                transparency=transparency,
            ),
            PolicyVerified,
        )

    def simulate(
        self,
        *,
        after: str,
        inventory: str,
        before: str = "none",
        policy: str | None = None,
        env: str = "prod",
        exceptions: str | None = None,
        limits: str | None = None,
        max_age: str = "24h",
        backend: Literal["auto", "numpy", "numba", "polars"] = "auto",
        inputs: str = "",
        report: tuple[str, ...] = (),
    ) -> PolicySimulated:
        """Show what a policy would change for every finding of a snapshot, and hold it against limits."""
        return self._call(
            "policy.simulate",
            SimulatePolicy(
                after=after,
                inventory=inventory,
                before=before,
                policy=policy,
                env=env,
                exceptions=exceptions,
                limits=limits,
                max_age=max_age,
                backend=backend,
                inputs=inputs,
                report=report,
            ),
            PolicySimulated,
        )

    def lint(
        self,
        *,
        paths: tuple[str, ...],
        strict: bool = False,
        exceptions: str | None = None,
        proofs: bool = True,
        governance: bool = False,
        as_of: str | None = None,
        report: tuple[str, ...] = (),
    ) -> PolicyLinted:
        """Find what is wrong with policies, and prove what their rules can and cannot do."""
        return self._call(
            "policy.lint",
            LintPolicy(
                paths=paths,
                strict=strict,
                exceptions=exceptions,
                proofs=proofs,
                governance=governance,
                as_of=as_of,
                report=report,
            ),
            PolicyLinted,
        )

    def compile(
        self,
        *,
        file: str,
        strict: bool = False,
        digest: bool = False,
        validate_only: bool = False,
        out: str | None = None,
    ) -> PolicyCompiled:
        """Compile a policy to its canonical form, whose SHA-256 is its identity."""
        return self._call(
            "policy.compile",
            CompilePolicy(file=file, strict=strict, digest=digest, validate_only=validate_only, out=out),
            PolicyCompiled,
        )

    def prove(
        self, *, file: str, invariant: tuple[str, ...] = (), against: str | None = None, exceptions: str | None = None
    ) -> PolicyProved:
        """Prove the invariants of a policy for every finding there could be, or show one that breaks them."""
        return self._call(
            "policy.prove",
            ProvePolicy(file=file, invariant=invariant, against=against, exceptions=exceptions),
            PolicyProved,
        )

    def test(
        self,
        *,
        paths: tuple[str, ...],
        min_coverage: int = 0,
        min_score: int = 0,
        prove: bool = True,
        write: str | None = None,
        report: tuple[str, ...] = (),
    ) -> PolicyTested:
        """Run the fixtures beside policies, and measure how much they would notice."""
        return self._call(
            "policy.test",
            TestPolicy(
                paths=paths, min_coverage=min_coverage, min_score=min_score, prove=prove, write=write, report=report
            ),
            PolicyTested,
        )

    def eval(
        self, *, file: str, finding: str, exceptions: str | None = None, as_of: str | None = None
    ) -> PolicyEvaluated:
        """Show what a policy decides of one finding, and why: each rule that holds or might, clause by clause."""
        return self._call(
            "policy.eval", EvalPolicy(file=file, finding=finding, exceptions=exceptions, as_of=as_of), PolicyEvaluated
        )

    def explain(
        self, *, finding: int, policy: str, inventory: str, exceptions: str | None = None, rule: tuple[str, ...] = ()
    ) -> PolicyExplained:
        """Show what a policy decides of one finding of a snapshot, and why, with every value that it has."""
        return self._call(
            "policy.explain",
            ExplainFinding(finding=finding, policy=policy, inventory=inventory, exceptions=exceptions, rule=rule),
            PolicyExplained,
        )
