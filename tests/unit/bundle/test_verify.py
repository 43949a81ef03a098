"""Expiry and age are judged at trusted time, each with the reason that says whom to ask."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.bundle.errors import ClockBehind, Expired, Stale
from stella.bundle.model import Generation
from stella.bundle.verify import STALE_TOLERANCE, generation_target, judge_time, milestone_of, subject_name
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.kernel.instant import Reading, TrustedTime, format_time, judge, raise_floor

CREATED = 1_790_000_000
LIFE = 14 * 86_400
EXPIRY = CREATED + 28 * 86_400
YEAR = 365 * 86_400


def generation() -> Generation:
    return Generation(
        channel="stable", channel_id="c", generation=7, previous=None, created=format_time(CREATED), source_clock="",
        valid_for_s=LIFE, root="0" * 64, entries_digest="", entries_size=0, files=0, content_bytes=0, categories={},
        anchors=(), signing="production", producer="", tool_versions={},
    )  # fmt: skip


def judged(time: TrustedTime, expiry: int = EXPIRY) -> list[tuple[str, str]]:
    checks: list[tuple[str, str]] = []
    genuine: Any = SimpleNamespace(
        generation=generation(), update=SimpleNamespace(expiry=("timestamp", expiry)), checks=checks
    )
    judge_time(genuine, time)
    return checks


def trusted(now: int, local: int | None = None, state: Any = "ok") -> TrustedTime:
    return TrustedTime(now=now, floor=now, local=now if local is None else local, state=state)


def test_the_limits_are_exact() -> None:
    end = CREATED + LIFE + STALE_TOLERANCE
    assert judged(trusted(end - 1))[0][0] == "expiry and age"
    with pytest.raises(Stale) as stale:
        judged(trusted(end))
    assert (stale.value.reason, stale.value.facts["limit"]) == ("stale", "14d")
    assert judged(trusted(CREATED + 99), CREATED + 100)
    with pytest.raises(Expired) as expired:
        judged(trusted(CREATED + 100), CREATED + 100)
    assert (expired.value.reason, expired.value.facts["what"]) == ("expired", "TUF timestamp")


def test_a_clock_behind_is_named_only_where_it_would_have_made_the_difference() -> None:
    late = EXPIRY + 10
    with pytest.raises(ClockBehind) as caught:
        judged(trusted(late, CREATED, "clock_behind"))
    assert caught.value.facts["local"] == format_time(CREATED)
    with pytest.raises(Expired):
        judged(trusted(late, late - 7, "clock_behind"))
    with pytest.raises(ClockBehind):
        judged(trusted(CREATED + LIFE + 60, CREATED, "clock_behind"))
    assert judged(trusted(CREATED + 60, CREATED - YEAR, "clock_behind"))


def test_a_bundle_of_the_future_is_not_stale() -> None:
    assert judged(trusted(CREATED - YEAR))


@given(st.integers(-12 * YEAR, 12 * YEAR), st.integers(0, 60 * 86_400))
def test_no_local_clock_turns_a_verdict_around_once_time_is_known(local: int, passed: int) -> None:
    """The floor was raised when the bundle was made, and the machine has run since; the local clock says anything."""
    floor = raise_floor(None, Reading(CREATED, "boot", 0), [CREATED])
    reading = Reading(CREATED + local, "boot", passed)
    time = judge(raise_floor(floor, reading), reading, 90 * 86_400)
    truly_old = passed >= LIFE + STALE_TOLERANCE
    try:
        judged(time)
        accepted = True
    except (Expired, Stale, ClockBehind):
        accepted = False
    if truly_old:
        assert not accepted, "what has expired stays so"
    elif local <= passed or local - passed > 90 * 86_400:
        assert accepted, "a clock behind, or far ahead, expires nothing"


def test_names() -> None:
    assert generation_target(7) == "generations/00000007.json"
    assert subject_name(generation()) == "stable@7"
    milestone = milestone_of(generation(), b"statement", b"envelope")
    assert (milestone.manifest, milestone.dsse) == (sha256(b"statement"), sha256(b"envelope"))
    assert dump(milestone).startswith(b'{"anchors":[]')
