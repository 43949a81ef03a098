"""What an OpenBao that lies is believed: nothing that its own public half does not verify."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, cast

import pytest

from stella.kernel.errors import StellaError
from stella.runtime.errors import BaoRefused
from stella.runtime.openbao import OpenBao
from stella.signing.bao_custody import BaoCustody
from stella.signing.signing_key import SigningKey
from stella.testing import counted_entropy

KEY = SigningKey.generate(counted_entropy("key"))
OTHER = SigningKey.generate(counted_entropy("other"))
ED25519 = SigningKey.generate(counted_entropy("ed"), "ed25519")
PEM = KEY.public.to_pem().decode()
Answer = Callable[[bytes], dict[str, object]]


def by(key: SigningKey, version: str = "v1") -> Answer:
    return lambda data: {"signature": f"vault:{version}:{base64.b64encode(key.sign(data)).decode()}"}


def said(**answer: object) -> Answer:
    return lambda _: answer


def custody(answer: Answer, public: object = PEM) -> BaoCustody:
    class Liar:
        def find(self, path: str) -> None:
            del path

        def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, object]:
            del method
            if body is not None and "/sign/" in path:
                return answer(base64.b64decode(body["input"]))
            return {"keys": {"1": {"public_key": public}}}

    return BaoCustody(cast("OpenBao", Liar()), "transit", counted_entropy("names"))


def test_what_its_own_key_verifies_is_a_signature() -> None:
    assert KEY.public.verify(custody(by(KEY)).sign("bao:transit/k", b"data"), b"data")


@pytest.mark.parametrize(
    "answer",
    [
        said(),
        said(signature=5),
        said(signature="x"),
        said(signature="vault:v1:"),
        said(signature="vault:v1:AAAA"),
        said(signature="vault:v1:\u00e9"),
        by(OTHER),
        by(OTHER, "v2"),
        by(ED25519),
        lambda data: by(KEY)(data + b"!"),
    ],
)
def test_a_signature_that_is_none(answer: Answer) -> None:
    with pytest.raises(BaoRefused):
        custody(answer).sign("bao:transit/k", b"data")


@pytest.mark.parametrize(
    "public",
    [5, "", "AAAA", "\u00e9", "-----BEGIN", "-----BEGIN \u00e9", base64.b64encode(b"\1" + b"\0" * 31).decode()],
)
def test_a_public_half_that_is_none(public: object) -> None:
    with pytest.raises(StellaError):
        custody(by(KEY), public).make("ecdsa-p256", "policy")


def test_a_key_of_another_kind_than_was_asked_for() -> None:
    raw = base64.b64encode(ED25519.public.spki[-32:]).decode()
    assert custody(by(ED25519), raw).make("ed25519", "policy").public.keyid == ED25519.keyid
    with pytest.raises(BaoRefused, match="another kind"):
        custody(by(ED25519), raw).make("ecdsa-p256", "policy")
