"""Signing statements with the keys of a folder, or in the name of whoever a token says; shared with other slices.

Rules:
- What is written was verified before, with the trust of the very folder: a bundle that would be refused is not made.
- Kinds of statements that Stella gives a meaning to are signed by the commands that give it, never by `key attest`.
- What is signed again keeps its purpose: a key for one thing never makes a statement count for another.
- An identity is a URI of the token's tenant and subject; which issuer vouched for it stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from stella.attest.service import allowed, digest_of
from stella.kernel.canonical import dump
from stella.kernel.instant import format_time
from stella.key.errors import BadPredicate, KeylessAtService, NoActiveKey, NoIdentityTrust
from stella.key.folder import KeyFolder, trust_of
from stella.key.model import (
    AttestationRenewed,
    AttestFile,
    FileAttested,
    RenewAttestation,
    Signer,
)
from stella.key.store import Store
from stella.operations import LOCAL, Context
from stella.runtime.files import read_file, replacing
from stella.signing import attestation, key_list, verification
from stella.signing.certifier import Identity
from stella.signing.sigstore_bundle import MAX_SIZE
from stella.signing.verification import Demand, Proved

MAX_PREDICATE = 1 << 20  # bytes
OWN = "https://stella-ops.org/"  # kinds that the commands of Stella sign when what they say was checked
MAX_TYPE = 300  # characters of a predicate type


class Made(NamedTuple):
    """A bundle and what it proves."""

    data: bytes
    proved: Proved


def attest(ctx: Context, want: AttestFile) -> FileAttested:
    """Sign a statement about a file."""
    predicate = _predicate(want.predicate)
    if "://" not in want.predicate_type or len(want.predicate_type) > MAX_TYPE:
        raise BadPredicate(path=want.predicate or "the command", problem="its type is no address")
    if want.predicate_type.startswith(OWN):
        raise BadPredicate(path=want.predicate or "the command", problem=f"types below {OWN} have their own commands")
    name, digest = want.name or Path(want.file).name, digest_of(Path(want.file))
    made = sign(
        ctx, want.dir, want.predicate_type, {name: digest}, predicate, purpose=want.purpose, keyless=want.keyless
    )
    write(want.out, made.data)
    return FileAttested(
        out=want.out,
        subject=name,
        sha256=digest,
        predicate_type=want.predicate_type,
        signer=signer_of(made.proved),
        signed_at=format_time(made.proved.signed_at or 0),
    )


def renew(ctx: Context, want: RenewAttestation) -> AttestationRenewed:
    """Sign the statement of an attestation again, with the key of today and a proof of time of today."""
    data = read_file(Path(want.file), MAX_SIZE)
    keys = KeyFolder(ctx, want.dir)
    store, now = keys.read(), ctx.clock.read().wall
    identities = allowed(want.identity, want.issuer)
    demand = Demand(
        now=now, predicate_types=None, subject=None, purpose=want.purpose, identities=identities, dated=True
    )
    was = verification.verify(data, trust_of(store), demand, want.file)
    made = _by_key(keys, store, dump(was.statement), want.purpose, was.statement.predicate_type)
    write(want.out, made.data)
    return AttestationRenewed(
        out=want.out,
        predicate_type=was.statement.predicate_type,
        was=signer_of(was),
        was_signed_at=format_time(was.signed_at or 0),
        signer=signer_of(made.proved),
        signed_at=format_time(made.proved.signed_at or 0),
    )


def sign(
    ctx: Context,
    place: str,
    kind: str,
    subjects: Mapping[str, str],
    predicate: dict[str, object],
    *,
    purpose: str,
    keyless: bool = False,
) -> Made:
    """Sign a statement of a kind about `subjects` (SHA-256 by name) with the active key of a purpose.

    Raises NoKeys, NoActiveKey, or as the custody, the authority of time, or the issuer of the token does.
    """
    payload = attestation.statement(kind, subjects, predicate)
    keys = KeyFolder(ctx, place)
    store = keys.read()
    if keyless:
        return _by_identity(keys, store, payload, kind)
    return _by_key(keys, store, payload, purpose, kind)


def _by_key(keys: KeyFolder, store: Store, payload: bytes, purpose: str, kind: str) -> Made:
    now = keys.ctx.clock.read().wall
    key = key_list.active(store.listed.keys, purpose, now)
    if key is None:
        raise NoActiveKey(path=keys.place, purpose=ascii(purpose)[1:-1][:80])
    handle = store.handles[key.keyid]
    custody = keys.custody(handle)
    data = attestation.by_key(
        payload, key.key, lambda data: custody.sign(handle, data), lambda data: keys.stamp(store, data)
    )
    return _checked(keys, store, data, kind, frozenset())


def _by_identity(keys: KeyFolder, store: Store, payload: bytes, kind: str) -> Made:
    ctx = keys.ctx
    who = identity(ctx)
    authority, now = keys.certifier(store), ctx.clock.read().wall
    data = attestation.by_identity(payload, authority, who, now, ctx.entropy, lambda data: keys.stamp(store, data))
    return _checked(keys, store, data, kind, frozenset({who}))


def _checked(keys: KeyFolder, store: Store, data: bytes, kind: str, who: frozenset[Identity]) -> Made:
    """What was made, verified as its readers will."""
    demand = Demand(
        now=keys.ctx.clock.read().wall, predicate_types=frozenset({kind}), subject=None, identities=who, dated=True
    )
    return Made(data, verification.verify(data, trust_of(store), demand, "what was signed"))


def identity(ctx: Context) -> Identity:
    """Who the token of `client.token` says that this is; raises one of `tenancy.errors.Refusal`, or NoIdentityTrust."""
    from stella.tenancy import offline  # noqa: PLC0415  # a token is seldom asked for
    from stella.tenancy.model import Presented  # noqa: PLC0415  # as above
    from stella.tenancy.tokens import Verifier  # noqa: PLC0415  # as above

    if ctx.principal.name != LOCAL.name:
        raise KeylessAtService
    trust, audience = ctx.settings.identity.trust, ctx.settings.identity.audience
    if not trust:
        raise NoIdentityTrust
    issuers = offline.read_issuers(read_file(Path(trust, offline.DOCUMENT), offline.MAX_DOCUMENT), ctx.clock)
    token = ctx.secret(ctx.settings.client.token).decode("ascii", "replace").strip()
    found = Verifier(issuers, audience, ctx.clock).verify(Presented(token))
    return Identity(uri_of(found.issuer, found.tenant, found.subject), found.issuer)


def uri_of(issuer: str, tenant: str, subject: str) -> str:
    """The URI that names a principal of a tenant at an issuer."""
    return f"{issuer.rstrip('/')}/tenants/{quote(tenant, safe='')}/principals/{quote(subject, safe='')}"


def signer_of(proved: Proved) -> Signer:
    """Who signed, as it is shown."""
    who = proved.identity
    return Signer(proved.keyid, who.uri if who else None, who.issuer if who else None)


def write(path: str, data: bytes) -> None:
    """Write an attestation, whole or not at all; raises as `files.replacing`."""
    with replacing(Path(path)) as file:
        file.write(data)


def _predicate(path: str | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        return msgspec.json.decode(read_file(Path(path), MAX_PREDICATE), type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadPredicate(path=path, problem=str(error)) from None
