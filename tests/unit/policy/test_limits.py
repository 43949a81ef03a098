"""Limits: what is read, what is refused, and what exceeds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.engine.moves import Moved
from stella.kernel.errors import Exit, StellaError
from stella.policy.simulation.limits import DEFAULT, MAX_SOURCE, Counts, LimitJudged, judge, percent, read_limits

NOTHING = Moved("all", 0, 0, 0, 0, 0)


def limits_of(text: str, counts: Counts) -> list[LimitJudged]:
    return list(judge(read_limits(text.encode(), "limits.toml"), counts))


def counts(total: Moved = NOTHING, *environments: Moved, assets: tuple[Moved, ...] = (), **places: str) -> Counts:
    return Counts(total, environments, assets, places)


def test_without_a_file_nothing_known_to_be_exploited_is_unblocked() -> None:
    (one,) = judge(DEFAULT, counts(Moved("all", 10, 1, 0, 1, 1)))
    assert one == LimitJudged("max_unblocked_kev", "all", "1", "0", exceeded=True)


def test_the_default_stays_until_another_number_is_written() -> None:
    total = counts(Moved("all", 10, 1, 0, 1, 1))
    assert [one.exceeded for one in limits_of("max_unblocked = 5", total)] == [False, True]
    assert [one.exceeded for one in limits_of("max_unblocked_kev = 1", total)] == [False]


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("max_newly_blocked", Moved("all", 100, 3, 3, 0, 0)),
        ("max_unblocked", Moved("all", 100, 3, 0, 3, 0)),
        ("max_unblocked_kev", Moved("all", 100, 3, 0, 3, 3)),
        ("max_changed_percent", Moved("all", 100, 3, 0, 0, 0)),
    ],
)
def test_a_limit_may_be_reached_and_not_exceeded(name: str, moved: Moved) -> None:
    def exceeded(limit: int) -> bool:
        return next(one.exceeded for one in limits_of(f"{name} = {limit}", counts(moved)) if one.name == name)

    assert (exceeded(4), exceeded(3), exceeded(2)) == (False, False, True)


def test_percentages_are_compared_exactly() -> None:
    def judged(changed: int) -> LimitJudged:
        total = counts(Moved("all", 10_000_000, changed, 0, 0, 0))
        return next(one for one in limits_of("max_changed_percent = 2.5", total) if one.name == "max_changed_percent")

    assert not judged(250_000).exceeded
    assert judged(250_001).exceeded
    assert (judged(250_000).value, judged(250_001).value) == ("2.5 %", "2.501 %")
    assert judged(250_000).limit == "2.5 %"


def test_an_environment_is_judged_by_its_own_findings() -> None:
    text = "max_newly_blocked = 10\n[environments.prod]\nmax_newly_blocked = 0\n[environments.dev]\nmax_unblocked = 1"
    total, prod = Moved("all", 100, 5, 5, 0, 0), Moved("prod", 40, 1, 1, 0, 0)
    found = limits_of(text, counts(total, prod, Moved("dev", 60, 4, 4, 0, 0)))
    assert [(one.scope, one.name, one.value, one.exceeded) for one in found] == [
        ("all", "max_newly_blocked", "5", False),
        ("all", "max_unblocked_kev", "0", False),
        ("dev", "max_unblocked", "0", False),
        ("prod", "max_newly_blocked", "1", True),
    ]


def test_assets_are_judged_by_their_environment_where_it_has_a_limit_of_its_own() -> None:
    text = "max_per_asset = 10\n[environments.prod]\nmax_per_asset = 1\n[environments.none]\nmax_per_asset = 0"
    assets = (Moved("a", 9, 9, 0, 0, 0), Moved("b", 9, 2, 0, 0, 0), Moved("c", 9, 8, 0, 0, 0))
    found = [one for one in limits_of(text, counts(assets=assets, b="prod", c="dev")) if one.name == "max_per_asset"]
    assert [(one.scope, one.asset, one.value, one.exceeded) for one in found] == [
        ("all", "a", "9", False),
        ("none", "", "0", False),
        ("prod", "b", "2", True),
    ]


def test_an_inventory_of_nothing_exceeds_nothing() -> None:
    text = "max_newly_blocked = 0\nmax_changed_percent = 0\nmax_per_asset = 0\n[environments.prod]\nmax_unblocked = 0"
    assert not any(one.exceeded for one in limits_of(text, counts()))


BAD: dict[str, tuple[str | bytes, str]] = {
    "no TOML": ("max_unblocked =", "POLICY-206"),
    "no UTF-8": (b"\xff", "POLICY-206"),
    "too long": (b"#" * (MAX_SOURCE + 1), "POLICY-206"),
    "environments that are none": ("environments = 3", "POLICY-206"),
    "an environment that is none": ("[environments]\nprod = 3", "POLICY-206"),
    "another name": ("max_blocked = 3", "POLICY-207"),
    "another name of an environment": ("[environments.prod]\nmax_blocked = 3", "POLICY-207"),
    "environments in an environment": ("[environments.prod.environments.dev]\nmax_unblocked = 3", "POLICY-207"),
    "below nothing": ("max_unblocked = -1", "POLICY-208"),
    "a part of a finding": ("max_unblocked = 0.5", "POLICY-208"),
    "a flag": ("max_unblocked = true", "POLICY-208"),
    "a word": ('max_per_asset = "3"', "POLICY-208"),
    "more than everything": ("max_changed_percent = 100.1", "POLICY-208"),
    "a percentage below nothing": ("max_changed_percent = -1", "POLICY-208"),
    "a percentage with too many places": ("max_changed_percent = 0.1234567", "POLICY-208"),
    "no number": ("max_changed_percent = nan", "POLICY-208"),
    "endless": ("max_changed_percent = inf", "POLICY-208"),
    "a percentage that is a flag": ("max_changed_percent = true", "POLICY-208"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_its_code(name: str) -> None:
    source, code = BAD[name]
    with pytest.raises(StellaError) as caught:
        read_limits(source if isinstance(source, bytes) else source.encode(), "limits.toml")
    assert (caught.value.code, caught.value.exit) == (code, Exit.USAGE)


def test_the_nearest_limit_is_told() -> None:
    with pytest.raises(StellaError, match="did you mean `max_newly_blocked`"):
        read_limits(b"max_newly_block = 3", "limits.toml")


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_share_is_never_shown_as_less_than_it_is(part: int, whole: int) -> None:
    thousandths = int(Decimal(percent(part, whole)) * 1000)
    assert (thousandths - 1) * whole < part * 100_000 <= thousandths * whole


def test_no_environment_takes_the_place_of_all() -> None:
    with pytest.raises(StellaError) as refused:
        read_limits(b"[environments.all]\nmax_per_asset = 0", "limits.toml")
    assert (refused.value.code, refused.value.exit) == ("POLICY-206", Exit.USAGE)


@given(st.integers(1, 10**9), st.data())
def test_what_is_shown_is_on_the_side_of_the_limit_that_it_is(findings: int, data: st.DataObject) -> None:
    changed = data.draw(st.integers(0, findings))
    near = changed * 10**8 // findings
    micros = data.draw(st.integers(0, 10**8) | st.integers(max(0, near - 999), min(10**8, near + 999)))
    text = f"max_changed_percent = {Decimal(micros) / 10**6:f}"
    found = limits_of(text, counts(Moved("all", findings, changed, 0, 0, 0)))
    (one,) = [one for one in found if one.name == "max_changed_percent"]
    shown, allowed = (Decimal(text.removesuffix(" %")) for text in (one.value, one.limit))
    assert (shown > allowed) == one.exceeded == (Decimal(changed) * 100 > Decimal(micros) * findings / 10**6)
