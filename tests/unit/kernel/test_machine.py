"""State machines: only what the table says moves."""

from __future__ import annotations

from enum import StrEnum

import pytest

from stella.kernel.errors import IllegalMove
from stella.kernel.machine import Machine


class State(StrEnum):
    RECEIVED = "received"
    STAGED = "staged"
    ACTIVE = "active"


class Event(StrEnum):
    STAGE = "stage"
    ACTIVATE = "activate"


MOVES = {(State.RECEIVED, Event.STAGE): State.STAGED, (State.STAGED, Event.ACTIVATE): State.ACTIVE}
MACHINE = Machine("import", State.RECEIVED, MOVES)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_pair_moves_as_the_table_says_or_not_at_all(state: State, event: Event) -> None:
    if (state, event) in MOVES:
        assert MACHINE.move(state, event) is MOVES[state, event]
        return
    with pytest.raises(IllegalMove, match=f"import cannot go from {state} by {event}") as caught:
        MACHINE.move(state, event)
    assert caught.value.facts == {"machine": "import", "state": state, "event": event}


def test_the_table_is_the_machine_s_own() -> None:
    moves = dict(MOVES)
    machine = Machine("import", State.RECEIVED, moves)
    moves.clear()
    assert machine.move(machine.start, Event.STAGE) is State.STAGED
