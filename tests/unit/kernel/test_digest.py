"""Digests have one spelling."""

from __future__ import annotations

import pytest

from stella.kernel.digest import is_digest, sha256


def test_the_vector_of_fips_180() -> None:
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(memoryview(b"abc")) == sha256(b"abc")


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", "\u0661" * 64])
def test_what_is_no_digest(text: str) -> None:
    assert not is_digest(text)


def test_a_digest_is_one() -> None:
    assert is_digest(sha256(b""))
