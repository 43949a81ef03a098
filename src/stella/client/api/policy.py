"""The operations of `policy` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.client.remote import Caller
from stella.policy.simulation_model import PolicySimulated, SimulatePolicy
from stella.policy.text_model import CompilePolicy, LintPolicy, PolicyCompiled, PolicyLinted, PolicyProved, ProvePolicy
from stella.policy.trial_model import (
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

    def simulate(
        self,
        *,
        after: str,
        inventory: str,
        before: str = "none",
        exceptions: str | None = None,
        limits: str | None = None,
        max_age: str = "24h",
        backend: Literal["auto", "numpy", "numba", "polars"] = "auto",
        report: tuple[str, ...] = (),
    ) -> PolicySimulated:
        """Show what a policy would change for every finding of a snapshot, and hold it against limits."""
        return self._call(
            "policy.simulate",
            SimulatePolicy(
                after=after,
                inventory=inventory,
                before=before,
                exceptions=exceptions,
                limits=limits,
                max_age=max_age,
                backend=backend,
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
