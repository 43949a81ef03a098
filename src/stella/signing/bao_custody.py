"""Private keys inside OpenBao: its transit engine makes them, signs with them, and gives none of them away.

Rules:
- Each key is a transit key of its own, not exportable, so that a policy of OpenBao can name who may sign with it.
- A signature is checked here with the public half before it is used: what another key signed is never written.
"""

from __future__ import annotations

import base64
import binascii

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from stella.runtime.errors import BaoRefused
from stella.runtime.openbao import OpenBao
from stella.runtime.ports import Entropy
from stella.signing.custody import Kept
from stella.signing.verifying_key import VerifyingKey
from stella.signing.vocabulary import Algorithm

BAO = "bao:"
_KINDS: dict[Algorithm, str] = {"ecdsa-p256": "ecdsa-p256", "ed25519": "ed25519"}


class _Version(msgspec.Struct, frozen=True):
    public_key: str


class _Key(msgspec.Struct, frozen=True):
    keys: dict[str, _Version]


class _Signed(msgspec.Struct, frozen=True):
    signature: str


class BaoCustody:
    """Keys of the transit engine at `mount`. Handles are `bao:MOUNT/NAME`."""

    def __init__(self, bao: OpenBao, mount: str, entropy: Entropy) -> None:
        self._bao = bao
        self._mount = mount
        self._entropy = entropy
        self._public: dict[str, VerifyingKey] = {}

    def make(self, algorithm: Algorithm, purpose: str) -> Kept:
        """Make a key; raises as OpenBao does."""
        name = f"stella-{purpose}-{self._entropy(8).hex()}"
        if self._bao.find(f"{self._mount}/keys/{name}") is not None:  # it would be taken for the new one
            raise BaoRefused(path=f"{self._mount}/keys/{name}", problem="a key of that name is there")
        self._bao.call("POST", f"{self._mount}/keys/{name}", {"type": _KINDS[algorithm], "exportable": False})
        handle = f"{BAO}{self._mount}/{name}"
        public = self._known(handle)
        if public.algorithm != algorithm:
            raise BaoRefused(path=f"{self._mount}/keys/{name}", problem="its answer holds a key of another kind")
        return Kept(handle, public)

    def sign(self, handle: str, data: bytes) -> bytes:
        mount, name = self._split(handle)
        body = {
            "input": base64.b64encode(data).decode(),
            "hash_algorithm": "sha2-256",
            "marshaling_algorithm": "asn1",
            "key_version": 1,
        }
        answer = self._bao.call("POST", f"{mount}/sign/{name}", body)
        try:
            signature = base64.b64decode(msgspec.convert(answer, _Signed).signature.split(":")[2], validate=True)
        except (msgspec.ValidationError, IndexError, binascii.Error, ValueError):
            raise BaoRefused(path=f"{mount}/sign/{name}", problem="its answer holds no signature") from None
        if not self._known(handle).verify(signature, data):
            raise BaoRefused(path=f"{mount}/sign/{name}", problem="its signature is by another key")
        return signature

    def forget(self, handle: str) -> None:
        mount, name = self._split(handle)
        self._public.pop(handle, None)
        if self._bao.find(f"{mount}/keys/{name}") is None:
            return
        self._bao.call("POST", f"{mount}/keys/{name}/config", {"deletion_allowed": True})
        self._bao.call("DELETE", f"{mount}/keys/{name}")

    def _known(self, handle: str) -> VerifyingKey:
        """The public half, asked for once."""
        if handle not in self._public:
            mount, name = self._split(handle)
            answer = self._bao.call("GET", f"{mount}/keys/{name}")
            try:
                text = msgspec.convert(answer, _Key).keys["1"].public_key
                self._public[handle] = _read(text, handle)
            except (msgspec.ValidationError, KeyError, ValueError, UnsupportedAlgorithm):
                raise BaoRefused(path=f"{mount}/keys/{name}", problem="its answer holds no public key") from None
        return self._public[handle]

    @staticmethod
    def _split(handle: str) -> tuple[str, str]:
        mount, slash, name = handle.removeprefix(BAO).rpartition("/")
        if not handle.startswith(BAO) or not slash:
            raise BaoRefused(path=handle, problem="it is not a key of OpenBao")
        return mount, name


def _read(text: str, what: str) -> VerifyingKey:
    """A public key as OpenBao writes it: PEM for P-256, base64 of 32 bytes for Ed25519."""
    if text.startswith("-----BEGIN"):
        return VerifyingKey.from_pem(text.encode(), what)
    raw = Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    spki = raw.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return VerifyingKey(spki, what)
