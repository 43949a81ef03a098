"""Attestations are read only when a given key signed them, and only as the kind that they are."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stella.attest import statement
from stella.attest.errors import NoStatement, NotSigned, PredicateDiffers
from stella.attest.model import TENANCY, Core, Verdict
from stella.kernel import dsse
from stella.kernel.canonical import dump
from stella.kernel.errors import BadSignature, Exit, KeyUnknown, NotCanonical, NotJson, WrongPayloadType
from stella.kernel.statement import PAYLOAD_TYPE
from stella.signing.keys import PrivateKey
from stella.testing import counted_entropy

KEY, OTHER = (PrivateKey.generate(counted_entropy(name)) for name in ("a", "b"))
DIGEST = "ab" * 32


def core(verdict: Verdict = "passed") -> Core:
    return Core(release="1.2.3", made="2026-01-31T12:00:00Z", verdict=verdict)


def signed(payload: object, kind: str = PAYLOAD_TYPE) -> bytes:
    """An envelope over any JSON, by the right key."""
    return dsse.sign(kind, payload if isinstance(payload, bytes) else dump(payload), [KEY])


def plain(**other: Any) -> dict[str, Any]:
    """A statement as JSON, with parts replaced; a part that is None is left out."""
    whole = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "schema", "digest": {"sha256": DIGEST}}],
        "predicateType": TENANCY,
        "predicate": msgspec.to_builtins(core()),
    }
    return {name: part for name, part in (whole | other).items() if part is not None}


def test_what_is_written_is_read() -> None:
    found = statement.read(statement.write(TENANCY, {"schema": DIGEST}, core(), [KEY]), [OTHER.public, KEY.public], "f")
    assert found.core == core()
    assert found.keyids == (KEY.keyid,)
    assert found.statement.subject[0].digest == {"sha256": DIGEST}


def test_the_same_gives_the_same_bytes() -> None:
    assert len({statement.write(TENANCY, {"schema": DIGEST}, core(), [KEY, OTHER]) for _ in range(3)}) == 1
    assert signed(plain()) == statement.write(TENANCY, {"schema": DIGEST}, core(), [KEY])


def test_a_verdict_is_told_either_way() -> None:
    data = statement.write(TENANCY, {"schema": DIGEST}, core("failed"), [KEY])
    assert statement.read(data, [KEY.public], "f").core.verdict == "failed"


REFUSED: dict[str, tuple[bytes, type[Exception]]] = {
    "empty": (b"", NotJson),
    "no JSON": (b"\x00\xff", NotJson),
    "a list": (b"[]", NotJson),
    "an unknown field": (json.dumps({**json.loads(signed(plain())), "x": 1}).encode(), NotJson),
    "unsigned": (statement.write(TENANCY, {"schema": DIGEST}, core(), []), NotSigned),
    "another payload": (signed(plain(), "application/json"), WrongPayloadType),
    "no statement": (signed({"a": 1}), NotJson),
    "not canonical": (signed(json.dumps(plain(), indent=1).encode()), NotCanonical),
    "another type": (signed(plain(_type="https://in-toto.io/Statement/v0.1")), NoStatement),
    "about nothing": (signed(plain(subject=[])), NoStatement),
    "another digest": (signed(plain(subject=[{"name": "x", "digest": {"md5": "00"}}])), NoStatement),
    "a digest of another form": (signed(plain(subject=[{"name": "x", "digest": {"sha256": "AB" * 32}}])), NoStatement),
    "half a digest": (signed(plain(subject=[{"name": "x", "digest": {"sha256": "ab" * 16}}])), NoStatement),
    "one name for two": (
        signed(plain(subject=[{"name": "x", "digest": {"sha256": byte * 32}} for byte in ("ab", "cd")])),
        NoStatement,
    ),
    "an unknown kind": (signed(plain(predicateType="https://example.com/x")), PredicateDiffers),
    "no verdict": (signed(plain(predicate={"release": "1", "made": "2026-01-31T12:00:00Z"})), NoStatement),
    "another verdict": (signed(plain(predicate={**plain()["predicate"], "verdict": "maybe"})), NoStatement),
    "a number for a release": (signed(plain(predicate={**plain()["predicate"], "release": 1})), NoStatement),
    "an extra part": (signed(plain(more=1)), NotJson),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what: str) -> None:
    data, kind = REFUSED[what]
    with pytest.raises(kind) as caught:
        statement.read(data, [KEY.public], "f")
    assert caught.value.exit is Exit.NEGATIVE  # type: ignore[attr-defined]  # all are errors of Stella
    assert caught.value.message  # type: ignore[attr-defined]


def test_keys_that_did_not_sign() -> None:
    data = signed(plain())
    with pytest.raises(KeyUnknown):
        statement.read(data, [OTHER.public], "f")
    with pytest.raises(KeyUnknown):
        statement.read(data, [], "f")


@pytest.mark.parametrize("at", [0, 20, -2])
def test_a_changed_payload(at: int) -> None:
    envelope = json.loads(signed(plain()))
    payload = bytearray(base64.b64decode(envelope["payload"]))
    payload[at] ^= 1
    envelope["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(BadSignature):
        statement.read(json.dumps(envelope).encode(), [KEY.public], "f")


def test_the_kind_that_is_asked_for() -> None:
    data, odd = signed(plain()), signed(plain(predicateType="https://example.com/x"))
    for wanted in (None, "tenancy", TENANCY):
        assert statement.read(data, [KEY.public], "f", wanted).core == core()
    assert statement.read(odd, [KEY.public], "f", "https://example.com/x").core == core()
    for found, wanted in ((data, "tenant"), (data, "https://example.com/x"), (odd, "tenancy")):
        with pytest.raises(PredicateDiffers) as caught:
            statement.read(found, [KEY.public], "f", wanted)
        assert caught.value.advice


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    from stella.attest import service
    from stella.attest.model import VerifyAttestation
    from stella.runtime.errors import TooLarge

    path = tmp_path / "large.json"
    path.write_bytes(b" " * (statement.MAX_SIZE + 1))
    with pytest.raises(TooLarge):
        service.verify(None, VerifyAttestation(str(path), (KEY.public.to_base64(),)))  # type: ignore[arg-type]
