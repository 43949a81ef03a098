"""Decisions of a site, pure: what may be imported, what is kept, how the history grows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stella.bundle.errors import BaseMissing, DevelopmentKey
from stella.bundle.model import Generation, Mark
from stella.kernel.instant import Instant, Seconds, format_time
from stella.site.errors import AnchorReplayed, ApprovalRequired, NotMonotonic, ReasonRequired, RootRejected
from stella.site.model import IMPORT, CategoryAge, ImportEvent, ImportRecord, ImportState, SiteState

UNFINISHED = frozenset({ImportState.RECEIVED, ImportState.VERIFYING, ImportState.STAGED})
MAX_HISTORY = 200  # lines; bounds the pointer, which is read and written whole


class Approval(msgspec.Struct, frozen=True):
    """Who acts, who approves, and why."""

    actor: str
    approver: str
    reason: str

    def need_second(self, what: str, *, reason: bool = False) -> None:
        """Raise ApprovalRequired without an approver who is not the actor.

        ReasonRequired without a reason, if one is needed.
        """
        if reason and not self.reason.strip():
            raise ReasonRequired(what=what)
        if not self.approver.strip() or self.approver.strip() == self.actor:
            raise ApprovalRequired(what=what, and_reason=" and `--reason TEXT`" if reason else "")


def check_history(state: SiteState, mark: Mark) -> None:
    """Raise RootRejected when the generation is held with another root."""
    known = next((held for held in state.held if held.generation == mark.generation), None)
    if known is not None and known.root != mark.root:
        raise RootRejected(generation=mark.generation, held=known.root[:16], found=mark.root[:16])


def check_generation(
    state: SiteState, generation: Generation, anchored: Instant, approval: Approval, *, force: bool
) -> None:
    """Raise RootRejected, NotMonotonic or AnchorReplayed unless the bundle may follow what the site runs.

    With `force` an older generation is accepted for a reason and with a second approver; another root for a known
    number never is.
    """
    mark = Mark(generation.generation, generation.root)
    check_history(state, mark)
    if state.active is None or mark == state.active:
        return
    if mark.generation <= state.active.generation:
        if not force:
            raise NotMonotonic(found=mark.generation, active=state.active.generation)
        approval.need_second("Going back to an older generation", reason=True)
        return
    if anchored < state.anchor and mark not in state.held:
        if not force:
            raise AnchorReplayed(found=format_time(anchored), seen=format_time(state.anchor))
        approval.need_second("Accepting an older proof of time", reason=True)


def check_base(state: SiteState, base: Mark | None) -> None:
    """Raise BaseMissing unless the base of a thin bundle is held with the same root."""
    if base is None or base in state.held:
        return
    numbers = ", ".join(str(held.generation) for held in state.held)
    same = any(held.generation == base.generation for held in state.held)
    held = "it is held with another root" if same else f"held are {numbers}" if numbers else "nothing is held yet"
    raise BaseMissing(generation=base.generation, held=held)


def check_signing(generation: Generation, *, require_production: bool) -> None:
    """Raise DevelopmentKey when only production signatures are accepted."""
    if require_production and generation.signing != "production":
        raise DevelopmentKey


def kept_after(held: Sequence[Mark], active: Mark, keep: int) -> tuple[Mark, ...]:
    """Generations to keep: the active one, the one below it for rollback, and the newest others up to `keep`."""
    below = [mark for mark in held if mark.generation < active.generation][-1:]
    others = [mark for mark in reversed(held) if mark not in {active, *below}]
    chosen = {active, *below, *others[: max(keep - 1 - len(below), 0)]}
    return tuple(mark for mark in held if mark in chosen)


def rollback_target(state: SiteState) -> Mark | None:
    """The newest held generation below the active one."""
    if state.active is None:
        return None
    active = state.active.generation
    return max(
        (mark for mark in state.held if mark.generation < active), key=lambda mark: mark.generation, default=None
    )


def unfinished(history: Sequence[ImportRecord], name: str) -> ImportRecord | None:
    """The record of that bundle which a kill left on its way; finished ones are history and never change back."""
    return next((old for old in reversed(history) if old.id == name and old.state in UNFINISHED), None)


def with_record(history: Sequence[ImportRecord], record: ImportRecord) -> tuple[ImportRecord, ...]:
    """The history with a record at its end; it takes the place of an unfinished one of the same bundle."""
    return (*(old for old in history if old.id != record.id or old.state not in UNFINISHED), record)[-MAX_HISTORY:]


def moved(record: ImportRecord, event: ImportEvent, time: str) -> ImportRecord:
    """The record after an event; raises IllegalMove."""
    return msgspec.structs.replace(record, state=IMPORT.move(record.state, event), time=time)


def activated(history: Sequence[ImportRecord], active: ImportRecord) -> tuple[ImportRecord, ...]:
    """The history in which `active` is the one active record and the one before it is superseded."""
    settled = [
        moved(old, ImportEvent.SUPERSEDE, old.time) if old.state is ImportState.ACTIVE else old for old in history
    ]
    return with_record(settled, active)


def age_verdict(age: Seconds, warn: Seconds, breach: Seconds) -> CategoryAge:
    """What the budget says of content of that age."""
    return CategoryAge(age, "breach" if age > breach else "warn" if age > warn else "fresh")
