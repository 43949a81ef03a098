"""What every refused bundle must leave behind: its reason, a case, and a site that runs as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stella.kernel.errors import Exit, StellaError
from tests.world import World, first_release, second_release


def refused(
    world: World, bundle: Path | str, expected: str, /, *, quarantined: bool = True, **more: Any
) -> StellaError:
    """Import a bundle that must be refused for `expected`; nothing that the site runs, holds or trusts may change."""
    before, cases, history = world.running(), world.cases(), world.state().history
    with pytest.raises(StellaError) as caught:
        world.import_(bundle, **more)
    error = caught.value
    assert error.reason == expected, repr(error)
    assert world.running() == before
    if quarantined:
        assert error.exit is Exit.NEGATIVE, error
        record = world.state().history[-1]
        assert len(world.state().history) == len(history) + 1
        case = next(case for case in world.cases() if case.id == record.case)
        assert (case.reason, case.code, case.fix) == (error.reason, error.code, error.advice)
    else:
        assert error.exit is not Exit.NEGATIVE or more.get("dry_run"), error
        assert (world.cases(), world.state().history) == (cases, history)
    return error


def stands(world: World, bundle: Path | str, expected: str, /, **more: Any) -> StellaError:
    """As `refused`; then the site still runs generation 1 byte by byte, and the good bundle 2 still imports."""
    error = refused(world, bundle, expected, **more)
    assert world.files() == first_release()
    assert world.import_("2.stella").generation == 2
    assert world.files() == second_release()
    return error
