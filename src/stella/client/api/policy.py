"""The operations of `policy` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.policy.text_model import CompilePolicy, LintPolicy, PolicyCompiled, PolicyLinted, PolicyProved, ProvePolicy


class PolicyCalls:
    """The operations of `policy` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

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
