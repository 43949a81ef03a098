"""Why a signed policy is refused."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class PolicyNotCompiled(StellaError):
    """{file} is no policy that can be signed: {problem}.

    What is signed is the canonical form of a policy, and only a policy without errors has one.
    """

    code = "POLICY-400"
    exit = Exit.USAGE
    reason = "not_compiled"
    hint = "`stella policy lint {file}` shows what is wrong"


class BadSignedFact(StellaError):
    """{word} `{text}` cannot be signed: expected {expected}.

    What is signed about a version is read by machines years later, so each fact has one form.
    """

    code = "POLICY-401"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it in that form"


class SignedFactDiffers(StellaError):
    """{file} is signed for {word} `{found}`, expected `{wanted}`.

    The signature is good and the policy is the very one, but it was signed as something else.
    """

    code = "POLICY-402"
    exit = Exit.NEGATIVE
    reason = "policy_attestation_differs"
    hint = "take the attestation of the version that was asked for"


class SignedFactsMalformed(StellaError):
    """{file} says of its policy what cannot be read: {problem}.

    The signature is good. What was signed is not what this kind of statement says.
    """

    code = "POLICY-403"
    exit = Exit.NEGATIVE
    reason = "policy_attestation_structure"
    hint = "sign the policy again: `stella policy sign`"
