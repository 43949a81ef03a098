"""Versions stand in the order of their ecosystem's own tools."""

from __future__ import annotations

import random
import shutil
import subprocess
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from stella.inventory.ranges import affected, affects
from stella.inventory.versions import key_of

RISING = {  # the tables of Maven's, Semantic Versioning's, Debian's and PyPI's own texts and tests
    "Maven": [
        "1-alpha2snapshot 1-alpha2 1-alpha-123 1-beta-2 1-beta123 1-m2 1-m11 1-rc 1-cr2 1-rc123 1-SNAPSHOT 1 1-sp",
        "1-SNAPSHOT 1 1-sp 1-sp2 1-sp123 1-abc 1-def 1-pom-1 1-1-snapshot 1-1 1-2 1-123",
        "2.0 2.0.a 2-1 2.0.2 2.0.123 2.1.0 2.1-a 2.1b 2.1-c 2.1-1 2.1.0.1 2.2 2.123",
        "11.a2 11.a11 11.b2 11.b11 11.m2 11.m11 11 11.a 11b 11c 11m",
        "1.0-alpha-1-SNAPSHOT 1.0-alpha-1 1.0-alpha-2 1.0-beta-1 1.0-SNAPSHOT 1.0 1.0-1 1.0-2 1.1",
        "1.0.RC2 1.0-RC3 1.0.1",
        "1.0.0.X1 1.0.0-X2",
        "6.1.0rc3 6.1.0 6.1H.5-beta",
        "1-0.alpha 1-0.beta 1",
        "20190126.230843 1234567890.12345 123456789012345.1H.5-beta 12345678901234567890.1H.5-beta",
        "9.4.17.v20190418 9.4.18.v20190429",
        "31.1-android 31.1-jre",
        "\u0668 1 9",
    ],
    "npm": [
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0",
        "1.0.0 1.0.1 1.10.0 2",
    ],
    "crates.io": ["0.9.9 0.10.0-pre 0.10.0"],
    "Go": [
        "v0.0.0-20190101000000-aaaaaaaaaaaa v0.0.0-20200101000000-aaaaaaaaaaaa 0.0.1",
        "1.20.0-rc.1 1.20rc2 go1.20 1.20.1 1.21rc2 1.21.0",
    ],
    "Debian": [
        "1.0~~ 1.0~~a 1.0~ 1.0~rc1 1.0 1.0-1~deb12u1 1.0-1 1.0-1+b1 1.0-1+deb12u1 1.0-2",
        "1.0-2 1.0a 1.0+dfsg 1.1 1.2 1.10 1:0.1",
        "2.3.5-1_bpo 2.3.6",
        "1:2:3-1 1:2:4-1",
    ],
    "PyPI": ["1.0.dev1 1.0a1 1.0b2.dev1 1.0b2 1.0rc1 1.0 1.0+local 1.0.post1 1.1.dev0 1.1 1.10 1!0.1"],
}
EQUAL = {
    "Maven": [
        "1 1.0 1.0.0 1-0 1.0-0 1ga 1GA 1final 1release 1RELEASE",
        "1a 1-a 1.0-a 1.0.0a",
        "1x 1.0.0-x 1X",
        "1cr 1rc",
        "1a1 1-alpha-1",
        "1m3 1Milestone3",
        "0.0 0 000",
        "1.0.RC1 1-rc1",
        "2.0.0.Final 2.0",
    ],
    "npm": ["1.0.0+a 1.0.0+b v1.0.0 1.0"],
    "Go": ["2.8.6+incompatible v2.8.6"],
    "Debian": ["1.0 1.0-0 0:1.0 1.0-00", "1.0-1 1.0-01"],
    "PyPI": ["1.0 1.0.0 v1", "1.0rc1 1.0.c1 1.0-rc-1"],
}


