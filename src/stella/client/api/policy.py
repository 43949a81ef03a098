"""The operations of `policy` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.client.remote import Caller
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
    ReviewPolicy,
    RollbackPolicy,
    ShowPolicy,
    SubmitPolicy,
)
from stella.policy.run_model import FreezeInputs, InputsFrozen, NameRun, PolicyRan, RunPolicy, RunShown


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

    def publish(self, *, policy: str, version: int, reason: str, ticket: str) -> PolicyPublished:
        """Let an approved version be promoted; its signature must have been verified."""
        return self._call(
            "policy.publish",
            DecidePolicy(policy=policy, version=version, reason=reason, ticket=ticket),
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
        inputs: str,
        snapshot: str,
        version: int | None = None,
        mode: Literal["full", "shadow"] = "full",
    ) -> PolicyRan:
        """Judge the findings of a stored snapshot, over frozen inputs."""
        return self._call(
            "policy.run",
            RunPolicy(policy=policy, inputs=inputs, snapshot=snapshot, version=version, mode=mode),
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
        self, *, policy: str, version: int, env: str, reason: str, ticket: str, inputs: str = ""
    ) -> PolicyActivated:
        """Publish an approved version and let it decide in an environment, in one step; the gate must allow it."""
        return self._call(
            "policy.activate",
            ActivatePolicy(policy=policy, version=version, env=env, reason=reason, ticket=ticket, inputs=inputs),
            PolicyActivated,
        )

    def observe(
        self, *, policy: str, env: str, transition: tuple[str, ...] = (), tripped: tuple[str, ...] = ()
    ) -> PolicyObserved:
        """Say what a canary has done; it is rolled back when that is not what was foretold, or a limit is exceeded."""
        return self._call(
            "policy.observe",
            ObservePolicy(policy=policy, env=env, transition=transition, tripped=tripped),
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
