"""Why an attestation is refused."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class NoStatement(StellaError):
    """{file} is no attestation that can be judged: {problem}.

    An attestation is a DSSE envelope around an in-toto Statement v1. Its predicate says which release was examined,
    when, and with which verdict.
    """

    code = "ATTEST-001"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "ask who made it for the file as it was written"


class PredicateDiffers(StellaError):
    """{file} attests `{found}`, not `{wanted}`.

    A signature over one kind of statement must never be accepted for another kind.
    """

    code = "ATTEST-002"
    exit = Exit.NEGATIVE
    reason = "predicate_type"
    hint = "{advice}"


class NotSigned(StellaError):
    """{file} is not signed by anyone.

    It was written without a key. Whoever had the file in hands could have changed every word of it.
    """

    code = "ATTEST-003"
    exit = Exit.NEGATIVE
    reason = "unsigned"
    hint = "make it again with a key: `stella tenancy prove --key KEY --out FILE`"


class NothingTrusted(StellaError):
    """Nobody's signature would count: neither a key nor a trust folder was given.

    An attestation says nothing by itself. Whose signatures count is for whoever verifies to say.
    """

    code = "ATTEST-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "give the key that its maker told you with `--key`, or the trust folder with `--trust`"


class IdentitiesUnpaired(StellaError):
    """Identities given: {identities}, issuers given: {issuers}; each identity needs the issuer that vouches for it.

    They belong together in the order in which they are given. One name means somebody else at another issuer.
    """

    code = "ATTEST-005"
    exit = Exit.USAGE
    reason = "usage"
    hint = "give `--identity URI --issuer URL` once for each who may sign"