@pytest.mark.parametrize(("ecosystem", "row"), [(name, row) for name, rows in RISING.items() for row in rows])
def test_rising(ecosystem: str, row: str) -> None:
    versions = row.split()
    for low, high in combinations(versions, 2):
        one, other = key_of(ecosystem, low), key_of(ecosystem, high)
        assert one < other, (low, high)
        assert other > one, (low, high)
        assert one != other, (low, high)


@pytest.mark.parametrize(("ecosystem", "row"), [(name, row) for name, rows in EQUAL.items() for row in rows])
def test_equal(ecosystem: str, row: str) -> None:
    for one, other in pairwise(row.split()):
        assert key_of(ecosystem, one) == key_of(ecosystem, other), (one, other)
        assert not key_of(ecosystem, one) < key_of(ecosystem, other)
        assert not key_of(ecosystem, other) < key_of(ecosystem, one)


@pytest.mark.parametrize(
    ("ecosystem", "version"),
    [
        ("npm", "latest"),
        ("npm", "1.0.0-a..b"),
        ("npm", "\u0661.0.0"),
        ("Go", "(devel)"),
        ("PyPI", "2019-09-12"),
        ("Debian", "1 0"),
        ("Debian", ":1"),
        ("Maven", ""),
        ("Maven", "1-" * 200),
        ("npm", "1" * 300),
    ],
)
def test_what_is_no_version(ecosystem: str, version: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        key_of(ecosystem, version)


PARTS = st.lists(
    st.sampled_from(["0", "1", "2", "10", ".", "-", "a", "rc", "alpha", "ga", "x", "~", "+", "sp"]), max_size=6
)


@given(st.sampled_from(["Maven", "Debian", "npm", "PyPI"]), st.tuples(PARTS, PARTS, PARTS))
def test_every_order_is_total(ecosystem: str, texts: tuple[list[str], ...]) -> None:
    try:
        one, two, three = sorted(key_of(ecosystem, "1" + "".join(text)) for text in texts)
    except ValueError:
        return
    for low, high in ((one, two), (two, three), (one, three)):
        assert low <= high
        assert [low < high, low == high, high < low].count(True) == 1


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not on this machine")
def test_debian_like_dpkg() -> None:
    chance = random.Random(1)
    parts = [".", "+", "~", "-", "a", "b", "rc", "1", "0", "10", "dfsg", "deb12u1"]
    for _ in range(500):
        one, other = (
            f"{chance.choice(['', '', '1:', '2:'])}{chance.randrange(3)}{''.join(chance.choices(parts, k=4))}1"
            for _ in range(2)
        )
        left, right = key_of("Debian", one), key_of("Debian", other)
        word = "lt" if left < right else "eq" if left == right else "gt"
        subprocess.run(["dpkg", "--compare-versions", one, word, other], check=True)


class Told(NamedTuple):
    type: str
    events: list[dict[str, Any]]


@st.composite
def pep_440(draw: st.DrawFn) -> str:
    """A version as people write it: not in its normal form, with all parts that there are."""
    number = st.sampled_from(["0", "1", "2", "10", "00"])
    text = draw(st.sampled_from(["", "v", "0!", "1!"])) + ".".join(draw(st.lists(number, min_size=1, max_size=4)))
    for words in (["a", "-b", ".rc", "_c", "alpha", "PRE"], [".post", "-r", "rev", "-"], [".dev", "dev", "-DEV"]):
        if draw(st.booleans()):
            text += draw(st.sampled_from(words)) + draw(number)
    return text + draw(st.sampled_from(["", "", "+1", "+a.1", "+A_2"]))


@given(pep_440(), pep_440(), pep_440())
def test_pypi_like_packaging(version: str, first: str, last: str) -> None:
    """A range holds what `packaging` says that it holds, for every three versions."""
    low, high = sorted((first, last), key=Version)
    what = affected("PyPI", [Told("ECOSYSTEM", [{"introduced": low}, {"fixed": high}])], ())
    assert affects(what, version) == (
        (low == "0" or Version(low) <= Version(version)) and Version(version) < Version(high)
    )
