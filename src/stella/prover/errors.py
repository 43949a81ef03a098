"""What keeps a proof from being made. What a proof finds is a verdict, never one of these."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class ExampleUnconfirmed(StellaError):
    """The solver's example for `{claim}` of `{subject}` is not confirmed by the reference interpreter.

    Every example is judged by the interpreter before anybody sees it. That the two disagree is a defect of Stella, and
    no claim about this policy is to be trusted.
    """

    code = "PROVER-001"
    exit = Exit.UNEXPECTED
    reason = "example_unconfirmed"
    hint = "report this with the policy; `stella policy lint` without proofs still works"


class PolicyTooWide(StellaError):
    """The proofs of this policy would take more than {limit} steps.

    A proof looks at every rule beside the others. What a policy of this size claims is not known to hold.
    """

    code = "PROVER-003"
    exit = Exit.USAGE
    reason = "policy_too_wide"
    hint = "split the policy, or leave the proofs out: `--no-proofs`"


class SumTooWide(StellaError):
    """The weights of one sum come to more than {limit} different totals.

    Each total is a case of its own in a proof.
    """

    code = "PROVER-002"
    exit = Exit.USAGE
    reason = "sum_too_wide"
    hint = "use fewer, or rounder, weights in the profile"
