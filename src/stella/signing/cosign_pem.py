"""The PEM that cosign keeps private keys in: scrypt and secretbox in JSON (go-securesystemslib `encrypted`).

Rules:
- The cost of scrypt is one of those that cosign has written; a file cannot ask for more memory or time.
- What is inside is a private key in PKCS#8.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

from stella.runtime.ports import Entropy
from stella.signing import secretbox
from stella.signing.errors import UnusableKey, WrongPassphrase

LABELS = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")  # since 2.0, and before
COST = 65536  # N of scrypt with r = 8 and p = 1: 64 MiB, a fifth of a second
COSTS = frozenset({32768, 65536, 131072})
MAX_MEMORY = 256 << 20
SALT = 32  # bytes
LINE = 64  # characters of base64 in a line of PEM (RFC 7468)


class _Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    N: int
    r: int
    p: int


class _Kdf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    params: _Params
    salt: bytes


class _Cipher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    nonce: bytes


class _Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kdf: _Kdf
    cipher: _Cipher
    ciphertext: bytes


def is_one(pem: bytes) -> bool:
    """Whether it says that it is such a file."""
    return any(f"-----BEGIN {label}-----".encode() in pem for label in LABELS)


def encrypt(der: bytes, passphrase: bytes, entropy: Entropy) -> bytes:
    """PEM of a private key in PKCS#8; raises ValueError on an empty passphrase."""
    if not passphrase:
        raise ValueError("a private key is not written without a passphrase")
    salt, nonce = entropy(SALT), entropy(secretbox.NONCE)
    hidden = secretbox.seal(der, nonce, _derive(passphrase, salt, COST))
    box = _Box(_Kdf("scrypt", _Params(COST, 8, 1), salt), _Cipher("nacl/secretbox", nonce), hidden)
    text = base64.b64encode(msgspec.json.encode(box)).decode()
    lines = [text[start : start + LINE] for start in range(0, len(text), LINE)]
    return "\n".join([f"-----BEGIN {LABELS[0]}-----", *lines, f"-----END {LABELS[0]}-----", ""]).encode()


def decrypt(pem: bytes, passphrase: bytes, what: str) -> bytes:
    """The private key in PKCS#8, DER; raises UnusableKey or WrongPassphrase naming `what`."""
    box = _read(pem, what)
    params = box.kdf.params
    if (box.kdf.name, box.cipher.name, params.r, params.p) != ("scrypt", "nacl/secretbox", 8, 1):
        raise UnusableKey(what=what, problem="it is encrypted in another way than cosign does")
    if params.N not in COSTS or len(box.kdf.salt) != SALT or len(box.cipher.nonce) != secretbox.NONCE:
        raise UnusableKey(what=what, problem="cost, salt or nonce are not those that cosign uses")
    der = secretbox.open_(box.ciphertext, box.cipher.nonce, _derive(passphrase, box.kdf.salt, params.N))
    if der is None:
        raise WrongPassphrase(path=what, problem="wrong passphrase or damaged file")
    return der


def _derive(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(passphrase, salt=salt, n=cost, r=8, p=1, maxmem=MAX_MEMORY, dklen=secretbox.KEY)


def _read(pem: bytes, what: str) -> _Box:
    label = next((label for label in LABELS if f"-----BEGIN {label}-----".encode() in pem), LABELS[0])
    body = pem.partition(f"-----BEGIN {label}-----".encode())[2].partition(f"-----END {label}-----".encode())[0]
    try:
        return msgspec.json.decode(base64.b64decode(b"".join(body.split()), validate=True), type=_Box)
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UnusableKey(what=what, problem="its PEM is damaged") from None
