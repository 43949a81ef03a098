"""What can go wrong with tenants, principals and clients; refusals of OAuth requests are in `refusals`."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class TenantTaken(StellaError):
    """The tenant id `{tenant}` is taken.

    An id stays taken when its tenant was erased, so that nothing that was ever issued for it can count for another.
    """

    code = "IDENTITY-001"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "choose another id; `stella tenant show {tenant}` says whose it is"
    status = 409


class NoTenant(StellaError):
    """There is no tenant `{tenant}`.

    Or it is not one that this principal may see.
    """

    code = "IDENTITY-002"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "list them: `stella tenant list`"


class OtherTenant(StellaError):
    """{principal} works for the tenant `{own}`, not for `{tenant}`.

    A tenant comes from the token. Only who runs the installation, a principal of the tenant `default` with the scope
    `tenant:write`, works on others.
    """

    code = "IDENTITY-003"
    exit = Exit.DENIED
    reason = "tenant"
    hint = "leave `--tenant` out, or use a token for that tenant"


class TenantStops(StellaError):
    """The tenant `{tenant}` is {state}; that does not allow to {verb} it.

    An active tenant can be suspended, a suspended one resumed, and either deleted. A tenant that waits for its erasure
    can be resumed until its erasure begins, when its grace period is over. What was erased stays so, and the tenant
    `default` stays as it is.
    """

    code = "IDENTITY-004"
    exit = Exit.USAGE
    reason = "illegal_move"
    hint = "see how it stands: `stella tenant show {tenant}`"
    status = 409


class BadName(StellaError):
    """{text} is not a name such as ci-1.

    A name of a principal or client has 1 to 63 characters: small letters a to z, digits, `_` and `-`, beginning with a
    letter or digit. Nothing is trimmed, folded or normalised.
    """

    code = "IDENTITY-005"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it with small letters and digits"


class NameTaken(StellaError):
    """The name `{name}` is taken in the tenant `{tenant}`.

    Principals and clients of a tenant share one set of names, so that a subject is never two.
    """

    code = "IDENTITY-006"
    exit = Exit.USAGE
    reason = "conflict"
    hint = "choose another name, or delete who has it"
    status = 409


class NoSuchName(StellaError):
    """The tenant `{tenant}` has no {kind} `{name}`.

    Names are spelled exactly as they were given.
    """

    code = "IDENTITY-007"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "list them: `stella {kind} list`"


class UnknownScope(StellaError):
    """There is no scope `{scope}`.

    Scopes are those of the operations and of the service's own resources. What nobody asks for is not granted, so that
    a later release cannot give it a meaning.
    """

    code = "IDENTITY-008"
    exit = Exit.USAGE
    reason = "scope"
    hint = "{nearest}"


class ScopeNotTogether(StellaError):
    """The scope `{scope}` cannot be granted here: {problem}.

    Some scopes are for the tenant `default` alone, and some only make sense or are only safe together with others.
    """

    code = "IDENTITY-009"
    exit = Exit.USAGE
    reason = "scope"
    hint = "grant other scopes, or make two clients"


class BadClientKey(StellaError):
    """The key or certificate of the client cannot be used: {problem}.

    A key is one public JWK that signs with ES256, EdDSA or RS256; a certificate is named by the SHA-256 of its DER in
    base64url without padding. A client has one way to prove itself, and rotation keeps to it.
    """

    code = "IDENTITY-010"
    exit = Exit.USAGE
    reason = "usage"
    hint = "give the public half of one key, or one thumbprint of 43 characters"


class NoGraceLeft(StellaError):
    """`identity.grace` is {found}; the least is {least}.

    A tenant that was deleted by mistake can be resumed within this time. There is no way to erase at once.
    """

    code = "IDENTITY-011"
    exit = Exit.USAGE
    reason = "usage"
    hint = "set `identity.grace` to {least} or more"


class WrongPassphraseOfKeys(StellaError):
    """Signing key {kid} cannot be opened.

    The keys of the issuer are encrypted with the passphrase that `identity.passphrase` names. It is another one than
    when this key was made.
    """

    code = "IDENTITY-012"
    exit = Exit.DENIED
    reason = "passphrase"
    hint = "restore that passphrase; `stella config show --origin` says where it is looked for"


class BadIssuerSetting(StellaError):
    """The setting identity.issuers cannot be used: {problem}.

    Each issuer is its exact name, then `audience=NAME` and perhaps `tenants=A,B`; issuers are separated by `;`.
    """

    code = "IDENTITY-013"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it as `https://idp.example audience=stella tenants=acme,beta`"


class TenantNotActive(StellaError):
    """The tenant `{tenant}` is {state}.

    Tokens of a tenant count while it is active.
    """

    code = "IDENTITY-014"
    exit = Exit.DENIED
    reason = "tenant_state"
    hint = "ask who runs this installation"


class WeakPassphrase(StellaError):
    """The passphrase that `identity.passphrase` names has {length} characters, at least {least} are needed.

    It protects the signing keys in every copy of the database.
    """

    code = "IDENTITY-015"
    exit = Exit.USAGE
    reason = "usage"
    hint = "make one: `openssl rand -hex 32`"


class StillAtWork(StellaError):
    """Something still works for the tenant `{tenant}`.

    A tenant is erased when nothing is done for it any more: what is written behind its erasure would stay.
    """

    code = "IDENTITY-016"
    exit = Exit.TRANSIENT
    reason = "at_work"
    hint = "wait; the service tries again every minute"


class AccountLags(StellaError):
    """The tenant `{tenant}` is {state}, but its account in the store of objects does not follow: {problem}.

    The change of the tenant is made and stays. Its keys in the store are opened or closed as soon as the store answers.
    """

    code = "IDENTITY-017"
    exit = Exit.TRANSIENT
    reason = "account_lags"
    hint = "the service tries again every minute; look at the store: `stella doctor`"


class ScopeNotOwn(StellaError):
    """{principal} cannot grant the scope `{scope}` without having it.

    Whoever makes a principal or a client, or gives a client a new secret, knows that secret. It may do no more than the
    one who asks. Who runs the installation grants any scope of a tenant in every tenant but its own.
    """

    code = "IDENTITY-018"
    exit = Exit.DENIED
    reason = "scope"
    hint = "ask somebody who has `{scope}`"


class BadIdentitySetting(StellaError):
    """The setting identity.{setting} cannot be used: {problem}.

    The issuer is known by one address, to which the paths of its endpoints are added. Its tokens are for one audience
    and live for two to five minutes.
    """

    code = "IDENTITY-019"
    exit = Exit.USAGE
    reason = "usage"
    hint = "see docs/reference/settings.md; what is in force: `stella config show identity --origin`"
