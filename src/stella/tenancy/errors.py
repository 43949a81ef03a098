"""Why an access token is refused: a closed set, each with its status and its challenge; and why keys or lists are.

Rules:
- A message says which check failed and never quotes the token, any part of it, or what somebody wrote into it.
- 401 says "come back with another token", 403 says "this token is good, and not for that".
- The challenge is made of fixed words, so nothing that a client sends can reach a header.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from stella.kernel.errors import Exit, StellaError

REALM = 'realm="stella"'
PROOF_ALGORITHMS = "ES256 EdDSA RS256"
_PROOF_ERRORS = {"dpop": "invalid_dpop_proof", "nonce": "use_dpop_nonce"}  # by what a token is bound with


class Whose(NamedTuple):
    """Whose a token is that was refused, when its issuer's signature says so."""

    tenant: str
    subject: str


class Refusal(Exception):
    """What the members of the closed set have in common."""

    reason: ClassVar[str] = ""
    status: ClassVar[int] = 401
    error: ClassVar[str] = "invalid_token"  # the word of RFC 6750 section 3.1
    words: ClassVar[str] = "the token is not valid"
    facts: dict[str, object]
    whose: Whose | None = None  # never part of a message


class TokenMalformed(Refusal, StellaError):
    """Access token is malformed: {problem}.

    A token is a JWS in its compact form of at most 8 KiB: three parts in the one spelling of their base64url, a header
    of the type `at+jwt` that carries no key and no address of one, and claims of the types that RFC 9068 gives them.
    """

    code = "TOKEN-001"
    exit = Exit.DENIED
    reason = "token.malformed"
    hint = "obtain another token from the issuer"
    words = "the token is malformed"


class TokenAlgorithmDenied(Refusal, StellaError):
    """Access token is signed with an algorithm that is not allowed here.

    Allowed are those that the issuer is configured with, out of ES256, EdDSA and RS256, and each key for its own
    algorithm alone. A token can choose neither.
    """

    code = "TOKEN-002"
    exit = Exit.DENIED
    reason = "token.alg_denied"
    hint = "let the issuer sign with ES256, EdDSA or RS256"
    words = "the token's algorithm is not allowed"


class TokenKeyUnknown(Refusal, StellaError):
    """Access token is signed with a key that the issuer does not publish: {problem}.

    Keys come from the issuer's key set, or from the trust folder on a sealed site. A key that is absent from a newer
    set is gone at once; keys that could not be fetched for longer than their life are not used any more.
    """

    code = "TOKEN-003"
    exit = Exit.DENIED
    reason = "token.unknown_key"
    hint = "obtain another token; if all are refused, see whether the issuer's key set can be fetched"
    words = "the token's key is not known"


class TokenSignatureBad(Refusal, StellaError):
    """Signature of the access token does not match.

    The key is the issuer's, the signature is not over this token: it was altered, or another key made it.
    """

    code = "TOKEN-004"
    exit = Exit.DENIED
    reason = "token.bad_signature"
    hint = "obtain another token from the issuer"
    words = "the token's signature does not match"


class TokenExpired(Refusal, StellaError):
    """Access token has expired.

    A token lives for minutes. Clocks may differ by 30 seconds.
    """

    code = "TOKEN-005"
    exit = Exit.DENIED
    reason = "token.expired"
    hint = "obtain another token: `stella login`; if it is refused too, compare the clocks"
    words = "the token has expired"


class TokenNotYet(Refusal, StellaError):
    """Access token is not valid yet.

    Its issuer made it in what is the future here, or wants it to be used later. Clocks may differ by 30 seconds.
    """

    code = "TOKEN-006"
    exit = Exit.DENIED
    reason = "token.not_yet"
    hint = "compare the clocks of this machine and of the issuer"
    words = "the token is not valid yet"


class TokenAudience(Refusal, StellaError):
    """Access token is for another audience than `{audience}`.

    A token names the one service that it is for. One that is meant for another service, or for several, is refused, so
    that no service can use its callers' tokens elsewhere.
    """

    code = "TOKEN-007"
    exit = Exit.DENIED
    reason = "token.aud"
    hint = "ask the issuer for a token for this audience"
    words = "the token is for another audience"


class TokenIssuer(Refusal, StellaError):
    """Access token is from an issuer that is not configured.

    Issuers are configured by their exact name. An unknown one is never asked for its keys.
    """

    code = "TOKEN-008"
    exit = Exit.DENIED
    reason = "token.iss"
    hint = "obtain the token from a configured issuer"
    words = "the token's issuer is not known"


class TokenTenantMismatch(Refusal, StellaError):
    """Access token is for another tenant than {asked}.

    The tenant of a request is that of its token. The header `X-Stella-Tenant` may repeat it and changes nothing; an
    issuer may be limited to some tenants.
    """

    code = "TOKEN-009"
    exit = Exit.DENIED
    reason = "token.tenant_mismatch"
    hint = "obtain a token for that tenant"
    status = 403
    error = "insufficient_scope"
    words = "the token is for another tenant"


