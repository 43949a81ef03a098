"""Cosign's encrypted PEM and the secretbox in it: known answers, and nothing that a file could ask for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stella.signing import cosign_pem, secretbox
from stella.signing.errors import UnusableKey, WrongPassphrase
from stella.signing.signing_key import SigningKey
from stella.testing import counted_entropy

# tests/secretbox.c of NaCl 20110221
KEY = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
MESSAGE = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffc"
    "e5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb31"
    "0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde"
    "048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705"
)
BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce"
    "48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c972"
    "71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae"
    "90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b3"
    "7973f622a43d14a6599b1f654cb45a74e355a5"
)
WORDS = b"correct horse"


@pytest.fixture
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosign_pem, "COST", 2)
    monkeypatch.setattr(cosign_pem, "COSTS", frozenset({2}))


def test_the_known_answer_of_nacl() -> None:
    assert secretbox.seal(MESSAGE, NONCE, KEY) == BOX
    assert secretbox.open_(BOX, NONCE, KEY) == MESSAGE


@given(st.binary(max_size=200), st.binary(min_size=24, max_size=24), st.binary(min_size=32, max_size=32), st.data())
@settings(max_examples=40)
def test_a_box_opens_whole_or_not_at_all(message: bytes, nonce: bytes, key: bytes, data: st.DataObject) -> None:
    box = secretbox.seal(message, nonce, key)
    assert secretbox.open_(box, nonce, key) == message
    place = data.draw(st.integers(0, len(box) - 1))
    assert secretbox.open_(box[:place] + bytes([box[place] ^ 1]) + box[place + 1 :], nonce, key) is None
    assert secretbox.open_(box[:15], nonce, key) is None


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ed25519"])
def test_a_key_at_the_cost_of_cosign(algorithm: Any) -> None:
    entropy = counted_entropy("pem")
    key = SigningKey.generate(entropy, algorithm)
    pem = key.to_pem(WORDS, entropy)
    assert pem.startswith(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    assert max(map(len, pem.splitlines())) <= 64
    found = json.loads(base64.b64decode(b"".join(pem.splitlines()[1:-1])))
    assert found["kdf"]["params"] == {"N": 65536, "r": 8, "p": 1}
    assert found["cipher"]["name"] == "nacl/secretbox"
    assert SigningKey.from_pem(pem, WORDS, "k").keyid == key.keyid


@pytest.mark.usefixtures("_cheap")
def test_another_passphrase_and_the_older_label() -> None:
    entropy = counted_entropy("pem")
    pem = SigningKey.generate(entropy).to_pem(WORDS, entropy)
    with pytest.raises(WrongPassphrase):
        SigningKey.from_pem(pem, b"another", "k")
    with pytest.raises(ValueError, match="passphrase"):
        SigningKey.generate(entropy).to_pem(b"", entropy)
    older = pem.replace(b"SIGSTORE", b"COSIGN")
    assert SigningKey.from_pem(older, WORDS, "k").keyid == SigningKey.from_pem(pem, WORDS, "k").keyid


def bent(**changes: Any) -> bytes:
    entropy = counted_entropy("pem")
    pem = SigningKey.generate(entropy).to_pem(WORDS, entropy)
    document = json.loads(base64.b64decode(b"".join(pem.splitlines()[1:-1])))
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        place[name] = value
    body = base64.b64encode(json.dumps(document).encode()).decode()
    return f"-----BEGIN {cosign_pem.LABELS[0]}-----\n{body}\n-----END {cosign_pem.LABELS[0]}-----\n".encode()


BENT: list[dict[str, Any]] = [
    {"kdf__params__N": 1 << 30},
    {"kdf__params__N": 0},
    {"kdf__params__r": 1 << 20},
    {"kdf__params__p": 1 << 20},
    {"kdf__name": "none"},
    {"kdf__salt": ""},
    {"cipher__name": "nacl/none"},
    {"cipher__nonce": "AAAA"},
    {"kdf__params__N": "2"},
    {"extra": 1},
]


@pytest.mark.usefixtures("_cheap")
@pytest.mark.parametrize("changes", BENT, ids=str)
def test_a_file_cannot_choose_its_cost_or_cipher(changes: dict[str, Any]) -> None:
    assert SigningKey.from_pem(bent(), WORDS, "k").public.algorithm == "ecdsa-p256"
    with pytest.raises(UnusableKey):
        SigningKey.from_pem(bent(**changes), WORDS, "k")


@given(st.binary(max_size=300))
def test_any_bytes_are_no_key(data: bytes) -> None:
    for pem in (data, b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----" + data):
        with pytest.raises((UnusableKey, WrongPassphrase)):
            SigningKey.from_pem(pem, WORDS, "k")
    with pytest.raises(WrongPassphrase):
        SigningKey.from_pem(bytes(20_000), WORDS, "k")
