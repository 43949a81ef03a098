"""Encrypted private keys in PKCS#8 (RFC 5958, RFC 8018): what opening one would cost, before it is opened.

Rules:
- A file cannot ask for more time or memory than a key file needs.
- The very bytes that were judged are those that are opened.
"""

from __future__ import annotations

import base64

LABEL = "ENCRYPTED PRIVATE KEY"
SCRYPT = "1.3.6.1.4.1.11591.4.11"  # RFC 7914 section 7
MAX_ITERATIONS = 10_000_000  # of PBKDF2; a few seconds, and ten times what anybody recommends
MAX_COST = 1 << 20  # N of scrypt; with r = 8 it takes 1 GiB, which is the most that RFC 7914 gives as an example
MAX_WORK = 16 << 20  # N * r * p


class Dear(ValueError):
    """Opening it costs too much, or nobody knows how much; the text says which."""


def is_one(pem: bytes) -> bool:
    """Whether it says that it is such a file."""
    return f"-----BEGIN {LABEL}-----".encode() in pem


def judged(pem: bytes) -> bytes:
    """The first such key of a PEM file in DER; raises Dear, or ValueError for a damaged one."""
    body = pem.partition(f"-----BEGIN {LABEL}-----".encode())[2].partition(f"-----END {LABEL}-----".encode())[0]
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
        problem = _problem(der)
    except Exception:  # noqa: BLE001  # a parser fed with hostile bytes; whatever it raises means the same
        raise ValueError("it is damaged") from None
    if problem:
        raise Dear(problem)
    return der


def _problem(der: bytes) -> str:
    from asn1crypto import core, keys  # noqa: PLC0415  # most keys are kept in another form

    algorithm = keys.EncryptedPrivateKeyInfo.load(der, strict=True)["encryption_algorithm"]
    if algorithm["algorithm"].native != "pbes2":
        return "it is not encrypted with PBES2"
    derive = algorithm["parameters"]["key_derivation_func"]
    if derive["algorithm"].native == "pbkdf2":
        dear = not 0 < derive["parameters"]["iteration_count"].native <= MAX_ITERATIONS
    elif derive["algorithm"].dotted == SCRYPT:
        cost, size, lanes = list(core.Sequence.load(derive["parameters"].dump()).native.values())[1:4]
        dear = min(cost, size, lanes) < 1 or cost > MAX_COST or cost * size * lanes > MAX_WORK
    else:
        return "its key derivation is neither PBKDF2 nor scrypt"
    return "the cost of its key derivation is out of bounds" if dear else ""
