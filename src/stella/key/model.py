"""What the key operations take and give."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from stella.operations import Reason, Ticket, arg
from stella.signing.vocabulary import Algorithm, State

DIR_HELP = "Folder of the keys or `s3://BUCKET/PREFIX`."
HOME = ".stella/keys"
POLICY = "policy"  # the purpose that is meant when none is named
SUFFIX = ".attestation.sigstore"

_Dir = Annotated[str, arg(DIR_HELP, "folder", metavar="K", setting="keys.store")]
_Purpose = Annotated[str, arg("What the key is for, in a word.", metavar="WORD")]


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is shown; `custody` says where its private half is: file, bao, or gone."""

    keyid: str
    purpose: str
    algorithm: Algorithm
    state: State
    not_before: str
    not_after: str | None
    revoked: str | None
    custody: Literal["file", "bao", "gone"]


class CreateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of key.create."""

    dir: _Dir = HOME
    purpose: _Purpose = POLICY
    algorithm: Annotated[Algorithm, arg("Kind of key.")] = "ecdsa-p256"
    private: Annotated[
        str | None,
        arg("Take this key instead: encrypted PEM, such as `cosign.key`, under the same passphrase.", "file"),
    ] = None


class KeyCreated(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.key.create@1"):
    """Result of key.create; `pem` is the public half, and `trust` the folder for verifiers."""

    key: KeyRow
    pem: str
    trust: str


class ListKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of key.list."""

    dir: _Dir = HOME
    purpose: Annotated[str | None, arg("Only keys for this.", metavar="WORD")] = None


class KeysListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.key.list@1"):
    """Result of key.list, newest first."""

    keys: tuple[KeyRow, ...]
    serial: int
    trust: str


class ShowKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of key.show."""

    keyid: Annotated[str, arg("Id of the key, or how it begins.", positional=True, metavar="KEYID")]
    dir: _Dir = HOME


class KeyShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.key.show@1"):
    """Result of key.show. `hint` is what a Sigstore bundle names the key by."""

    key: KeyRow
    pem: str
    hint: str
    reason: str


class RotateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of key.rotate."""

    dir: _Dir = HOME
    reason: Reason
    ticket: Ticket
    purpose: _Purpose = POLICY
    algorithm: Annotated[Algorithm, arg("Kind of the new key.")] = "ecdsa-p256"
    overlap: Annotated[
        str, arg("How long the new key is published before it signs.", metavar="TIME", setting="keys.overlap")
    ] = "7d"


class KeyRotated(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.key.rotate@1"):
    """Result of key.rotate; `statement` is where the old key says so, None when no key could."""

    old: KeyRow | None
    new: KeyRow
    statement: str | None
    trust: str


class RevokeKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of key.revoke."""

    keyid: Annotated[str, arg("Id of the key, or how it begins.", positional=True, metavar="KEYID")]
    dir: _Dir = HOME
    reason: Reason
    ticket: Ticket
    since: Annotated[str | None, arg("Time from which on nobody may believe it; now if left out.", metavar="TIME")] = (
        None
    )


class KeyRevoked(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.key.revoke@1"):
    """Result of key.revoke; `signs` is the key that signs for its purpose now, None when there is none."""

    key: KeyRow
    signs: str | None
    trust: str


class AttestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of key.attest."""

    file: Annotated[str, arg("File that the statement is about.", "file_in", positional=True, metavar="FILE")]
    dir: _Dir = HOME
    out: Annotated[str, arg("Attestation to write.", "file_out", metavar="A.sigstore")]
    predicate_type: Annotated[str, arg("Address that names the kind of statement.", metavar="URI")]
    predicate: Annotated[str | None, arg("What is stated: a JSON object.", "file_in", metavar="JSON")] = None
    name: Annotated[str | None, arg("Name of the subject instead of that of the file.", metavar="NAME")] = None
    purpose: _Purpose = POLICY
    keyless: Annotated[
        bool, arg("Sign as who the token of `client.token` says that you are, with a certificate of ten minutes.")
    ] = False


class Signer(msgspec.Struct, frozen=True):
    """Who signed: a managed key, or an identity and the issuer that vouched for it."""

    keyid: str
    identity: str | None = None
    issuer: str | None = None


class FileAttested(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.key.attest@1"):
    """Result of key.attest; `sha256` is the subject's."""

    out: str
    subject: str
    sha256: str
    predicate_type: str
    signer: Signer
    signed_at: str


class RenewAttestation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Request of key.renew."""

    file: Annotated[str, arg("Attestation to sign again.", "file_in", positional=True, metavar="FILE")]
    dir: _Dir = HOME
    out: Annotated[str, arg("Attestation to write.", "file_out", metavar="A.sigstore")]
    purpose: _Purpose = POLICY
    identity: Annotated[tuple[str, ...], arg("Who may have signed it without a key.", metavar="URI")] = ()
    issuer: Annotated[
        tuple[str, ...], arg("Who vouched for that; one for each identity, in their order.", metavar="URL")
    ] = ()


class AttestationRenewed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.key.renew@1"):
    """Result of key.renew; `was` is who signed before, and when."""

    out: str
    predicate_type: str
    was: Signer
    was_signed_at: str
    signer: Signer
    signed_at: str