class TokenBinding(Refusal, StellaError):
    """Access token is not presented by its holder ({binding}): {problem}.

    A token that is bound to a key is good only with a proof by that key: a DPoP proof for this very request (RFC 9449),
    or the client certificate of the connection (RFC 8705). A proof is good once.
    """

    code = "TOKEN-010"
    exit = Exit.DENIED
    reason = "token.binding"
    hint = "send a fresh proof with each request, made with the key that the token was issued for"
    words = "the proof of possession is missing or does not fit"


class TokenRevoked(Refusal, StellaError):
    """Access token was revoked.

    The token itself, its subject, its client or its tenant is on the revocation list.
    """

    code = "TOKEN-011"
    exit = Exit.DENIED
    reason = "token.revoked"
    hint = "ask who revoked it; a new token may be refused as well"
    words = "the token was revoked"


class TokenScopeMissing(Refusal, StellaError):
    """Access token lacks the scope `{scope}`.

    Each operation needs one scope. The token is good, but was not issued for this.
    """

    code = "TOKEN-012"
    exit = Exit.DENIED
    reason = "token.scope_missing"
    hint = "obtain a token with that scope"
    status = 403
    error = "insufficient_scope"
    words = "the token lacks a scope"


REASONS = tuple(sorted(kind.reason for kind in Refusal.__subclasses__()))


class BadKeySet(StellaError):
    """Key set of {issuer} cannot be used: {problem}.

    A key set (RFC 7517) has at most 256 KiB and 64 keys, each id once, no private or symmetric key, and at least one
    public key that signs with ES256, EdDSA or RS256. The keys known before stay in use.
    """

    code = "JWKS-001"
    exit = Exit.NEGATIVE
    reason = "key_set"
    hint = "have the issuer's key set put right"


class KeySetUnreachable(StellaError):
    """Key set at {url} was not fetched: {problem}.

    The keys known before stay in use for as long as they live.
    """

    code = "JWKS-002"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "see whether the issuer runs and can be reached from here"


class UnusableKeyAddress(StellaError):
    """Key set address `{url}` cannot be used: {problem}.

    Keys are fetched over https, or over http on this machine, without user name and password, and from nowhere that an
    answer points to.
    """

    code = "JWKS-003"
    exit = Exit.USAGE
    reason = "usage"
    hint = "configure the https address of the issuer's key set"


class BadIssuers(StellaError):
    """Issuers in {what} cannot be used: {problem}.

    The document names each issuer once, with its key set, its audience and the time until which its keys are good.
    """

    code = "JWKS-004"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "obtain the trust folder again"


class BadRevocations(StellaError):
    """Revocation list cannot be used: {problem}.

    A list names its issuer and its number, and each revoked token, subject, client or tenant once.
    """

    code = "REVOKE-001"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "obtain the list again"


class RevocationsOlder(StellaError):
    """Revocation list {found} of {issuer} is older than list {known}, which is in force.

    Numbers only go up. An older list would take revocations back.
    """

    code = "REVOKE-002"
    exit = Exit.NEGATIVE
    reason = "rollback"
    hint = "carry over the newest list"


class GateFailed(StellaError):
    """The database would let one tenant reach another: {kind} at {object}, {found}; {count} findings in all.

    The gate reads the catalogue of the database after migrations, and nothing starts while it finds anything. Whatever
    it names was changed by hand, or by a migration that did not use `tenancy.protect`.
    """

    code = "TENANCY-001"
    exit = Exit.NEGATIVE
    reason = "gate_failed"
    hint = "`stella tenancy gate` lists all of them; this one: {fix}"


class LoginTooStrong(StellaError):
    """The database would not hold {role} to its tenant: it {problem}.

    Policies do not hold for a superuser or a role with BYPASSRLS, and whoever owns a schema may drop them. The service
    works as roles that can do neither; only migrations run as the owner.
    """

    code = "TENANCY-002"
    exit = Exit.USAGE
    reason = "usage"
    hint = "set `database.dsn` to a login as stella_app, and `database.owner_dsn` to one as stella_owner"


def challenge(error: Refusal | None = None) -> str:
    """The WWW-Authenticate header of a refusal (RFC 6750 section 3, RFC 9449 section 7.1); None: there was no token."""
    if error is None:
        return f"Bearer {REALM}"
    if isinstance(error, TokenBinding) and (word := _PROOF_ERRORS.get(str(error.facts["binding"]))):
        return f'DPoP {REALM}, error="{word}", error_description="{error.words}", algs="{PROOF_ALGORITHMS}"'
    scope = f', scope="{error.facts["scope"]}"' if isinstance(error, TokenScopeMissing) else ""
    return f'Bearer {REALM}, error="{error.error}", error_description="{error.words}"{scope}'
