"""What a second person finds who comes a moment later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from stella.bundle.model import Mark
from stella.kernel.canonical import dump
from stella.kernel.instant import Floor
from stella.operations import Context
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.ports import Folder
from stella.runtime.settings import Settings
from stella.site.errors import NotInQuarantine
from stella.site.folder import SiteFolder
from stella.site.model import QuarantineCase, ReleaseCase, RollBack, SeeQuarantine, SiteState
from stella.site.upkeep import quarantine, release, rollback
from stella.testing import ManualClock, MemoryFolder, SilentProgress, counted_entropy

CASE = QuarantineCase(
    id="abcdef012345", time="", file="b.stella", bytes=1, code="", reason="", detail="", offending="", fix="",
    actor="op", copy=False,
)  # fmt: skip
STATE = SiteState(
    site="s", site_id="i", channel="stable", channel_id="c", active=None, held=(), trust={}, root_version=1,
    floor=Floor(0, "b", 0), anchor=0, history=(),
)  # fmt: skip
LET_GO = ReleaseCase(dir="D", id="abcdef", reason="a bad copy", ticket="OPS-7")


class Late(MemoryFolder):
    """Somebody else has had the lock by the time it is got."""

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        self.remove(f"quarantine/{CASE.id}/case.json")
        with super().lock():
            yield


def laid(folder: MemoryFolder) -> SiteFolder:
    store = SiteFolder(folder, "D")
    store.flip(STATE)
    folder.write(f"quarantine/{CASE.id}/case.json", dump(CASE))
    return store


def context(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(Context, "folder", lambda *_, **__: folder)
    return Context(ManualClock(0), counted_entropy("x"), SilentProgress(), Settings(), str.encode, "op")


def test_a_case_is_let_go_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = laid(MemoryFolder())
    ctx = context(store.folder, monkeypatch)
    assert quarantine(ctx, SeeQuarantine(dir="D", id="abcdef")).cases == (CASE,)
    assert release(ctx, LET_GO).case == CASE
    (record,) = store.state().history
    assert (record.id, record.why) == (f"release-{CASE.id}", "a bad copy")
    assert "OPS-7" in record.detail
    assert quarantine(ctx, SeeQuarantine(dir="D")).cases == ()
    for again in (lambda: release(ctx, LET_GO), lambda: quarantine(ctx, SeeQuarantine(dir="D", id="abcdef"))):
        with pytest.raises(NotInQuarantine):
            again()


def test_an_id_that_begins_several_lets_none_go(monkeypatch: pytest.MonkeyPatch) -> None:
    store = laid(MemoryFolder())
    other = msgspec.structs.replace(CASE, id="abcdef999999")
    store.folder.write(f"quarantine/{other.id}/case.json", dump(other))
    with pytest.raises(NotInQuarantine):
        release(context(store.folder, monkeypatch), LET_GO)
    assert store.cases() == [CASE, other]


@pytest.mark.parametrize("given", [{}, {"reason": "x"}, {"ticket": "x"}, {"reason": " ", "ticket": "x"}])
def test_letting_go_needs_a_reason_and_a_ticket(given: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"dir": "D", "id": "abcdef", **given}, ReleaseCase)


def test_what_is_not_in_the_index_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> contextlib.AbstractContextManager[object]:
        raise DatabaseUnavailable(where="index", problem="switched off")

    store = laid(MemoryFolder())
    active, below = Mark(2, "2" * 64), Mark(1, "1" * 64)
    store.flip(msgspec.structs.replace(STATE, active=active, held=(below, active)))
    ctx = replace(context(store.folder, monkeypatch), database=away)
    for notes in (release(ctx, LET_GO).notes, rollback(ctx, RollBack(dir="D", reason="it crashes")).notes):
        assert [note[:20] for note in notes] == ["not in the index yet"]


def test_who_comes_second_lets_nothing_go(monkeypatch: pytest.MonkeyPatch) -> None:
    store = laid(Late())
    with pytest.raises(NotInQuarantine):
        release(context(store.folder, monkeypatch), LET_GO)
    assert store.state().history == ()
