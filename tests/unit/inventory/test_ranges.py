"""Ranges hold what the OSV schema says that they hold, and broken ones are told."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.inventory.ranges import BrokenRange, affected, affects


class Given(NamedTuple):
    type: str
    events: list[dict[str, Any]]


def one(ecosystem: str, *events: dict[str, str], versions: tuple[str, ...] = ()) -> Any:
    return affected(ecosystem, [Given("ECOSYSTEM", list(events))] if events else [], versions)


@pytest.mark.parametrize(
    ("version", "hit"),
    [("0.9", True), ("1.0", True), ("1.9.9", True), ("2.0", False), ("2.5", False), ("3.0", True), ("3.1", False)],
)
def test_introduced_fixed_and_last_affected(version: str, hit: bool) -> None:
    both = affected(
        "PyPI",
        [
            Given("ECOSYSTEM", [{"fixed": "2.0"}, {"introduced": "0"}]),
            Given("ECOSYSTEM", [{"introduced": "2.9"}, {"last_affected": "3.0"}]),
        ],
        (),
    )
    assert affects(both, version) is hit


def test_a_limit_ends_what_has_no_fix() -> None:
    limited = one("npm", {"introduced": "1.0.0"}, {"limit": "2.0.0"})
    assert affects(limited, "1.9.9")
    assert not affects(limited, "2.0.0")
    assert affects(one("npm", {"introduced": "1.0.0"}, {"limit": "*"}), "2.0.0")


def test_a_pre_release_of_the_fix_is_affected_and_one_of_the_first_is_not() -> None:
    told = one("npm", {"introduced": "1.0.0"}, {"fixed": "2.0.0"})
    assert affects(told, "2.0.0-rc.1")
    assert not affects(told, "1.0.0-rc.1")


def test_listed_versions_are_those_of_pypi_however_they_are_spelled() -> None:
    assert affects(one("PyPI", versions=("1.0",)), "1.0.0")
    assert not affects(one("PyPI", versions=("1.0", "odd one")), "1.0.1")
    assert affects(one("Maven", versions=("odd one",)), "odd one")
    assert not affects(one("npm"), "no version at all")


@pytest.mark.parametrize(
    ("events", "versions", "fixed"),
    [
        (({"introduced": "0"}, {"fixed": "1.0"}), (), True),
        (({"introduced": "0"},), (), False),
        (({"introduced": "0"}, {"last_affected": "1.0"}), (), None),
        ((), ("1.0",), None),
    ],
)
def test_whether_there_is_a_fix(events: tuple[dict[str, str], ...], versions: tuple[str, ...], fixed: bool) -> None:
    assert one("PyPI", *events, versions=versions).fixed is fixed


@pytest.mark.parametrize(
    "events",
    [
        [{"fixed": "1.0"}],
        [{"introduced": "0", "fixed": "1.0"}],
        [{"introduced": 0}],
        [{"introduced": "0"}, {"sometime": "1.0"}],
        [{"introduced": "0"}, {"fixed": "2019-09-12"}],
        [{"introduced": "0"}, {"fixed": "1.0"}, {"last_affected": "0.9"}],
        [],
        [{"introduced": "0"}, *({"fixed": str(n)} for n in range(10_001))],
    ],
)
def test_broken_ranges(events: list[dict[str, Any]]) -> None:
    with pytest.raises(BrokenRange):
        affected("PyPI", [Given("ECOSYSTEM", events)], ())


def test_a_range_of_another_type_is_broken_and_one_of_commits_is_passed_over() -> None:
    with pytest.raises(BrokenRange):
        affected("PyPI", [Given("DATES", [{"introduced": "0"}])], ())
    assert not affects(affected("PyPI", [Given("GIT", [{"introduced": "abc"}])], ()), "1.0")


@given(
    st.lists(st.tuples(st.sampled_from(["introduced", "fixed"]), st.integers(0, 12)), min_size=1), st.integers(0, 13)
)
def test_like_the_algorithm_of_the_schema(events: list[tuple[str, int]], version: int) -> None:
    """The schema's own pseudo code, on whole numbers as versions."""
    events = list({number: (kind, number) for kind, number in events}.values())  # one event for a version
    if "introduced" not in {kind for kind, _ in events}:
        return
    vulnerable = False
    for kind, number in sorted(events, key=lambda event: event[1]):
        if kind == "introduced" and version >= number:
            vulnerable = True
        if kind == "fixed" and version >= number:
            vulnerable = False
    told = one("npm", *({kind: f"{number}.0.0"} for kind, number in events))
    assert affects(told, f"{version}.0.0") is vulnerable
