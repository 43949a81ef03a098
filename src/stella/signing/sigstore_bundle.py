"""Sigstore bundles v0.3 as bytes: one DSSE envelope, who signed it, and proofs of time (sigstore/protobuf-specs).

Rules:
- One media type, one envelope, one signature, and a public key's hint or one certificate, never both.
- Base64 has one spelling. An unknown field is refused, and a name that is said twice, so that nothing is passed over
  that another reader would see.
- Reading judges the form alone. Who may sign is `verification`'s question.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

import msgspec

from stella.kernel.canonical import dump_whole, parse, parse_once
from stella.signing.errors import (
    BadSigstoreBundle,
    SignatureMalformed,
    SignaturesNotOne,
    SigstoreBundleTooLarge,
)

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_SIZE = 4 << 20  # bytes; a statement lists findings, not data
MAX_TIMESTAMPS = 8  # each is verified
MAX_ENTRIES = 32  # of a log
MAX_SIGNATURE = 128  # bytes; ECDSA on P-256 has at most 72 in DER
MAX_CERTIFICATE = 16 * 1024  # bytes; one of ours has about 700


class _Hint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hint: str


class _Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    raw_bytes: str


class _Timestamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    signed_timestamp: str


class _Timestamps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rfc3161Timestamps: tuple[_Timestamp, ...] = ()  # noqa: N815  # the name on the wire


class _Material(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    public_key: _Hint | None = None
    certificate: _Certificate | None = None
    tlog_entries: tuple[dict[str, object], ...] = ()
    timestamp_verification_data: _Timestamps | None = None


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    payload: str
    payload_type: str
    signatures: tuple[_Signature, ...]


class _Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    media_type: str
    verification_material: _Material
    dsse_envelope: _Envelope


class _Kind(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str = ""


class SigstoreBundle(NamedTuple):
    """What a bundle holds, decoded. One of `hint` and `certificate` (DER) is there; `timestamps` are DER responses."""

    payload_type: str
    payload: bytes
    signature: bytes
    hint: str | None
    certificate: bytes | None
    timestamps: tuple[bytes, ...]
    log_entries: int


def is_one(data: bytes) -> bool:
    """Whether bytes say that they are a Sigstore bundle, of whatever version."""
    try:
        found = msgspec.json.decode(data[: MAX_SIZE + 1], type=_Kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return found.media_type.startswith("application/vnd.dev.sigstore.bundle")


def write(bundle: SigstoreBundle) -> bytes:
    """Canonical JSON of a bundle; a bundle without entries of a log says so with an empty list, as readers expect."""
    material: dict[str, object] = {"tlogEntries": []}
    if bundle.certificate is not None:
        material["certificate"] = {"rawBytes": _encode(bundle.certificate)}
    else:
        material["publicKey"] = {"hint": bundle.hint}
    stamps = [{"signedTimestamp": _encode(stamp)} for stamp in bundle.timestamps]
    material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
    envelope = {
        "payload": _encode(bundle.payload),
        "payloadType": bundle.payload_type,
        "signatures": [{"sig": _encode(bundle.signature)}],
    }
    return dump_whole({"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope})


def read(data: bytes, what: str) -> SigstoreBundle:
    """Parse a bundle.

    Raises SigstoreBundleTooLarge, NotJson, BadSigstoreBundle, SignaturesNotOne or SignatureMalformed, naming `what`.
    """
    if len(data) > MAX_SIZE:
        raise SigstoreBundleTooLarge(what=what, size=len(data), limit=MAX_SIZE)
    kind = parse(data, _Kind, what).media_type
    if kind != MEDIA_TYPE:
        raise BadSigstoreBundle(what=what, problem=f"its type is `{ascii(kind)[1:-1][:80]}`, not `{MEDIA_TYPE}`")
    found = parse_once(data, _Bundle, what)
    material, envelope = found.verification_material, found.dsse_envelope
    if len(envelope.signatures) != 1:
        raise SignaturesNotOne(what=what, count=len(envelope.signatures))
    if (material.public_key is None) == (material.certificate is None):
        raise BadSigstoreBundle(what=what, problem="it names a key or a certificate, and never both")
    stamps = material.timestamp_verification_data.rfc3161Timestamps if material.timestamp_verification_data else ()
    if len(stamps) > MAX_TIMESTAMPS or len(material.tlog_entries) > MAX_ENTRIES:
        raise BadSigstoreBundle(what=what, problem="it carries more proofs than are ever checked")
    return SigstoreBundle(
        payload_type=envelope.payload_type,
        payload=_decode(envelope.payload, what),
        signature=_signature(envelope.signatures[0].sig, what),
        hint=material.public_key.hint if material.public_key else None,
        certificate=_decode(material.certificate.raw_bytes, what) if material.certificate else None,
        timestamps=tuple(_decode(stamp.signed_timestamp, what) for stamp in stamps),
        log_entries=len(material.tlog_entries),
    )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _canonical(text: str) -> bytes | None:
    """The bytes of base64 in its one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _encode(data) == text else None


def _decode(text: str, what: str) -> bytes:
    data = _canonical(text)
    if data is None:
        raise BadSigstoreBundle(what=what, problem="a part of it is not base64 in its one spelling")
    return data


def _signature(text: str, what: str) -> bytes:
    data = _canonical(text)
    if data is None:
        raise SignatureMalformed(what=what, problem="it is not base64 in its one spelling")
    if not 0 < len(data) <= MAX_SIGNATURE:
        raise SignatureMalformed(what=what, problem=f"{len(data)} bytes, at least 1 and at most {MAX_SIGNATURE}")
    return data
