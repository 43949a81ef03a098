"""How old frozen inputs are."""

from __future__ import annotations

import pytest

from stella.policy import rules
from stella.policy.errors import InputsStale
from stella.policy.inputs import Inputs

NOW = 1_800_000_000
DAY = rules.MAX_AGE


@pytest.mark.parametrize(
    ("as_of", "frozen"),
    [
        (NOW - DAY - 1, NOW),
        (NOW, NOW - DAY - 1),
        (NOW + rules.SKEW + 1, NOW),
        (NOW + 20 * 3600, NOW - 2 * DAY),
        (NOW - 3600, NOW - 2 * DAY),
    ],
)
def test_inputs_are_as_old_as_what_they_are_about_and_as_when_they_were_frozen(as_of: int, frozen: int) -> None:
    found = Inputs("a" * 64, {}, as_of, frozen)
    with pytest.raises(InputsStale):
        rules.check_inputs(found.digest, found.since(NOW), NOW)


def test_inputs_of_a_day_ago_and_of_a_clock_that_is_a_little_ahead_may_be_used() -> None:
    for as_of, frozen in ((NOW - DAY, NOW), (NOW + rules.SKEW, NOW), (NOW, NOW - DAY), (NOW, NOW)):
        rules.check_inputs("a" * 64, Inputs("a" * 64, {}, as_of, frozen).since(NOW), NOW)
