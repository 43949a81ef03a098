"""Decisions of a site: what may follow what, who must agree, what is kept; any sequence of them against a model."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stella.bundle.errors import BaseMissing, DevelopmentKey
from stella.bundle.model import Generation, Mark
from stella.kernel.errors import IllegalMove
from stella.kernel.instant import Floor
from stella.site import rules
from stella.site.errors import AnchorReplayed, ApprovalRequired, NotMonotonic, ReasonRequired, RootRejected
from stella.site.model import IMPORT, ImportEvent, ImportRecord, ImportState, SiteState
from stella.site.rules import Approval

ALONE = Approval("op", "", "")
BOTH = Approval("op", "kim", "drill")


def mark(generation: int, fork: int = 0) -> Mark:
    return Mark(generation, f"{fork}{generation:063d}")


def generation(of: Mark, signing: str = "production") -> Generation:
    return Generation(
        channel="stable", channel_id="c", generation=of.generation, previous=None, created="", source_clock="",
        valid_for_s=1, root=of.root, entries_digest="", entries_size=0, files=0, content_bytes=0, categories={},
        anchors=(), signing=signing, producer="", tool_versions={},
    )  # type: ignore[arg-type]  # a word in a table  # fmt: skip


def state(active: Mark | None = None, held: tuple[Mark, ...] = (), anchor: int = 0) -> SiteState:
    return SiteState(
        site="s", site_id="i", channel="stable", channel_id="c", active=active, held=held, trust={}, root_version=1,
        floor=Floor(0, "b", 0), anchor=anchor, history=(),
    )  # fmt: skip


RUNNING = state(mark(5), (mark(3), mark(5)), anchor=1000)


def check(of: Mark, anchored: int = 1000, approval: Approval = ALONE, *, force: bool = False) -> None:
    rules.check_generation(RUNNING, generation(of), anchored, approval, force=force)


def test_what_may_follow_without_a_question() -> None:
    for of, anchored in ((mark(5), 0), (mark(6), 1000), (mark(9), 2000)):
        check(of, anchored)
    rules.check_generation(state(), generation(mark(7)), 0, ALONE, force=False)


@pytest.mark.parametrize("older", [mark(1), mark(3), mark(4)])
def test_an_older_generation(older: Mark) -> None:
    with pytest.raises(NotMonotonic):
        check(older)
    with pytest.raises(NotMonotonic):
        check(older, approval=BOTH)
    check(older, approval=BOTH, force=True)


@pytest.mark.parametrize(
    ("approval", "error"),
    [
        (ALONE, ReasonRequired),
        (Approval("op", "kim", ""), ReasonRequired),
        (Approval("op", "kim", "  "), ReasonRequired),
        (Approval("op", "", "drill"), ApprovalRequired),
        (Approval("op", "op", "drill"), ApprovalRequired),
        (Approval("op", " op ", "drill"), ApprovalRequired),
        (Approval("op", "  ", "drill"), ApprovalRequired),
    ],
)
def test_force_needs_a_reason_and_somebody_else(approval: Approval, error: type[Exception]) -> None:
    with pytest.raises(error):
        check(mark(4), approval=approval, force=True)
    with pytest.raises(error):
        check(mark(6), 999, approval=approval, force=True)


def test_an_older_proof_of_time() -> None:
    with pytest.raises(AnchorReplayed):
        check(mark(6), 999)
    check(mark(6), 999, BOTH, force=True)
    rolled_back = state(mark(3), (mark(3), mark(5)), anchor=1000)
    rules.check_generation(rolled_back, generation(mark(5)), 999, ALONE, force=False)  # what is held was judged before


@pytest.mark.parametrize("known", [3, 5])
def test_two_roots_for_one_generation_are_never_accepted(known: int) -> None:
    for approval, force in ((ALONE, False), (BOTH, True)):
        with pytest.raises(RootRejected) as caught:
            check(mark(known, fork=9), approval=approval, force=force)
        assert caught.value.reason == "equivocation"


def test_a_base_must_be_held_with_the_same_root() -> None:
    rules.check_base(RUNNING, None)
    rules.check_base(RUNNING, mark(3))
    for base, word in ((mark(4), "3, 5"), (mark(3, fork=1), "another root")):
        with pytest.raises(BaseMissing) as caught:
            rules.check_base(RUNNING, base)
        assert word in str(caught.value)
        assert caught.value.facts["generation"] == base.generation
    with pytest.raises(BaseMissing, match="nothing is held"):
        rules.check_base(state(), mark(1))


def test_a_development_key() -> None:
    rules.check_signing(generation(mark(1), "development"), require_production=False)
    rules.check_signing(generation(mark(1)), require_production=True)
    with pytest.raises(DevelopmentKey):
        rules.check_signing(generation(mark(1), "development"), require_production=True)


numbers = st.lists(st.integers(1, 30), min_size=1, max_size=8, unique=True).map(sorted)


@given(numbers, st.integers(0, 7), st.integers(2, 6))
def test_the_active_one_and_the_one_below_it_are_always_kept(found: list[int], place: int, keep: int) -> None:
    held = [mark(number) for number in found]
    active = held[place % len(held)]
    kept = rules.kept_after(held, active, keep)
    below = [one for one in held if one.generation < active.generation]
    assert active in kept
    assert not below or below[-1] in kept
    assert len(kept) == min(len(held), keep)
    assert list(kept) == [one for one in held if one in kept], "in the order of their numbers"
    others = [one for one in held if one != active and one not in below[-1:]]
    assert {one for one in kept if one in others} == set(others[len(others) - (len(kept) - 1 - len(below[-1:])) :])


def test_the_way_back() -> None:
    assert rules.rollback_target(state()) is None
    assert rules.rollback_target(state(mark(3), (mark(3), mark(5)))) is None
    assert rules.rollback_target(state(mark(5), (mark(1), mark(3), mark(5)))) == mark(3)


def record(name: str, state_: ImportState = ImportState.VERIFYING) -> ImportRecord:
    return ImportRecord(id=name, state=state_, time="t", actor="op")


def test_a_run_after_a_kill_takes_the_place_of_the_unfinished_one() -> None:
    finished, killed = record("a", ImportState.QUARANTINED), record("a", ImportState.STAGED)
    history = (finished, killed, record("b", ImportState.ACTIVE))
    assert rules.unfinished(history, "a") == killed
    assert rules.unfinished(history, "b") is None
    again = record("a")
    assert rules.with_record(history, again) == (finished, history[2], again)


def test_the_history_is_bounded() -> None:
    history: tuple[ImportRecord, ...] = ()
    for number in range(rules.MAX_HISTORY + 5):
        history = rules.with_record(history, record(str(number), ImportState.QUARANTINED))
    assert len(history) == rules.MAX_HISTORY
    assert history[-1].id == str(rules.MAX_HISTORY + 4)


def test_imports_move_along_the_table_and_no_other_way() -> None:
    legal = {(before, event) for before, event in IMPORT.moves}
    for before in ImportState:
        for event in ImportEvent:
            if (before, event) in legal:
                assert rules.moved(record("a", before), event, "later").time == "later"
            else:
                with pytest.raises(IllegalMove):
                    rules.moved(record("a", before), event, "later")
    assert not [event for before, event in legal if before is ImportState.QUARANTINED], "what was refused stays refused"


class Site(RuleBasedStateMachine):
    """Imports, forced imports, rollbacks and forks in any order; the model is a set of roots and two numbers."""

    @initialize(keep=st.integers(2, 4))
    def begin(self, keep: int) -> None:
        self.keep = keep
        self.state = state()
        self.active = 0
        self.held: dict[int, Mark] = {}
        self.newest_anchor = 0

    def activate(self, of: Mark, anchored: int) -> None:
        """As `Import._activate` does it."""
        holding = tuple(sorted({*self.state.held, of}, key=lambda one: one.generation))
        done = ImportRecord(
            id=f"{of.generation}", state=ImportState.ACTIVE, time="t", actor="op", generation=of.generation
        )
        self.state = msgspec.structs.replace(
            self.state,
            active=of,
            held=rules.kept_after(holding, of, self.keep),
            anchor=max(self.state.anchor, anchored),
            history=rules.activated(self.state.history, done),
        )

    @rule(
        number=st.integers(1, 8),
        fork=st.integers(0, 1),
        late=st.integers(-3, 3),
        force=st.booleans(),
        people=st.sampled_from([ALONE, BOTH]),
    )
    def import_(self, number: int, fork: int, late: int, force: bool, people: Approval) -> None:
        of, anchored = mark(number, fork), 1000 + number * 10 + late * 10
        other = number in self.held and self.held[number] != of
        same = number == self.active and not other
        older = not same and 0 < number <= self.active
        replayed = (
            not (same or older) and bool(self.active) and anchored < self.newest_anchor and number not in self.held
        )
        expected: type[Exception] | None = None
        if other:
            expected = RootRejected
        elif older or replayed:
            expected = (
                (ReasonRequired if people is ALONE else None) if force else NotMonotonic if older else AnchorReplayed
            )
        if expected:
            before = self.state
            with pytest.raises(expected):
                rules.check_generation(self.state, generation(of), anchored, people, force=force)
            assert self.state is before
            return
        rules.check_generation(self.state, generation(of), anchored, people, force=force)
        if same:
            return
        self.activate(of, anchored)
        self.active, self.newest_anchor = number, max(self.newest_anchor, anchored)
        self.held[number] = of
        self.held = {one.generation: one for one in self.state.held}

    @rule()
    def roll_back(self) -> None:
        below = [number for number in self.held if number < self.active]
        target = rules.rollback_target(self.state)
        assert target == (self.held[max(below)] if below else None)
        if target is None:
            return
        moved = IMPORT.move(ImportState.SUPERSEDED, ImportEvent.ACTIVATE)
        done = ImportRecord(id=f"roll-{target.generation}", state=moved, time="t", actor="op")
        self.state = msgspec.structs.replace(
            self.state, active=target, history=rules.activated(self.state.history, done)
        )
        self.active = target.generation

    @rule(number=st.integers(1, 8), fork=st.integers(0, 1))
    def thin(self, number: int, fork: int) -> None:
        base = mark(number, fork)
        if self.held.get(number) == base:
            rules.check_base(self.state, base)
        else:
            with pytest.raises(BaseMissing):
                rules.check_base(self.state, base)

    @rule(name=st.sampled_from("xyz"), cut=st.booleans())
    def refuse(self, name: str, cut: bool) -> None:
        """A bundle that is refused, or killed on its way, changes the history alone."""
        found = rules.unfinished(self.state.history, name) or record(name, ImportState.RECEIVED)
        found = rules.moved(found, ImportEvent.VERIFY, "t")
        if not cut:
            found = rules.moved(found, ImportEvent.REJECT, "t")
        self.state = msgspec.structs.replace(self.state, history=rules.with_record(self.state.history, found))

    @invariant()
    def one_is_active_and_it_is_held(self) -> None:
        if not hasattr(self, "state"):
            return
        running = [one for one in self.state.history if one.state is ImportState.ACTIVE]
        assert len(running) == bool(self.active)
        assert (self.state.active.generation if self.state.active else 0) == self.active
        assert {one.generation: one for one in self.state.held} == self.held
        assert not self.active or self.active in self.held
        assert len(self.held) <= self.keep
        assert self.state.anchor == self.newest_anchor
        waiting = [one.id for one in self.state.history if one.state in rules.UNFINISHED]
        assert len(waiting) == len(set(waiting)), "one unfinished record for a bundle"


TestSite = Site.TestCase
TestSite.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
