"""Fixtures as they stand in files: what is read exactly, and what is refused under which code."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.errors import Exit, StellaError
from stella.policy.trial.errors import FixtureBadValue, FixturesUnreadable, FixtureUnknownName
from stella.policy.trial.fixtures import MAX_SOURCE, Expected, read_finding, read_fixtures

GOOD = """
as_of = 2026-11-01T00:00:00Z

[[fixture]]
name = "one"
expect = { status = "blocked", notes = ["warn: b", "a: c"] }

[fixture.finding]
kev = true
"kev.ransomware" = false
cvss = 9.8
epss = "0.000001"
severity.normalized = "High"
asset = { id = "billing", tags = ["b", "a"] }
env.quietUntil = 2026-12-01T00:00:00Z

[[fixture.statement]]
status = "affected"

[[fixture.statement]]
status = "fixed"
trust = 0.30

[[fixture]]
name = "two"
as_of = "2026-11-02T00:00:00Z"
expect = { undecided = true }
"""


def test_values_are_read_as_they_are_written() -> None:
    one, two = read_fixtures(GOOD.encode(), "p.fixtures.toml")
    assert one.facts.values == {
        "kev": True,
        "kev.ransomware": False,
        "cvss": 9_800_000,
        "epss": 1,
        "severity.normalized": "High",
        "asset.id": "billing",
        "asset.tags": frozenset({"a", "b"}),
        "env.quietUntil": 1_796_083_200,
        "vex.latest.status": "fixed",
        "vex.latest.trust": 300_000,
    }
    assert one.facts.statements == ({"status": "affected"}, {"status": "fixed", "trust": 300_000})
    assert one.facts.as_of == 1_793_491_200
    assert one.expected == Expected(status="blocked", notes=("a: c", "warn: b"))
    assert (two.facts.values, two.facts.statements, two.facts.as_of) == ({}, (), 1_793_577_600)
    assert two.expected == Expected(undecided=True)


def test_json_says_the_same() -> None:
    told = {
        "fixture": [
            {"name": "a", "finding": {"cvss": 9.8, "severity": {"normalized": "Low"}}, "expect": {"status": "fixed"}}
        ]
    }
    (found,) = read_fixtures(json.dumps(told).encode(), "p.fixtures.json")
    assert found.facts.values == {"cvss": 9_800_000, "severity.normalized": "Low"}
    assert not found.dated


def test_a_single_finding_is_a_fixture_without_a_name() -> None:
    facts, dated = read_finding(b'{"finding": {"kev": true}, "as_of": "1970-01-01T00:00:01Z"}', "f.json")
    assert (facts.values, facts.as_of, dated) == ({"kev": True}, 1, True)


def fixture(finding: str = "kev = true", expect: str = 'status = "blocked"', more: str = "") -> str:
    return f'[[fixture]]\nname = "n"\n{more}\nexpect = {{ {expect} }}\n[fixture.finding]\n{finding}\n'


BAD: dict[str, tuple[str | bytes, str]] = {
    "no TOML": ("[[fixture", "POLICY-202"),
    "no UTF-8": (b"\xff", "POLICY-202"),
    "too long": (b"#" * (MAX_SOURCE + 1), "POLICY-202"),
    "no entries": ("fixture = 3", "POLICY-202"),
    "another key": ("fixtures = []", "POLICY-203"),
    "another key of a fixture": (fixture(more='expected = "x"'), "POLICY-203"),
    "another name": (fixture("kve = true"), "POLICY-203"),
    "a name of a statement": (fixture("trust = 0.5"), "POLICY-203"),
    "an expectation that is none": (fixture(expect='state = "blocked"'), "POLICY-203"),
    "no name": ('[[fixture]]\nexpect = { status = "fixed" }', "POLICY-204"),
    "nothing expected": ('[[fixture]]\nname = "n"', "POLICY-204"),
    "an empty expectation": ('[[fixture]]\nname = "n"\nexpect = {}', "POLICY-204"),
    "a flag that is a word": (fixture('kev = "yes"'), "POLICY-204"),
    "a word that is none": (fixture('severity.normalized = "high"'), "POLICY-204"),
    "a text that is a number": (fixture("asset.id = 3"), "POLICY-204"),
    "texts that are a text": (fixture('asset.tags = "a"'), "POLICY-204"),
    "a decimal that is a flag": (fixture("cvss = true"), "POLICY-204"),
    "a decimal that is a word": (fixture('cvss = "nine"'), "POLICY-204"),
    "no number at all": (fixture("cvss = nan"), "POLICY-204"),
    "outside of its domain": (fixture("cvss = 10.1"), "POLICY-204"),
    "below its domain": (fixture("epss = -0.1"), "POLICY-204"),
    "too many places": (fixture("epss = 0.1234567"), "POLICY-204"),
    "an instant without a zone": (fixture("env.quietUntil = 2026-12-01T00:00:00"), "POLICY-204"),
    "an instant that is none": (fixture('env.quietUntil = "soon"'), "POLICY-204"),
    "what statements say": (fixture('"vex.latest.status" = "fixed"'), "POLICY-204"),
    "a name twice": (fixture('"severity.normalized" = "Low"\nseverity.normalized = "Low"'), "POLICY-204"),
    "no table": ('[[fixture]]\nname = "n"\nfinding = 3\nexpect = { status = "fixed" }', "POLICY-204"),
    "no statements": ('[[fixture]]\nname = "n"\nstatement = 3\nexpect = { status = "fixed" }', "POLICY-204"),
    "no status": (fixture(expect='status = "open"'), "POLICY-204"),
    "no severity": (fixture(expect='severity = "HIGH"'), "POLICY-204"),
    "no rule": (fixture(expect="rule = 3"), "POLICY-204"),
    "no notes": (fixture(expect='notes = "a"'), "POLICY-204"),
    "undecided is no word": (fixture(expect='undecided = "yes"'), "POLICY-204"),
    "two of a name": (fixture() + fixture(), "POLICY-205"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_its_code(name: str) -> None:
    source, code = BAD[name]
    with pytest.raises(StellaError) as caught:
        read_fixtures(source if isinstance(source, bytes) else source.encode(), "p.fixtures.toml")
    assert (caught.value.code, caught.value.exit) == (code, Exit.USAGE)


@pytest.mark.parametrize("text", ["[]", '{"fixture": [], "fixture": []}', "[" * 10_000, "{"])
def test_bad_json_has_its_code(text: str) -> None:
    with pytest.raises(StellaError) as caught:
        read_fixtures(text.encode(), "p.fixtures.json")
    assert caught.value.code == "POLICY-202"


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(StellaError, match=r"did you mean `severity\.normalized`") as caught:
        read_fixtures(fixture('severity.normalised = "Low"').encode(), "p.fixtures.toml")
    assert caught.value.code == "POLICY-203"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes_raise_nothing_else(source: bytes) -> None:
    for name in ("p.fixtures.toml", "p.fixtures.json"):
        with contextlib.suppress(FixturesUnreadable, FixtureUnknownName, FixtureBadValue):
            read_fixtures(source, name)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("0.90000000000000000000000000000001", "up to six places"),
        ("1.0000000000000000000000000000000001", "from 0 to 1"),
        ("1e999999", "from 0 to 1"),
        ("1e-999999999", "up to six places"),
        ("1e9999999999999999999", "out of all bounds"),
    ],
)
@pytest.mark.parametrize("form", ["toml", "json"])
def test_numbers_are_read_exactly_or_not_at_all(number: str, said: str, form: str) -> None:
    toml = f'[[fixture]]\nname = "a"\nexpect = {{ status = "blocked" }}\n[fixture.finding]\nepss = {number}\n'
    row = f'{{"name": "a", "expect": {{"status": "blocked"}}, "finding": {{"epss": {number}}}}}'
    source = toml if form == "toml" else f'{{"fixture": [{row}]}}'
    with pytest.raises(StellaError, match=said):
        read_fixtures(source.encode(), f"x.fixtures.{form}")


def test_a_key_of_thousands_of_dots_is_no_traceback() -> None:
    deep = ".".join(["a"] * 3000)
    source = f'[[fixture]]\nname = "a"\nexpect = {{ status = "blocked" }}\n[fixture.finding]\n{deep} = 1\n'
    with pytest.raises(StellaError, match="nested too deep"):
        read_fixtures(source.encode(), "x.fixtures.toml")
