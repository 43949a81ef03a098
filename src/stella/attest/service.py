"""The answer of `stella attest verify`, and the key that an attestation is signed with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from stella.attest import statement
from stella.attest.errors import IdentitiesUnpaired, NothingTrusted
from stella.attest.model import AttestationVerified, SubjectShown, VerifyAttestation
from stella.kernel.instant import format_time, parse_duration
from stella.operations import Context
from stella.runtime.files import read_file, reading
from stella.runtime.places import below
from stella.signing import sigstore_bundle, trust_folder, verification
from stella.signing.certifier import Identity
from stella.signing.key_list import ListedKey
from stella.signing.keys import MAX_KEY_FILE, PrivateKey, PublicKey
from stella.signing.verifying_key import VerifyingKey


def verify(ctx: Context, want: VerifyAttestation) -> AttestationVerified:
    """Verify an attestation with what is trusted alone: an envelope by keys, a Sigstore bundle by a folder too."""
    data = read_file(Path(want.file), statement.MAX_SIZE)
    if sigstore_bundle.is_one(data):
        return _bundle(ctx, want, data)
    if not want.key:
        raise NothingTrusted
    keys = [PublicKey.from_base64(key) for key in want.key]
    found = statement.read(data, keys, want.file, want.predicate)
    if want.artifact is not None:
        statement.check_subject(found.statement, digest_of(Path(want.artifact)), want.file)
    signed = {key.keyid: key.to_base64() for key in keys}
    return _verified(want, found, tuple(signed[keyid] for keyid in found.keyids))


def _bundle(ctx: Context, want: VerifyAttestation, data: bytes) -> AttestationVerified:
    """A Sigstore bundle."""
    trust, now = trusted(ctx, want.trust, want.key), ctx.clock.read().wall
    demand = verification.Demand(
        now=now,
        predicate_types=None,
        subject=digest_of(Path(want.artifact)) if want.artifact is not None else None,
        purpose=want.purpose,
        identities=allowed(want.identity, want.issuer),
        freshness=parse_duration(want.fresh) if want.fresh is not None else None,
        transparency=want.transparency,
    )
    proved = verification.verify(data, trust, demand, want.file)
    dated = format_time(proved.signed_at) if proved.signed_at is not None else None
    core = statement.core_of(proved.statement, want.file, want.predicate, dated or "")
    shown = _verified(want, statement.Attested(proved.statement, core, (proved.keyid,)), (proved.keyid,))
    who = proved.identity
    return msgspec.structs.replace(
        shown, identity=who.uri if who else None, issuer=who.issuer if who else None, signed_at=dated
    )


def trusted(ctx: Context, folder: str | None, keys: Sequence[str] = ()) -> verification.Trust:
    """What is believed: a trust folder, or that beside the keys of `keys.store`; and keys given by themselves.

    Raises NothingTrusted, UnusableKey, or as `trust_folder.read`.
    """
    given = trust_folder.given(VerifyingKey.from_text(key) for key in keys)
    named = folder or ctx.settings.keys.trust
    place = named or (None if given else below(ctx.settings.keys.store, "trust"))
    if place is None:
        return verification.Trust(given)
    kept = ctx.folder(place)
    if not named and not any(map(kept.exists, trust_folder.FILES)):
        raise NothingTrusted
    found = trust_folder.read(kept, place)
    return verification.Trust((*_with_times(given, found.keys), *found.keys), found.root)


def allowed(identities: Sequence[str], issuers: Sequence[str]) -> frozenset[Identity]:
    """Who may sign without a key: each identity on the word of the issuer in its place; raises IdentitiesUnpaired."""
    if len(identities) != len(issuers):
        raise IdentitiesUnpaired(identities=len(identities), issuers=len(issuers))
    return frozenset(map(Identity, identities, issuers))


def _with_times(given: Sequence[ListedKey], listed: Sequence[ListedKey]) -> Iterator[ListedKey]:
    """Keys that were given by themselves, with the times of the list where it has them: what it revokes is revoked."""
    times = {key.keyid: key for key in listed}
    return (msgspec.structs.replace(times.get(key.keyid, key), purpose=key.purpose) for key in given)


def digest_of(path: Path) -> str:
    """SHA-256 of a file of any size; raises as `read_file`."""
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verified(want: VerifyAttestation, found: statement.Attested, keys: tuple[str, ...]) -> AttestationVerified:
    facts = {name: fact for name, fact in found.statement.predicate.items() if isinstance(fact, (str, int, bool))}
    return AttestationVerified(
        file=want.file,
        predicate=found.statement.predicate_type,
        subjects=tuple(SubjectShown(one.name, one.digest["sha256"]) for one in found.statement.subject),
        keys=keys,
        release=found.core.release,
        made=found.core.made,
        verdict=found.core.verdict,
        facts={name: fact for name, fact in facts.items() if name not in {"release", "made", "verdict"}},
    )


def signing_key(ctx: Context, path: str) -> PrivateKey:
    """The key in an encrypted PEM, as `mirror init` writes it.

    Raises WrongPassphrase, SecretMissing or SecretUnreadable, or as `read_file`.
    """
    return PrivateKey.from_pem(read_file(Path(path), MAX_KEY_FILE), ctx.secret(ctx.settings.keys.passphrase), path)
