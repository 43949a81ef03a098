"""Operation to command: parsing, help and the request that arrives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from stella.cli.commands import spread

BASE = ("fake", "make", "--dir", "D", "--out", "B")


@pytest.fixture
def asked(stella: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """The request that arrives at fake.make."""

    def ask(*words: str) -> dict[str, Any]:
        ended = stella("--json", *BASE, *words)
        assert ended.code == 0, ended
        request: dict[str, Any] = json.loads(ended.out)["alpha"]
        return request

    return ask


def test_absent_flags_leave_the_defaults_of_the_request(asked: Callable[..., dict[str, Any]]) -> None:
    assert asked() == {
        "dir": "D",
        "out": "B",
        "label": None,
        "source": [],
        "report": [],
        "for": None,
        "count": 1,
        "kind": "full",
        "dry_run": False,
        "check": True,
        "valid_for": "14d",
        "production": False,
    }


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--source", "a", "b", "advisories=c"], "source", ["a", "b", "advisories=c"]),
        (["--source", "a", "--source", "b"], "source", ["a", "b"]),
        (["--source", "a", "b", "--count", "2", "--source", "c"], "source", ["a", "b", "c"]),
        (["--source=a", "--source=b"], "source", ["a", "b"]),
        (["--report", "html=a", "--report", "sarif=b"], "report", ["html=a", "sarif=b"]),
        (["--for", "r.json"], "for", "r.json"),
        (["--count", "12"], "count", 12),
        (["--kind", "thin"], "kind", "thin"),
        (["--dry-run"], "dry_run", True),
        (["--no-check"], "check", False),
        (["--check"], "check", True),
        (["name"], "label", "name"),
        (["--source", "a", "--", "-name"], "label", "-name"),
        (["--source", "-", "b"], "source", ["-", "b"]),
        (["--valid-for", "3d"], "valid_for", "3d"),
        (["--production"], "production", True),
    ],
)
def test_flags_arrive_in_the_request(
    asked: Callable[..., dict[str, Any]], words: list[str], field: str, value: object
) -> None:
    assert asked(*words)[field] == value


def test_several_values_end_at_the_next_flag(asked: Callable[..., dict[str, Any]]) -> None:
    request = asked("--source", "a", "b", "--report", "html=F")
    assert (request["source"], request["report"], request["label"]) == (["a", "b"], ["html=F"], None)


def test_a_setting_stands_in_for_an_absent_flag_and_a_flag_comes_before_it(
    asked: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STELLA_MIRROR_VALID_FOR", "5d")
    monkeypatch.setenv("REQUIRE_PROD_SIGNING", "1")
    assert asked()["valid_for"] == "5d"
    assert asked()["production"] is True
    assert asked("--valid-for", "6d")["valid_for"] == "6d"
    assert asked("--no-production")["production"] is False


def test_a_required_field_may_come_from_a_setting(stella: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ended = stella("fake", "need")
    assert ended.code == 2
    assert ended.err.startswith("error[CLI-003]: `stella fake need` needs `--url URL` or the setting mirror.tsa_url\n")
    monkeypatch.setenv("STELLA_MIRROR_TSA_URL", "http://tsa")
    assert "http://tsa" in stella("fake", "need").out


def test_what_the_types_of_a_request_refuse_is_a_bad_value(stella: Callable[..., Any]) -> None:
    ended = stella("fake", "need", "--url", "u", "--limit", "0")
    assert ended.code == 2
    assert ended.err.splitlines() == [
        "error[CLI-004]: Bad value for `--limit N`: expected `int` >= 1",
        "  hint: see `stella fake need --help`",
        "  more: stella explain CLI-004",
    ]


def test_help_reads_as_written_by_hand(stella: Callable[..., Any]) -> None:
    ended = stella("fake", "make", "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == HELP
    assert stella("fake", "make", "-h").out == HELP


def test_help_follows_the_width_of_the_terminal(stella: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, widest in (("70", 68), ("200", 98), ("20", 50)):
        monkeypatch.setenv("COLUMNS", columns)
        lines = stella("--help").out.partition("Commands")[0].splitlines()
        assert widest - 12 < max(map(len, lines)) <= widest
    for columns in ("", "0", "wide"):
        monkeypatch.setenv("COLUMNS", columns)
        assert stella("fake", "make", "--help").out == HELP


def test_a_noun_lists_its_verbs_in_the_order_of_their_declaration(stella: Callable[..., Any]) -> None:
    out = stella("fake", "--help").out
    assert out.startswith("Usage: stella fake VERB [OPTIONS]\n\n  A slice for tests.\n")
    places = [out.index(f"\n  {verb} ") for verb in ("make", "say", "need", "wait", "fail", "secret")]
    assert places == sorted(places)
    assert "  make    Make a thing\n" in out


def test_bare_stella_is_help_and_a_bare_noun_is_not(stella: Callable[..., Any]) -> None:
    assert stella().code == 0
    assert stella().out == stella("--help").out
    ended = stella("fake")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error[CLI-003]: `stella fake` needs one of make, say, need, wait, fail, secret\n")


def test_version(stella: Callable[..., Any]) -> None:
    assert stella("--version") == (0, "stella 0.1.0\n", "")
    assert json.loads(stella("version", "--json").out)["version"] == "0.1.0"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--s", "a", "b"], ["--s", "a", "--s", "b"]),
        (["--s"], ["--s"]),
        (["x", "--s", "a", "-v", "b"], ["x", "--s", "a", "-v", "b"]),
        (["--s", "a", "--", "b", "--s"], ["--s", "a", "--", "b", "--s"]),
        (["--s", "--t"], ["--s", "--t"]),
    ],
)
def test_spread(words: list[str], expected: list[str]) -> None:
    assert spread(words, frozenset({"--s"})) == expected


def test_switches_may_stand_before_the_noun(stella: Callable[..., Any]) -> None:
    assert json.loads(stella("--json", "--no-input", "fake", "say", "x").out)["words"] == ["x"]


def test_words_after_two_dashes_are_no_switches(stella: Callable[..., Any]) -> None:
    assert json.loads(stella("--json", "fake", "say", "--", "--debug").out)["words"] == ["--debug"]
    assert stella("fake", "say", "--", "--json").out == "word    length\n--json       6\n"


HELP = """\
Usage: stella fake make [LABEL] --dir M --out B [OPTIONS]

  Make a thing.

  The first paragraph.

  The second paragraph.

Arguments:
  [LABEL]  Label.

Options:
  --dir M                         Folder.  [required]
  --out B                         File to write.  [required]
  --source [CATEGORY=]PATH...     Sources.
  --report FORMAT=FILE            Report.
  --for RECEIPT                   Receipt.
  --count N                       Count.  [default: 1]
  --kind KIND                     Kind.  [one of thin, full; default: full]
  --dry-run                       Change nothing.
  --no-check                      Check it.
  --valid-for TIME                Validity.  [default: setting
                                  mirror.valid_for]
  --production / --no-production  Production only.  [default: setting
                                  mirror.require_prod_signing]
  --json                          Print one JSON document.
  -h, --help                      Show this help.

Examples:
  stella fake make --dir M
  stella fake make -x
"""
