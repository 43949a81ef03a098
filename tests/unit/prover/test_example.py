"""An example is plain data: it is stored, read again, and said in one line."""

from __future__ import annotations

import msgspec
import pytest

from stella.language.interpret import Facts, truth
from stella.language.model import All, Before, Condition, Every, Flagged, Has, Not, OneOf, Present, Some
from stella.prover.errors import ExampleUnconfirmed
from stella.prover.example import Example
from stella.prover.scene import Confirm, Scene

STATUS = OneOf("status", ("affected",))


def example(condition: Condition, as_of: int | None = None) -> Example:
    """An example of which the condition is true."""
    scene = Scene([condition], as_of)
    found = scene.example(scene.pair(condition).true, confirm(condition), ("it", "this"))
    assert found is not None
    return found


def confirm(condition: Condition) -> Confirm:
    return lambda facts: truth(condition, facts) is True


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        (Flagged("kev"), "kev=true"),
        (Not(Flagged("kev")), "kev=false"),
        (Not(Present("kev")), "kev missing"),
        (OneOf("env.name", ("prod", "dev")), 'env.name="dev"'),
        (Not(OneOf("env.name", ("prod", "dev"))), 'env.name="other"'),
        (All((Has("asset.tags", ("b",)), Has("asset.tags", ("a",)))), "asset.tags=[a, b]"),
        (Not(Has("asset.tags", ("a",))), "asset.tags=[]"),
        (Some(STATUS), 'statement(status="affected")'),
        (Not(Some(Present("status"))), "no statements"),
        (Every(STATUS), 'statement(status="affected")'),
        (Some(Not(Present("status"))), "statement(status missing)"),
        (
            All((Some(STATUS), Some(Not(STATUS)))),
            'statement(status="not_affected"); statement(status="affected")',
        ),
        (
            All((Some(STATUS), OneOf("vex.latest.status", ("fixed",)), Some(OneOf("vendor", ("v",))))),
            'statement(status="affected"); statement(status="fixed", vendor="v")',
        ),
        (
            All((Some(STATUS), Some(Not(STATUS)), Not(Present("vex.latest.status")), Present("vex.latest.vendor"))),
            'statement(status="affected"); statement(status="not_affected"); statement(vendor="other", status missing)',
        ),
        (
            All((Some(STATUS), Not(Every(STATUS)), Not(Every(Not(STATUS))), OneOf("vex.latest.status", ("fixed",)))),
            'statement(status="affected"); statement(status="fixed")',
        ),
        (Before("env.quietUntil"), "env.quietUntil=1970-01-01T00:00:01Z, as of 1970-01-01T00:00:00Z"),
        (Not(Before(instant=86400)), "as of 1970-01-02T00:00:00Z"),
    ],
)
def test_the_plainest_example_in_one_line(condition: Condition, line: str) -> None:
    found = example(condition)
    assert found.line() == line
    assert truth(condition, found.facts()) is True
    assert msgspec.json.decode(msgspec.json.encode(found), type=Example) == found


def test_the_latest_statement_is_the_last_one() -> None:
    found = example(All((Some(STATUS), OneOf("vex.latest.status", ("fixed",)))))
    assert found.facts().statements[-1]["status"] == "fixed"
    assert found.facts().values["vex.latest.status"] == "fixed"


def test_an_instant_that_is_given_is_that_of_the_example() -> None:
    assert example(Before("env.quietUntil"), 86400).as_of == 86400
    assert example(Flagged("kev"), 86400).facts() == Facts({"kev": True}, (), 86400)


def test_an_example_that_the_interpreter_denies_is_never_shown() -> None:
    condition = Flagged("kev")
    scene = Scene([condition])
    with pytest.raises(ExampleUnconfirmed, match="`it` of `this`"):
        scene.example(scene.pair(condition).true, lambda _: False, ("it", "this"))


def test_an_instant_beyond_the_calendar_is_said_in_seconds() -> None:
    assert Example((), as_of=2**52).line() == f"as of second {2**52}"


def test_decimals_are_said_without_needless_zeros() -> None:
    assert Example((("cvss", 7_500_000), ("epss", 1), ("age.days", 3_000_000))).line() == (
        "cvss=7.5, epss=0.000001, age.days=3"
    )
