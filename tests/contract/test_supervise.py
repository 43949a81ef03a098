"""The supervisor over small programs: order, readiness, restarts, limits, stops."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from stella.kernel.errors import IllegalMove
from stella.runtime import supervise
from stella.runtime.errors import DiskFull
from stella.runtime.supervise import (
    CHILD,
    ChildEvent,
    ChildState,
    Endpoints,
    Service,
    Supervisor,
    WillNotStart,
    last_words,
    pause_after,
    recent,
)

SLEEP = ["/bin/sleep", "60"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(supervise, "LONGEST_PAUSE", 0.01)


def service(top: Path, name: str, line: Sequence[str] = SLEEP, **words: Any) -> Service:
    given = {"command": lambda _: line, "ready": lambda _: {name: "here"}} | words
    return Service(name=name, log=top / f"{name}.log", folder=top, **given)


def watched(services: Sequence[Service], until: Callable[[Supervisor], bool]) -> tuple[Supervisor, bool, list[str]]:
    """Run until something holds, then tell it to stop; how it went and what was seen on the way."""
    seen: list[str] = []

    def changed(supervisor: Supervisor) -> None:
        seen.append(" ".join(child.state for child in supervisor.children))
        if not supervisor.stopping and until(supervisor):
            os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor(services, changed)
    return supervisor, supervisor.run(), seen


def all_ready(supervisor: Supervisor) -> bool:
    return all(child.state is ChildState.READY for child in supervisor.children)


def test_who_needs_others_starts_after_them_and_ends_before(tmp_path: Path) -> None:
    services = [service(tmp_path, "a"), service(tmp_path, "b", needs=("a",)), service(tmp_path, "c", needs=("a", "b"))]
    supervisor, asked, seen = watched(services, all_ready)
    assert asked
    assert seen[0] == "waiting waiting waiting"
    assert seen.index("ready waiting waiting") < seen.index("ready ready waiting") < seen.index("ready ready ready")
    assert seen[-3:] == ["ready ready stopped", "ready stopped stopped", "stopped stopped stopped"]
    assert all(child.process is None for child in supervisor.children)


def test_those_that_need_nobody_start_at_once(tmp_path: Path) -> None:
    services = [service(tmp_path, "a", ready=lambda _: None), service(tmp_path, "b")]
    _, asked, seen = watched(services, lambda it: it.children[1].state is ChildState.READY)
    assert asked
    assert "starting ready" in seen


def test_ready_gets_the_process_of_the_child_itself(tmp_path: Path) -> None:
    pids: list[int] = []
    supervisor: list[Supervisor] = []

    def ready(pid: int) -> Endpoints:
        pids.append(pid)
        assert Path(f"/proc/{pid}").exists()
        return {}

    def until(it: Supervisor) -> bool:
        supervisor.append(it)
        return all_ready(it)

    watched([service(tmp_path, "a", ready=ready)], until)
    assert len(pids) == 1


@pytest.mark.parametrize("vital", [True, False])
def test_too_many_deaths_and_it_has_failed(vital: bool, tmp_path: Path) -> None:
    bad = service(
        tmp_path, "a", ["/bin/sh", "-c", "echo FATAL no luck >&2; echo bye; exit 3"], vital=vital, ready=_never
    )
    supervisor, asked, _ = watched([bad, service(tmp_path, "b")], lambda it: it.children[0].state is ChildState.FAILED)
    child = supervisor.children[0]
    assert (child.state, child.restarts) == (ChildState.FAILED, supervise.MAX_DEATHS + 1)
    assert child.reason == "ended with exit code 3: FATAL no luck"
    assert supervisor.children[1].state is ChildState.STOPPED
    assert asked


def _never(pid: int) -> None:
    del pid


def test_a_vital_child_ends_the_whole_unasked(tmp_path: Path) -> None:
    bad = service(tmp_path, "a", ["/bin/false"], vital=True, ready=_never)
    supervisor, asked, seen = watched([bad, service(tmp_path, "b")], lambda _: False)
    assert (asked, supervisor.children[0].state) == (False, ChildState.FAILED)
    assert seen[-1] == "failed stopped"


def test_one_that_failed_is_tried_again_when_asked(tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    command = ["/bin/sh", "-c", f"test -e {mended} && exec sleep 60"]

    def until(it: Supervisor) -> bool:
        if it.children[0].state is ChildState.FAILED:
            mended.touch()
            os.kill(os.getpid(), supervise.RETRY)
        return all_ready(it)

    ready = lambda _: {} if mended.exists() else None  # noqa: E731  # a word is enough
    supervisor, asked, seen = watched([service(tmp_path, "a", command, ready=ready)], until)
    assert asked
    assert seen.count("failed") == 1
    assert seen[-3:] == ["ready", "ready", "stopped"]
    assert supervisor.children[0].reason == ""


def test_one_that_is_tried_again_gets_all_its_chances(tmp_path: Path) -> None:
    asked: list[int] = []

    def until(it: Supervisor) -> bool:
        if it.children[0].state is not ChildState.FAILED:
            return False
        asked.append(it.children[0].restarts)
        os.kill(os.getpid(), supervise.RETRY)
        return len(asked) > 1

    watched([service(tmp_path, "a", ["/bin/false"], ready=_never)], until)
    assert asked == [supervise.MAX_DEATHS + 1, 2 * (supervise.MAX_DEATHS + 1)]


def test_a_trouble_that_no_restart_mends_is_not_tried_again(tmp_path: Path) -> None:
    def ready(pid: int) -> Endpoints:
        raise WillNotStart(f"not with {bool(pid)}")

    supervisor, asked, seen = watched([service(tmp_path, "a", vital=True, ready=ready)], lambda _: False)
    assert (asked, seen[-1], supervisor.children[0].reason) == (False, "failed", "not with True")
    assert seen.count("starting") == 1


def test_a_full_disk_fails_the_child_and_not_the_supervisor(tmp_path: Path) -> None:
    def command(_: Endpoints) -> Sequence[str]:
        raise DiskFull(path=tmp_path)

    bad = service(tmp_path, "a", command=command)
    supervisor, asked, _ = watched([bad, service(tmp_path, "b")], lambda it: it.children[1].state is ChildState.READY)
    assert asked
    assert (supervisor.children[0].state, supervisor.children[0].reason) == (
        ChildState.FAILED,
        str(DiskFull(path=tmp_path)),
    )


def test_a_change_that_cannot_be_told_is_told_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "TELL_AGAIN", 0.01)
    told: list[str] = []
    full = iter([True] * 8)

    def changed(it: Supervisor) -> None:
        if all_ready(it) and next(full, False):
            raise DiskFull(path=tmp_path)
        told.append(it.children[0].state)
        if told[-1] == ChildState.READY and not it.stopping:
            os.kill(os.getpid(), signal.SIGTERM)

    assert Supervisor([service(tmp_path, "a")], changed).run()
    assert told == ["waiting", "starting", "ready", "ready", "stopped"]


def test_preparing_comes_once_and_before(tmp_path: Path) -> None:
    done: list[str] = []
    wanted = [["/bin/sh", "-c", "exit 0"], None, None]
    prepared = service(tmp_path, "a", prepare=lambda: wanted.pop(0), prepared=lambda: done.append("prepared"))
    _, asked, seen = watched([prepared], all_ready)
    assert (asked, done) == (True, ["prepared"])
    assert seen[:4] == ["waiting", "preparing", "starting", "ready"]


def test_preparing_that_fails_is_the_end(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "echo initdb: error: no space >&2; exit 1"]
    supervisor, asked, _ = watched([service(tmp_path, "a", vital=True, prepare=lambda: command)], lambda _: False)
    assert not asked
    assert supervisor.children[0].reason == "ended with exit code 1: initdb: error: no space"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    supervisor, asked, _ = watched([service(tmp_path, "a", ["/no/such"], vital=True, ready=_never)], lambda _: False)
    assert not asked
    assert "ended with exit code 1" in supervisor.children[0].reason


def test_those_that_know_a_moved_child_are_started_again(tmp_path: Path) -> None:
    places = iter(["one", "two"])
    moving = service(tmp_path, "a", ready=lambda _: {"a": next(places)})
    knows: list[int] = []
    other = service(tmp_path, "b", needs=("a",), ready=lambda pid: knows.append(pid) or {})

    def until(it: Supervisor) -> bool:
        first = it.children[0]
        if all_ready(it) and first.endpoints == {"a": "one"} and first.process:
            first.process.kill()
        return all_ready(it) and len(set(knows)) > 1

    supervisor, asked, _ = watched([moving, other], until)
    assert asked
    assert supervisor.children[0].endpoints == {"a": "two"}
    assert supervisor.children[1].restarts == 1


def test_a_command_hears_where_it_was(tmp_path: Path) -> None:
    heard: list[Endpoints] = []

    def command(before: Endpoints) -> Sequence[str]:
        heard.append(before)
        return SLEEP

    def until(it: Supervisor) -> bool:
        child = it.children[0]
        if all_ready(it) and len(heard) == 1 and child.process:
            child.process.kill()
        return all_ready(it) and len(heard) == 2

    watched([service(tmp_path, "a", command=command)], until)
    assert heard == [{}, {"a": "here"}]


def test_one_that_will_not_end_is_ended(tmp_path: Path) -> None:
    stubborn = ["/bin/sh", "-c", "trap '' TERM; touch ready; while :; do sleep 0.05; done"]
    ready = lambda _: {} if (tmp_path / "ready").exists() else None  # noqa: E731  # a word is enough
    began = time.monotonic()
    supervisor, asked, _ = watched([service(tmp_path, "a", stubborn, ready=ready, stop_patience=0.1)], all_ready)
    assert asked
    assert supervisor.children[0].process is None
    assert time.monotonic() - began > 0.1


def test_one_that_never_answers_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    silent = service(tmp_path, "a", vital=True, ready=_never, start_patience=0.02)
    supervisor, asked, _ = watched([silent], lambda _: False)
    assert not asked
    assert "did not answer within" in supervisor.children[0].reason


def test_signals_are_as_they_were_afterwards(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (*supervise.STOPPING, supervise.RETRY, signal.SIGCHLD)]
    watched([service(tmp_path, "a")], all_ready)
    assert [signal.getsignal(number) for number in (*supervise.STOPPING, supervise.RETRY, signal.SIGCHLD)] == before


def test_pauses_double_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert [round(pause_after(deaths), 1) for deaths in range(1, 9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_deaths_of_long_ago_do_not_count() -> None:
    assert recent([0.0, 50.0, 100.0], 100.0) == [50.0, 100.0]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", ""),
        ("one\ntwo\n\n", "two"),
        ("FATAL: no\nserver is shut down\n", "FATAL: no"),
        ("x" * 9000 + "\nlast", "last"),
    ],
)
def test_the_last_words_of_a_log(log: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("FATAL: of yesterday\n" + log)
    assert last_words(tmp_path / "log", len("FATAL: of yesterday\n")) == words
    assert last_words(tmp_path / "none") == ""


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (ChildState.READY, ChildEvent.START),
        (ChildState.WAITING, ChildEvent.ANSWER),
        (ChildState.STOPPED, ChildEvent.START),
        (ChildState.FAILED, ChildEvent.DIE),
        (ChildState.PAUSED, ChildEvent.ANSWER),
    ],
)
def test_nothing_else_moves_a_child(state: ChildState, event: ChildEvent) -> None:
    with pytest.raises(IllegalMove):
        CHILD.move(state, event)
