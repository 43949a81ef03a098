"""The rows of the operation table about keys that sign statements."""

from __future__ import annotations

from stella.key import views
from stella.key.model import (
    AttestationRenewed,
    AttestFile,
    CreateKey,
    FileAttested,
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    KeyShown,
    KeysListed,
    ListKeys,
    RenewAttestation,
    RevokeKey,
    RotateKey,
    ShowKey,
)
from stella.operations import Context, operation

WHY = '--reason "yearly" --ticket OPS-7'
KIND = "https://example.com/attestation/scan/v1"


@operation(
    "key.create",
    "POST /v1/keys",
    scope="key:write",
    view=views.created,
    example="stella key create\nstella key create --purpose sdk --algorithm ed25519 --dir K",
    creates=True,
)
def create(ctx: Context, want: CreateKey) -> KeyCreated:
    """Make the first key for a purpose; it signs at once.

    The first key of a folder lays it: an authority of time, an authority of certificates, and `trust` for verifiers.
    Private keys are encrypted with the passphrase of `keys.passphrase` in the PEM that cosign opens too, or stay in
    OpenBao (`keys.custody`).
    """
    from stella.key import service

    return service.create(ctx, want)


@operation("key.list", "GET /v1/keys", scope="key:read", view=views.listed, example="stella key list --dir K")
def list_(ctx: Context, want: ListKeys) -> KeysListed:
    """List the keys with their states, newest first."""
    from stella.key import service

    return service.list_(ctx, want)


@operation(
    "key.show", "GET /v1/keys/{keyid}", scope="key:read", view=views.shown, example="stella key show 3f9c21aa --dir K"
)
def show(ctx: Context, want: ShowKey) -> KeyShown:
    """Show a key and its public half in PEM."""
    from stella.key import service

    return service.show(ctx, want)


@operation(
    "key.rotate",
    "POST /v1/keys/rotations",
    scope="key:admin",
    view=views.rotated,
    example=f"stella key rotate {WHY}\nstella key rotate --overlap 30d {WHY}",
)
def rotate(ctx: Context, want: RotateKey) -> KeyRotated:
    """Publish the next key for a purpose.

    It takes over by itself when the overlap is over. The old key signs a statement that says so. Afterwards it verifies
    only what a proof of time shows to be older.
    """
    from stella.key import service

    return service.rotate(ctx, want)


@operation(
    "key.revoke",
    "POST /v1/keys/{keyid}/revocation",
    scope="key:admin",
    view=views.revoked,
    example='stella key revoke 3f9c21aa --since 2026-01-31T12:00:00Z --reason "stolen" --ticket SEC-7',
)
def revoke(ctx: Context, want: RevokeKey) -> KeyRevoked:
    """Let nothing of a key count from a time on.

    Its private half is destroyed. What a proof of time shows to be older still verifies. Verifiers learn of it from the
    trust folder.
    """
    from stella.key import service

    return service.revoke(ctx, want)


@operation(
    "key.attest",
    "POST /v1/keys/attestations",
    scope="key:sign",
    view=views.attested,
    example=(
        f"stella key attest app.tar --predicate-type {KIND} --out app.tar.attestation.sigstore\n"
        f"stella key attest app.tar --predicate-type {KIND} --predicate scan.json --keyless --out A.sigstore"
    ),
)
def attest(ctx: Context, want: AttestFile) -> FileAttested:
    """Sign a statement about a file.

    What is written is a Sigstore bundle, which other clients verify too. With `--keyless` no key of yours is needed: a
    key of the moment gets a certificate of ten minutes for who the token of `client.token` says that you are. A proof
    of time is always added. `stella attest verify` checks it.
    """
    from stella.key import attesting

    return attesting.attest(ctx, want)


@operation(
    "key.renew",
    "POST /v1/keys/renewals",
    scope="key:sign",
    view=views.renewed,
    example="stella key renew old.sigstore --out new.sigstore",
)
def renew(ctx: Context, want: RenewAttestation) -> AttestationRenewed:
    """Verify an attestation and sign its statement again with the active key.

    For what must be verified for years: keys are retired, and the authority of time ends. One that was signed without a
    key is renewed for those who are named with `--identity` and `--issuer`.
    """
    from stella.key import attesting

    return attesting.renew(ctx, want)
