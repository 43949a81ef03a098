"""The nearest word, for hints."""

from __future__ import annotations

import pytest

from stella.kernel.nearest import did_you_mean, nearest

KNOWN = ["mirror", "site", "CONF-001"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("miror", "mirror"), ("MIRROR", "mirror"), ("conf-01", "CONF-001"), ("zzz", None), ("", None)],
)
def test_nearest(word: str, expected: str | None) -> None:
    assert nearest(word, KNOWN) == expected


def test_did_you_mean() -> None:
    assert did_you_mean("siet", KNOWN, "look around") == "did you mean `site`?"
    assert did_you_mean("zzz", KNOWN, "look around") == "look around"
    assert did_you_mean("zzz", [], "look around") == "look around"
