"""Dead Simple Signing Envelopes (DSSE 1.0.2): what is signed is the pre-authentication encoding of type and payload.

Rules:
- A signature is over PAE(type, payload), never over the payload or its base64 form alone.
- `keyid` is a hint and is never trusted; one key counts once however often it signs.
- Only the payload bytes that were verified are handed out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from stella.kernel.canonical import dump, parse
from stella.kernel.errors import BadSignature, BelowThreshold, KeyUnknown, NotJson, WrongPayloadType

MAX_SIGNATURES = 64  # bounds work on a hostile envelope

MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"


class Verifier(Protocol):
    """A public key: `keyid` is the SHA-256 of its SubjectPublicKeyInfo in hex."""

    @property
    def keyid(self) -> str: ...

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` is by this key over `data`."""
        ...


class Signer(Protocol):
    """A private key that signs bytes."""

    @property
    def keyid(self) -> str: ...

    def sign(self, data: bytes) -> bytes: ...


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature of an envelope, base64."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"payload_type": "payloadType"}):
    """The JSON form of a DSSE envelope; `payload` is base64."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]


class Verified(msgspec.Struct, frozen=True):
    """What an envelope proved: the payload bytes and the ids of the trusted keys that signed them."""

    payload: bytes
    keyids: tuple[str, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding (DSSE protocol, section 'Signature definition')."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, signers: Sequence[Signer]) -> bytes:
    """Envelope bytes in canonical JSON, signatures sorted by key id."""
    data = pae(payload_type, payload)
    made = (Signature(keyid=signer.keyid, sig=base64.b64encode(signer.sign(data)).decode()) for signer in signers)
    signatures = tuple(sorted(made, key=lambda signature: signature.keyid))
    return dump(Envelope(payload=base64.b64encode(payload).decode(), payload_type=payload_type, signatures=signatures))


def _decode(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotJson(what=what, problem=f"not base64: {error}") from None


def verify(data: bytes, payload_type: str, keys: Iterable[Verifier], threshold: int, what: str) -> Verified:
    """Check an envelope and return its payload.

    Raises NotJson, WrongPayloadType, KeyUnknown (no trusted key is involved), BadSignature (a trusted key is named,
    none is valid) or BelowThreshold. `threshold` counts distinct keys and is at least 1.
    """
    envelope = parse(data, Envelope, what)
    if envelope.payload_type != payload_type:
        raise WrongPayloadType(found=envelope.payload_type, expected=payload_type)
    if len(envelope.signatures) > MAX_SIGNATURES:
        raise NotJson(what=what, problem=f"{len(envelope.signatures)} signatures, limit is {MAX_SIGNATURES}")
    payload = _decode(envelope.payload, what)
    signed = pae(payload_type, payload)
    trusted = {key.keyid: key for key in keys}
    signatures = [(signature.keyid, _decode(signature.sig, what)) for signature in envelope.signatures]
    valid = {key.keyid for key in trusted.values() if any(key.verify(raw, signed) for _, raw in signatures)}
    if len(valid) >= max(threshold, 1):
        return Verified(payload=payload, keyids=tuple(sorted(valid)))
    if valid:
        raise BelowThreshold(valid=len(valid), threshold=threshold, what=what)
    named = [keyid for keyid, _ in signatures if keyid in trusted]
    if named:
        raise BadSignature(keyid=named[0][:12], what=what)
    raise KeyUnknown(signatures=len(signatures), trusted=len(trusted))
