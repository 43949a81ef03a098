"""What somebody hostile makes of bundles, keys and lists; each was believed once or might be."""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar

import msgspec
import pytest
from asn1crypto import algos, core
from asn1crypto import keys as asn1_keys

from stella.kernel.errors import NotJson, StellaError
from stella.kernel.instant import format_time
from stella.signing import attestation, secretbox
from stella.signing.errors import UnusableKey, WrongPassphrase
from stella.signing.signing_key import SigningKey
from stella.signing.verification import verify
from tests.signed import DIGEST, KIND, NOW, P256, by_key, demand, trust


def doubled(data: bytes, place: str) -> bytes:
    """A bundle that says something twice; the last of both is the good one."""
    text = data.decode()
    name = json.dumps(place) + ":"
    assert text.count(name) == 1
    return text.replace(name, f"{name}{json.dumps(_first(json.loads(text), place))},{name}").encode()


def _first(document: Any, place: str) -> Any:
    """The value of a name, wherever it stands."""
    if isinstance(document, dict):
        for key, value in document.items():
            found = value if key == place else _first(value, place)
            if found is not None:
                return found
    for one in document if isinstance(document, list) else ():
        if (found := _first(one, place)) is not None:
            return found
    return None


@pytest.mark.parametrize(
    "place", ["mediaType", "dsseEnvelope", "payload", "payloadType", "signatures", "verificationMaterial", "publicKey"]
)
def test_a_bundle_that_says_a_thing_twice_is_read_differently_by_others(place: str) -> None:
    with pytest.raises(NotJson):
        verify(doubled(by_key(), place), trust(), demand())


def test_a_name_that_is_spelled_in_two_ways_is_still_said_twice() -> None:
    twice = by_key().replace(b'"payload":', b'"p\\u0061yload":"e30=","payload":')
    with pytest.raises(NotJson):
        verify(twice, trust(), demand())


@pytest.mark.parametrize(
    "payload",
    [
        (
            b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"verdict":"failed","verdict":"passed"},'
            b'"predicateType":"%s","subject":[{"digest":{"sha256":"%s"},"name":"a"}]}'
        ),
        (
            b'{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"%s",'
            b'"subject":[{"digest":{"sha256":"00","sha256":"%s"},"name":"a"}]}'
        ),
    ],
)
def test_a_statement_that_says_a_thing_twice(payload: bytes) -> None:
    with pytest.raises(NotJson):
        verify(by_key(payload=payload % (KIND.encode(), DIGEST.encode())), trust(), demand())


def test_many_levels_and_long_numbers_are_no_statement() -> None:
    for inner in (b"[" * 100_000 + b"]" * 100_000, b"9" * 100_000):
        payload = (
            b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"a":%s},"predicateType":"%s",'
            b'"subject":[{"digest":{"sha256":"%s"},"name":"a"}]}' % (inner, KIND.encode(), DIGEST.encode())
        )
        with pytest.raises(StellaError):
            verify(by_key(payload=payload), trust(), demand())


@pytest.mark.parametrize("size", [0, 1, 15, 16])
def test_a_box_without_a_whole_tag_does_not_open(size: int) -> None:
    assert secretbox.open_(b"\0" * size, b"n" * secretbox.NONCE, b"k" * secretbox.KEY) is None


class _Scrypt(core.Sequence):
    _fields: ClassVar[list[Any]] = [
        ("salt", core.OctetString),
        ("cost", core.Integer),
        ("size", core.Integer),
        ("lanes", core.Integer),
    ]


def _scrypt(cost: int, size: int, lanes: int) -> core.Sequence:
    return _Scrypt({"salt": b"s" * 8, "cost": cost, "size": size, "lanes": lanes})


def pkcs8(**changes: Any) -> bytes:
    """Encrypted PKCS#8 whose key derivation is as dear as its writer wants."""
    kdf = {"iterations": 2000} | changes
    scrypt = kdf.pop("scrypt", None)
    derive = (
        {"algorithm": "1.3.6.1.4.1.11591.4.11", "parameters": core.Any(_scrypt(*scrypt))}
        if scrypt
        else {
            "algorithm": "pbkdf2",
            "parameters": algos.Pbkdf2Params(
                {
                    "salt": algos.Pbkdf2Salt(name="specified", value=b"s" * 8),
                    "iteration_count": kdf["iterations"],
                    "prf": {"algorithm": "sha256"},
                }
            ),
        }
    )
    made = asn1_keys.EncryptedPrivateKeyInfo(
        {
            "encryption_algorithm": {
                "algorithm": "pbes2",
                "parameters": algos.Pbes2Params(
                    {
                        "key_derivation_func": derive,
                        "encryption_scheme": {"algorithm": "aes256_cbc", "parameters": core.OctetString(b"i" * 16)},
                    }
                ),
            },
            "encrypted_data": b"c" * 144,
        }
    )
    body = base64.encodebytes(made.dump())
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + body + b"-----END ENCRYPTED PRIVATE KEY-----\n"


def test_a_key_file_in_pkcs8_cannot_choose_a_cost_that_takes_hours() -> None:
    with pytest.raises(WrongPassphrase):
        SigningKey.from_pem(pkcs8(), b"correct horse", "k.pem")
    for given in ({"iterations": 50_000_000}, {"iterations": 2**31 - 1}):
        with pytest.raises(UnusableKey, match="cost"):
            SigningKey.from_pem(pkcs8(**given), b"correct horse", "k.pem")
    for cost in ((2**24, 8, 64), (2**14, 2**16, 1), (2**14, 8, 2**20), (-1, 8, 1)):
        with pytest.raises(UnusableKey, match="cost"):
            SigningKey.from_pem(pkcs8(scrypt=cost), b"correct horse", "k.pem")
    with pytest.raises(WrongPassphrase):
        SigningKey.from_pem(pkcs8(scrypt=(2**14, 8, 1)), b"correct horse", "k.pem")


def test_a_subject_counts_by_its_sha256_alone() -> None:
    payload = json.loads(attestation.statement(KIND, {"a": "00" * 32}, {}))
    payload["subject"][0]["digest"]["sha512"] = DIGEST
    with pytest.raises(StellaError):
        verify(by_key(payload=json.dumps(payload).encode()), trust(), demand())


def test_the_second_of_the_revocation_is_revoked_and_that_of_the_end_is_over() -> None:
    from tests.signed import entry

    for changes in ({"revoked": format_time(NOW)}, {"not_after": format_time(NOW)}):
        with pytest.raises(StellaError):
            verify(by_key(), trust(msgspec.structs.replace(entry(P256), **changes)), demand())
