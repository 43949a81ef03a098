"""Entropy is as long as asked and never the same."""

from __future__ import annotations

from stella.runtime.entropy import system_entropy


def test_entropy() -> None:
    assert len(system_entropy(32)) == 32
    assert system_entropy(32) != system_entropy(32)
