"""NaCl's secretbox, XSalsa20 and Poly1305, for key files of a few hundred bytes (Bernstein: Salsa20; XSalsa20, NaCl).

Rules:
- Only additions, exclusive ors and rotations: nothing here branches on, or looks up by, a secret.
- A message is small; each block of 64 bytes costs about a tenth of a millisecond.
"""

from __future__ import annotations

import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.poly1305 import Poly1305

KEY, NONCE, TAG, BLOCK = 32, 24, 16, 64  # bytes
_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_WORD = 0xFFFFFFFF
# The quarter rounds of a double round: columns, then rows; target words by their place.
_QUARTERS = (
    (0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
    (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14),
)  # fmt: skip


def _rounds(state: list[int]) -> list[int]:
    """Twenty rounds of Salsa20 over sixteen words."""
    words = list(state)
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            for target, left, right, turn in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
                total = (words[left] + words[right]) & _WORD
                words[target] ^= ((total << turn) | (total >> (32 - turn))) & _WORD
    return words


def _state(key: bytes, middle: bytes) -> list[int]:
    """The sixteen words that a key and sixteen bytes make."""
    k, n = struct.unpack("<8I", key), struct.unpack("<4I", middle)
    return [_SIGMA[0], *k[:4], _SIGMA[1], *n, _SIGMA[2], *k[4:], _SIGMA[3]]


def _stream(key: bytes, nonce: bytes, length: int) -> bytes:
    """XSalsa20 keystream."""
    mixed = _rounds(_state(key, nonce[:16]))
    inner = struct.pack("<8I", *(mixed[place] for place in (0, 5, 10, 15, 6, 7, 8, 9)))
    blocks = []
    for number in range((length + BLOCK - 1) // BLOCK):
        state = _state(inner, nonce[16:] + number.to_bytes(8, "little"))
        blocks.append(struct.pack("<16I", *((a + b) & _WORD for a, b in zip(_rounds(state), state, strict=True))))
    return b"".join(blocks)[:length]


def _xor(data: bytes, stream: bytes) -> bytes:
    return (int.from_bytes(data) ^ int.from_bytes(stream)).to_bytes(len(data))


def seal(message: bytes, nonce: bytes, key: bytes) -> bytes:
    """Tag and ciphertext. `nonce` has 24 bytes, `key` 32."""
    stream = _stream(key, nonce, KEY + len(message))
    hidden = _xor(message, stream[KEY:])
    return Poly1305.generate_tag(stream[:KEY], hidden) + hidden


def open_(box: bytes, nonce: bytes, key: bytes) -> bytes | None:
    """The message; None when the key or nonce is another one or a byte was changed."""
    tag, hidden = box[:TAG], box[TAG:]
    stream = _stream(key, nonce, KEY + len(hidden))
    try:
        Poly1305.verify_tag(stream[:KEY], hidden, tag)
    except InvalidSignature:
        return None
    return _xor(hidden, stream[KEY:])
