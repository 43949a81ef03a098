"""Time: one spelling, and a floor that no clock can lower or run away from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel.errors import BadDuration, BadTime
from stella.kernel.instant import (
    CLOCK_TOLERANCE,
    Floor,
    Reading,
    format_duration,
    format_time,
    judge,
    parse_duration,
    parse_time,
    raise_floor,
)

NOW = 1_767_225_600  # 2026-01-01T00:00:00Z
DAY = 86_400
YEARS = 3650 * DAY
GAP = 90 * DAY


def reading(wall: int = NOW, boot: str = "one", seconds: int = 1000) -> Reading:
    return Reading(wall=wall, boot_id=boot, boot_seconds=seconds)


FLOOR = Floor(at=NOW, boot_id="one", boot_seconds=1000)


@given(st.integers(-30_000_000_000, 253_402_300_799))
def test_a_time_is_read_as_it_was_written(instant: int) -> None:
    assert parse_time(format_time(instant)) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01t00:00:00z",
        "2026-01-01T00:00:00.5Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00Z\n",
        " 2026-01-01T00:00:00Z",
        "\uff12026-01-01T00:00:00Z",
    ],
)
def test_another_spelling_of_a_time_is_refused(text: str) -> None:
    with pytest.raises(BadTime):
        parse_time(text)


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("15m", 900), ("24h", DAY), ("14d", 14 * DAY)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "h",
        "-1h",
        "1.5h",
        "1w",
        "1h ",
        "1h\n",
        "1000000000s",
        "1h30m",
        "\u0661h",
    ],
)
def test_another_spelling_of_a_duration_is_refused(text: str) -> None:
    with pytest.raises(BadDuration):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (31 * 3600, "31h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"),
        (YEARS, "3650d"),
        (-90, "-90s"),
        (-31 * 3600, "-31h"),
    ],
)
def test_durations_are_shown_with_two_digits_of_meaning(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


def test_the_floor_rises_with_the_boot_clock() -> None:
    later = raise_floor(FLOOR, reading(wall=0, seconds=1060))
    assert later == Floor(at=NOW + 60, boot_id="one", boot_seconds=1060)


def test_after_a_reboot_the_floor_stands_still() -> None:
    assert raise_floor(FLOOR, reading(boot="two", seconds=999_999)).at == NOW


def test_a_boot_clock_that_went_back_does_not_lower_the_floor() -> None:
    assert raise_floor(FLOOR, reading(seconds=1)).at == NOW


def test_a_later_anchor_raises_the_floor_and_an_earlier_one_does_not() -> None:
    assert raise_floor(FLOOR, reading(seconds=1010), [NOW + DAY, NOW - DAY]).at == NOW + DAY
    assert raise_floor(FLOOR, reading(seconds=1010), [NOW - DAY]).at == NOW + 10
    assert raise_floor(None, reading(), [NOW]).at == NOW
    assert raise_floor(None, reading()).at == 0


INSTANTS = st.integers(0, 2 * NOW)


@given(INSTANTS, INSTANTS, st.sampled_from(["one", "two"]), st.integers(0, 10**6), st.lists(INSTANTS, max_size=3))
def test_the_floor_only_rises(at: int, wall: int, boot: str, seconds: int, anchors: list[int]) -> None:
    floor = Floor(at=at, boot_id="one", boot_seconds=1000)
    raised = raise_floor(floor, reading(wall, boot, seconds), anchors)
    assert raised.at >= max([at, *anchors])
    assert raised.at == raise_floor(floor, reading(0, boot, seconds), anchors).at


def test_a_clock_near_the_floor_is_taken() -> None:
    for wall in (NOW, NOW + 1, NOW + GAP):
        time = judge(FLOOR, reading(wall), GAP)
        assert (time.now, time.state, time.floor, time.local) == (wall, "ok", NOW, wall)


def test_a_small_step_back_is_tolerated_but_never_used() -> None:
    time = judge(FLOOR, reading(NOW - CLOCK_TOLERANCE), GAP)
    assert (time.now, time.state) == (NOW, "ok")
    assert judge(FLOOR, reading(NOW - CLOCK_TOLERANCE - 1), GAP).state == "clock_behind"


def test_a_clock_ten_years_behind_stops_at_the_floor() -> None:
    time = judge(FLOOR, reading(NOW - YEARS), GAP)
    assert (time.now, time.state, time.local) == (NOW, "clock_behind", NOW - YEARS)


def test_a_clock_ten_years_ahead_expires_nothing() -> None:
    time = judge(FLOOR, reading(NOW + YEARS), GAP)
    assert (time.now, time.state, time.local) == (NOW, "clock_ahead_suspected", NOW + YEARS)
    assert judge(FLOOR, reading(NOW + GAP + 1), GAP).state == "clock_ahead_suspected"


def test_an_anchor_near_a_clock_that_is_ahead_confirms_it() -> None:
    wall = NOW + YEARS
    floor = raise_floor(FLOOR, reading(wall), [wall - DAY])
    assert judge(floor, reading(wall), GAP).now == wall


def test_two_people_can_confirm_a_clock_that_is_ahead_and_not_one_that_is_behind() -> None:
    assert judge(FLOOR, reading(NOW + YEARS), GAP, confirmed=True).now == NOW + YEARS
    assert judge(FLOOR, reading(NOW - YEARS), GAP, confirmed=True).now == NOW


@given(INSTANTS, INSTANTS, st.integers(0, YEARS), st.booleans())
def test_trusted_time_is_never_before_the_floor_nor_far_past_it(at: int, wall: int, gap: int, confirmed: bool) -> None:
    time = judge(Floor(at, "one", 0), reading(wall), gap, confirmed=confirmed)
    assert time.now >= at
    assert time.now in {at, wall}
    assert confirmed or time.now - at <= gap
