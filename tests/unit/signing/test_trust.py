"""What a trust folder says: the list of keys and their states, the trusted root, and what is no trust."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.errors import NotCanonical, NotJson
from stella.kernel.instant import format_time
from stella.signing import key_list, trust_folder, trusted_root
from stella.signing.errors import BadTrust, UnusableKey
from stella.signing.key_list import ANY, MAX_KEYS, KeyList, ListedKey
from stella.signing.keys import ORDER_8_Y
from stella.signing.signing_key import SigningKey
from stella.signing.trusted_root import MEDIA_TYPE, TrustedRoot
from stella.signing.verifying_key import VerifyingKey
from stella.testing import MemoryFolder, counted_entropy
from tests import signed
from tests.signed import ED25519, NOW, P256, changed, entry

# The list of keys


@pytest.mark.parametrize(
    ("begins", "ends", "revoked", "state"),
    [
        (-5, None, None, "active"),
        (0, None, None, "active"),
        (1, None, None, "next"),
        (-5, 1, None, "active"),
        (-5, 0, None, "retired"),
        (5, 5, None, "retired"),
        (5, 9, None, "next"),
        (-5, None, 0, "revoked"),
        (-5, -1, -1, "revoked"),
        (5, None, -1, "revoked"),
    ],
)
def test_the_state_follows_from_the_times(begins: int, ends: int | None, revoked: int | None, state: str) -> None:
    times = {"not_before": begins, "not_after": ends, "revoked": revoked}
    key = entry(P256, **{name: None if at is None else format_time(NOW + at) for name, at in times.items()})
    assert key.state(NOW) == state


moves = st.lists(st.tuples(st.sampled_from(["rotate", "revoke", "wait"]), st.integers(0, 9)), max_size=12)


@given(moves)
def test_at_most_one_key_signs_at_any_time(steps: list[tuple[str, int]]) -> None:
    entropy, now = counted_entropy("list"), NOW
    keys: tuple[ListedKey, ...] = (key_list.listed(SigningKey.generate(entropy, "ed25519").public, "policy", now),)
    for step, amount in steps:
        if step == "wait":
            now += amount
        elif step == "revoke":
            keys = key_list.revoked(keys, keys[amount % len(keys)].keyid, now, "why")
        else:
            old = key_list.active(keys, "policy", now)
            new = key_list.listed(
                SigningKey.generate(entropy, "ed25519").public, "policy", now if old is None else now + amount
            )
            keys = key_list.rotated(keys, new, now)
        key_list.check(KeyList(serial=1, keys=keys), "list")
        for at in range(now, now + 25):
            assert sum(key.state(at) == "active" for key in keys) <= 1


def whole() -> KeyList:
    return KeyList(serial=3, keys=(entry(P256), entry(ED25519, purpose="sdk")))


def test_a_list_is_read_as_it_was_written() -> None:
    data = key_list.write(whole())
    assert key_list.read(data) == whole()
    with pytest.raises(NotCanonical):
        key_list.read(data + b"\n")
    with pytest.raises(NotJson):
        key_list.read(b"{}")
    with pytest.raises(BadTrust):
        key_list.read(b" " * (key_list.MAX_SIZE + 1))


SMALL = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00" + ORDER_8_Y.to_bytes(32, "little")
WRONG: dict[str, dict[str, Any]] = {
    "another id": {"keyid": ED25519.keyid},
    "another algorithm": {"algorithm": "ed25519"},
    "no base64": {"public": "!"},
    "no key": {"public": "AAAA"},
    "a key of small order": {"public": base64.b64encode(SMALL).decode(), "algorithm": "ed25519"},
    "no time": {"not_before": "yesterday"},
    "an end before the beginning": {"not_after": "2020-01-01T00:00:00Z"},
    "a time that is none": {"revoked": "never"},
    "no purpose": {"purpose": ""},
    "every purpose": {"purpose": ANY},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_a_key_that_cannot_be_listed(changes: dict[str, Any]) -> None:
    bent = msgspec.structs.replace(whole(), keys=(entry(P256, **changes),))
    with pytest.raises(BadTrust):
        key_list.read(key_list.write(bent))


def test_a_list_that_is_too_long_or_names_a_key_twice() -> None:
    for keys in ((entry(P256),) * 2, (entry(P256),) * (MAX_KEYS + 1)):
        with pytest.raises(BadTrust):
            key_list.check(KeyList(serial=1, keys=keys), "list")


# Public keys


def test_a_public_key_has_one_spelling() -> None:
    spki = P256.public.spki
    point = spki[-64:]
    compressed = (
        b"\x30\x39\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x22\x00"
        + bytes([2 + point[-1] % 2])
        + point[:32]
    )
    for wrong in (compressed, spki + b"\x00", spki[:-1], b"", bytes(2000), SMALL):
        with pytest.raises(UnusableKey):
            VerifyingKey(wrong)
    assert VerifyingKey.from_pem(P256.public.to_pem(), "k").keyid == P256.keyid
    assert VerifyingKey.from_text(base64.b64encode(spki).decode()).keyid == P256.keyid
    assert VerifyingKey.from_text(base64.b64encode(ED25519.public.spki[-32:]).decode()).keyid == ED25519.keyid
    for text in ("", "!", "AAAA", base64.b64encode(bytes(32)).decode()):
        with pytest.raises(UnusableKey):
            VerifyingKey.from_text(text)
    with pytest.raises(UnusableKey):
        VerifyingKey.from_pem(b"-----BEGIN PUBLIC KEY-----", "k")


# The trusted root


def test_a_root_is_read_as_it_was_written() -> None:
    data = trusted_root.write(signed.ROOT)
    assert trusted_root.read(data) == signed.ROOT
    document = json.loads(data)
    assert document["mediaType"] == MEDIA_TYPE
    assert (document["tlogs"], document["ctlogs"]) == ([], [])
    chain = document["timestampAuthorities"][0]["certChain"]["certificates"]
    assert base64.b64decode(chain[0]["rawBytes"]) == signed.AUTHORITY.certificate, "leaf first"
    assert trusted_root.read(trusted_root.write(TrustedRoot())) == TrustedRoot()


def test_times_of_other_writers() -> None:
    def change(document: Any) -> None:
        document["certificateAuthorities"][0]["validFor"] = {"start": "2026-01-01T00:00:00.123Z"}

    found = trusted_root.read(changed(trusted_root.write(signed.ROOT), change))
    assert (found.certifiers[0].begin, found.certifiers[0].end) == (NOW, 253402300799)


def first(document: Any) -> Any:
    return document["certificateAuthorities"][0]


BENT: dict[str, Callable[[Any], object]] = {
    "another type": lambda d: d.update(mediaType="application/json"),
    "a log": lambda d: d.update(tlogs=[{}]),
    "a log of certificates": lambda d: d.update(ctlogs=[{}]),
    "too many": lambda d: d.update(certificateAuthorities=d["certificateAuthorities"] * 33),
    "no chain": lambda d: first(d)["certChain"].update(certificates=[]),
    "a long chain": lambda d: first(d)["certChain"].update(certificates=first(d)["certChain"]["certificates"] * 3),
    "no certificate": lambda d: first(d)["certChain"].update(certificates=[{"rawBytes": "AAAA"}]),
    "a huge certificate": lambda d: first(d)["certChain"].update(certificates=[{"rawBytes": "A" * 30_000}]),
    "no base64": lambda d: first(d)["certChain"].update(certificates=[{"rawBytes": "!"}]),
    "no time": lambda d: first(d).update(validFor={"start": "x"}),
    "an end before the beginning": lambda d: first(d).update(
        validFor={"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
    ),
}


@pytest.mark.parametrize("change", BENT.values(), ids=BENT)
def test_a_root_that_cannot_be_used(change: Callable[[Any], object]) -> None:
    with pytest.raises(BadTrust):
        trusted_root.read(changed(trusted_root.write(signed.ROOT), change))


@given(st.binary(max_size=200))
def test_any_bytes_are_no_root(data: bytes) -> None:
    with pytest.raises((NotJson, BadTrust)):
        trusted_root.read(data)
    with pytest.raises(BadTrust):
        trusted_root.read(b" " * (trusted_root.MAX_SIZE + 1))


# The folder


def test_one_of_two_files_is_enough_and_none_is_not() -> None:
    folder = MemoryFolder()
    with pytest.raises(BadTrust, match="neither"):
        trust_folder.read(folder, "T")
    folder.write("keys.json", key_list.write(whole()))
    assert trust_folder.read(folder, "T") == (whole().keys, TrustedRoot())
    folder.write("trusted_root.json", trusted_root.write(signed.ROOT))
    assert trust_folder.read(folder, "T") == (whole().keys, signed.ROOT)
    folder.remove("keys.json")
    assert trust_folder.read(folder, "T") == ((), signed.ROOT)
