"""Faults, kills and other writers at the requests of commands on a channel or a site in a bucket.

Rules:
- A request that fails, one whose answer is lost, a store that goes away and Ctrl-C leave the old state or the new one,
  whole; the same command again finishes, with the very files of a run in a folder.
- These faults meet the adapter over the library's store in memory; kill -9 and two processes at once meet it over a
  real store. The nightly run tries every request, the others some.
- A writer that lost its lease publishes nothing over the one that took it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from stella.kernel.errors import Exit, StellaError
from stella.runtime import s3
from stella.runtime.errors import Overtaken, StoreUnreachable
from stella.runtime.files import observe_steps
from stella.runtime.s3 import Objects, connect
from stella.site.errors import NothingToRollBack
from tests.bucket_server import Store
from tests.chaos import bucket as buckets
from tests.chaos import proxy, world
from tests.chaos.bucket import Bucket, Connect, counted, is_request, judge_again, judge_middle, lose_the_lease
from tests.chaos.disturb import Undisturbed
from tests.chaos.world import SCENARIOS, Scenario

Find = Callable[[Scenario], Undisturbed]
Act = Callable[[Path, str], object]
EVERY_TIME = ("create-thin", "import-thin", "import-pruning")  # these are also killed every time
IN_FULL = ("import-thin", "import-pruning")  # a store that fails once is tried at every request of these
SAMPLE = 10  # points at which the other commands and faults, and thieves, are tried every time
KILLS = 5  # points of a command at which a process is really killed every time


def in_memory() -> Connect:
    """Prefixes of one store in memory, which lives as long as this."""
    stores = {name: MemoryStore() for name in buckets.SIDES}

    def find(name: str) -> Objects:
        side, _, rest = name.partition("/")
        return Objects(stores[side] if not rest else Below(stores[side], rest), f"s3://memory/{name}", "memory")

    return find


def Below(store: MemoryStore, rest: str) -> MemoryStore:  # noqa: N802
    """A copy of what is below a prefix, to be read: trust folders are read as places of their own."""
    import obstore

    copy = MemoryStore()
    for page in obstore.list(store, rest):
        for row in page:
            obstore.put(copy, str(row["path"]).removeprefix(f"{rest}/"), obstore.get(store, row["path"]).bytes())
    return copy


def _raise(problem: BaseException) -> None:
    raise problem


FAULTS: dict[str, tuple[Callable[[int, int], bool], Callable[[], BaseException], type[BaseException]]] = {
    "once": (lambda step, point: step == point, lambda: OSError("connection reset"), StoreUnreachable),
    "gone": (lambda step, point: step >= point, lambda: OSError("connection refused"), StoreUnreachable),
    "stopped": (lambda step, point: step == point, KeyboardInterrupt, KeyboardInterrupt),
}


def fault_at(point: int, fault: str) -> Callable[[str, str], None]:
    """An observer that lets a request, or the answer to one, fail."""
    meets, make, _ = FAULTS[fault]
    steps = count(1)

    def observe(kind: str, path: str) -> None:
        if is_request(f"{kind} {path}") and meets(next(steps), point):
            _raise(make())

    return observe


def sampled(points: range, size: int, seed: str) -> list[int]:
    return sorted(random.Random(seed).sample(points, min(size, len(points))))


def faults() -> list[object]:
    """Each command with each fault: every request for the main ones, a sample for the others and the rest by night."""
    rows: list[object] = []
    for scenario in SCENARIOS:
        for fault in FAULTS:
            main = scenario.name in IN_FULL and fault == "once"
            rows.append(pytest.param(scenario, fault, not main, id=f"{scenario.name}-{fault}"))
            if not main:
                rows.append(
                    pytest.param(scenario, fault, False, id=f"{scenario.name}-{fault}-all", marks=pytest.mark.nightly)
                )
    return rows


@pytest.mark.parametrize(("scenario", "fault", "sample"), faults())
def test_a_failing_store_leaves_all_old_or_new(
    scenario: Scenario, fault: str, sample: bool, undisturbed: Find, place: Path
) -> None:
    found = undisturbed(scenario)
    bucket = Bucket(place / "world", in_memory())
    points = range(1, sum(map(is_request, counted(bucket, scenario, found.start))) + 1)
    assert len(points) > 4
    for point in sampled(points, SAMPLE, f"{scenario.name} {fault}") if sample else points:
        bucket.lay(found.start, scenario.bystander)
        ended = buckets.run(bucket, scenario, "act", fault_at(point, fault))
        judge_problem(ended.problem, scenario, fault)
        judge_middle(bucket, found)
        judge_again(bucket, scenario, found)


def judge_problem(problem: BaseException | None, scenario: Scenario, fault: str) -> None:
    """A fault shows as what it is, or not at all where it changes nothing: a lost answer to what was carried out."""
    if isinstance(problem, StellaError) and scenario.refused and problem.reason == scenario.refused:
        return
    assert problem is None or type(problem) is FAULTS[fault][2], problem
    if isinstance(problem, StellaError):
        assert problem.exit is Exit.TRANSIENT


def test_the_points_are_all_of_them(undisturbed: Find, place: Path) -> None:
    scenario = world.scenario("import-pruning")
    steps = counted(Bucket(place / "world", in_memory()), scenario, undisturbed(scenario).start)
    kinds = {step.partition(" s3://")[0] for step in steps if is_request(step)}
    assert kinds == {
        f"{kind}{end}" for kind in ("put", "get", "head", "list", "delete", "renew") for end in ("", " answer")
    }


# ---- another writer


def create_third(top: Path, seed: str) -> object:
    return world._create(top, seed, 3, "out.stella")


THIEVES = {
    "another-generation": ("create-full", create_third),
    "rotation": ("create-full", world.rotate_release),
    "rollback": ("import-pruning", world.roll_back),
    "same-import": ("import-pruning", world.import_pruning),
}


@pytest.mark.parametrize("size", [SAMPLE, pytest.param(10**6, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", THIEVES)
def test_who_lost_the_lease_publishes_nothing(name: str, size: int, undisturbed: Find, place: Path) -> None:
    """At every request the lease is taken by another machine, which finishes; the first one must not undo its work.

    Not at a removal that has been checked and not yet been sent: there the time of the lease is all that protects.
    """
    scenario, theft = world.scenario(THIEVES[name][0]), THIEVES[name][1]
    found = undisturbed(scenario)
    bucket = Bucket(place / "world", in_memory())
    steps = [step for step in counted(bucket, scenario, found.start) if is_request(step)]
    told = []
    for point in sampled(range(held_from(steps), len(steps) + 1), size, name):
        if steps[point - 1].startswith("delete s3"):
            continue
        bucket.lay(found.start, scenario.bystander)
        world.copy(found.start, bucket.other, without="nothing")
        pointers: list[object] = []
        ended = buckets.run(bucket, scenario, "act", thief_at(point, bucket, theft, pointers))
        assert ended.problem is None or isinstance(ended.problem, StellaError), ended
        told.append(isinstance(ended.problem, Overtaken))
        top = bucket.taken_back()
        assert [world.pointer(top)] == pointers, steps[point - 1]
        world.check_whole(top)
        judge_end(bucket, scenario)
        shutil.rmtree(bucket.other)
    assert any(told)


def import_again(top: Path, seed: str) -> object:
    """The bundle that the site runs already; it clears away what a killed import has left."""
    return world._import(top, seed, 3, "2-thin.stella")


def create_again(top: Path, seed: str) -> object:
    """The generation that the channel has already; it clears away what a killed rotation has left."""
    return world.create_first(top, seed)


@pytest.mark.parametrize(("name", "clear"), [("import-pruning", import_again), ("rotate-release", create_again)])
@pytest.mark.parametrize("size", [SAMPLE, pytest.param(10**6, marks=pytest.mark.nightly)])
def test_what_another_writer_has_cleared_away_is_never_named(
    name: str, clear: Act, size: int, undisturbed: Find, place: Path
) -> None:
    """Who takes the lease finds nothing to do but to tidy up; the first one wakes at its next write, or at the flip."""
    scenario = world.scenario(name)
    found = undisturbed(scenario)
    bucket = Bucket(place / "world", in_memory())
    steps = [step for step in counted(bucket, scenario, found.start) if is_request(step)]
    flips = [at for at, step in enumerate(steps, 1) if step.startswith("put s3") and step.endswith(world.POINTERS)]
    points = range(held_from(steps), len(steps) + 1)
    for point in sorted({*sampled(points, size, name), *flips}):
        if steps[point - 1].startswith("delete s3"):
            continue
        bucket.lay(found.start, scenario.bystander)
        world.copy(found.start, bucket.other, without="nothing")
        ended = buckets.run(bucket, scenario, "act", thief_at(point, bucket, clear, []))
        assert ended.problem is None or isinstance(ended.problem, StellaError), ended
        world.check_whole(bucket.taken_back())
        judge_end(bucket, scenario)
        shutil.rmtree(bucket.other)


def held_from(steps: list[str]) -> int:
    """The first request of a run under its lease: the lease is looked for, written, and seen to refuse two writes."""
    written = next(at for at, step in enumerate(steps, 1) if step.startswith("put answer") and step.endswith("/.lock"))
    return written + 3


def thief_at(point: int, bucket: Bucket, act: Act, pointers: list[object]) -> Callable[[str, str], None]:
    """Take the lease at a request and do something else, all of it; what is published then goes to `pointers`."""
    steps = count(1)

    def observe(kind: str, path: str) -> None:
        if is_request(f"{kind} {path}") and next(steps) == point:
            observe_steps(None)
            lose_the_lease(bucket)
            with contextlib.suppress(NothingToRollBack):
                act(bucket.other, "thief")
            pointers.append(world.pointer(bucket.taken_back()))

    return observe


def judge_end(bucket: Bucket, scenario: Scenario) -> None:
    """The first machine can run its command again: it finishes, or says what has changed under it."""
    again = buckets.run(bucket, scenario, "again")
    assert again.problem is None or isinstance(again.problem, StellaError), again
    top = bucket.taken_back()
    world.check_whole(top)
    if scenario.of_channel:
        world.check_rendering(top)


# ---- a real store and real processes


class Places:
    """Prefixes of a bucket in a real store; it can be handed to another process."""

    def __init__(self, store: Store, location: str) -> None:
        self.store = store
        self.location = location

    def __call__(self, name: str) -> Objects:
        return connect(f"{self.location}/{name}", self.store.settings, self.store.reveal, sealed=False)

    def through(self, endpoint: str) -> Places:
        """The same by another address of the store."""
        return Places(self.store._replace(endpoint=endpoint), self.location)


def wire_faults() -> list[object]:
    """Each fault: at every flip of an import every time, at every request by night."""
    rows: list[object] = []
    for name in ("import-pruning", "create-thin"):
        for fault in proxy.FAULTS:
            if name == "import-pruning" or fault in {"lost", "late"}:
                rows.append(pytest.param(name, fault, 0, id=f"{name}-{fault}"))
            rows.append(pytest.param(name, fault, 10**6, id=f"{name}-{fault}-all", marks=pytest.mark.nightly))
    return rows


@pytest.mark.network
@pytest.mark.parametrize(("name", "fault", "size"), wire_faults())
def test_a_request_that_is_spoiled_on_the_wire_leaves_all_old_or_new(
    name: str,
    fault: proxy.Fault,
    size: int,
    undisturbed: Find,
    place: Path,
    bucket_server: Store,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library's own repetitions are part of it. What is acknowledged is there; what is not may be there as well."""
    scenario = world.scenario(name)
    found = undisturbed(scenario)
    places = Places(bucket_server, bucket)
    disturbed = Bucket(place / "world", places)
    if fault == "late":
        monkeypatch.setattr(s3, "ANSWER", "500ms")

    def disturb(fault: proxy.Fault, point: int) -> tuple[buckets.Outcome, list[str]]:
        disturbed.lay(found.start, scenario.bystander)
        with proxy.spoiling(bucket_server.endpoint, fault, point) as spoiler:
            disturbed.connect = places.through(spoiler.endpoint)
            try:
                return buckets.run(disturbed, scenario, "act"), spoiler.seen
            finally:
                disturbed.connect = places

    ended, requests = disturb("none", 0)
    assert ended.problem is None
    flips = [at for at, seen in enumerate(requests, 1) if seen.startswith("PUT") and seen.endswith(world.POINTERS)]
    assert flips
    for point in sorted({*sampled(range(1, len(requests) + 1), size, f"{name} {fault}"), *flips}):
        ended, seen = disturb(fault, point)
        assert ended.problem is not None or len(seen) >= point
        judge_problem(ended.problem, scenario, "once")
        judge_middle(disturbed, found)
        if ended.problem is None:
            assert world.pointer(disturbed.taken_back()) == found.after, seen[point - 1]
        judge_again(disturbed, scenario, found)


def child(
    places: Places, top: Path, name: str, point: int, gate: object, sent: int = signal.SIGKILL, ttl: float = 20
) -> None:
    """Do it in this process and get a signal at a request; the exit code is that of the command."""
    import stella.bundle.receive
    import stella.mirror.thin

    stella.bundle.receive.delta_worker = world.direct_worker  # type: ignore[attr-defined]
    stella.mirror.thin.delta_worker = world.direct_worker  # type: ignore[attr-defined]
    steps = count(1)

    def observe(kind: str, path: str) -> None:
        if is_request(f"{kind} {path}") and next(steps) == point:
            os.kill(os.getpid(), sent)

    if gate is not None:
        gate.wait(30)  # type: ignore[attr-defined]
    bucket = Bucket(top, places)
    bucket.terms = bucket.terms._replace(ttl=ttl)
    ended = buckets.run(bucket, world.scenario(name), "act", observe)
    os._exit(int(ended.problem.exit) if isinstance(ended.problem, StellaError) else 0)


def processes() -> multiprocessing.context.ForkServerContext:
    """Processes that are forked from one that has never spoken to a store: the library's threads survive no fork."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.test_bucket"])
    return context


def kills() -> list[object]:
    rows: list[object] = []
    for scenario in SCENARIOS:
        if scenario.name in EVERY_TIME:
            rows.append(pytest.param(scenario, KILLS, id=scenario.name))
        rows.append(pytest.param(scenario, 10**6, id=f"{scenario.name}-all", marks=pytest.mark.nightly))
    return rows


@pytest.mark.network
@pytest.mark.parametrize(("scenario", "size"), kills())
def test_after_a_kill_all_is_old_or_new_and_the_same_command_finishes(
    scenario: Scenario, size: int, undisturbed: Find, place: Path, bucket_server: Store, bucket: str
) -> None:
    found = undisturbed(scenario)
    places = Places(bucket_server, bucket)
    disturbed = Bucket(place / "world", places)
    total = sum(map(is_request, counted(disturbed, scenario, found.start)))
    for point in sampled(range(1, total + 1), size, f"{scenario.name} kill"):
        disturbed.lay(found.start, scenario.bystander)
        process = processes().Process(target=child, args=(places, disturbed.top, scenario.name, point, None))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        judge_middle(disturbed, found)
        judge_again(disturbed, scenario, found)


@pytest.mark.network
@pytest.mark.parametrize("meanwhile", [import_again, world.roll_back, world.import_pruning])
def test_a_writer_that_is_stopped_and_wakes_publishes_nothing_over_its_successor(
    meanwhile: Act, undisturbed: Find, place: Path, bucket_server: Store, bucket: str
) -> None:
    """It is stopped when it has found its lease good and is about to flip the pointer, until the lease is another's."""
    scenario = world.scenario("import-pruning")
    found = undisturbed(scenario)
    disturbed = Bucket(place / "world", Places(bucket_server, bucket))
    steps = [step for step in counted(disturbed, scenario, found.start) if is_request(step)]
    flips = [at for at, step in enumerate(steps, 1) if step.startswith("put s3") and step.endswith("/state.json")]
    disturbed.terms = disturbed.terms._replace(ttl=0.5)
    for point in flips:
        disturbed.lay(found.start, scenario.bystander)
        world.copy(found.start, disturbed.other, without="nothing")
        stopped = processes().Process(
            target=child, args=(disturbed.connect, disturbed.top, scenario.name, point, None, signal.SIGSTOP, 20)
        )
        stopped.start()
        assert stopped.pid is not None
        try:
            while "T" not in Path(f"/proc/{stopped.pid}/stat").read_text().rpartition(")")[2].split()[0]:
                assert stopped.is_alive()
                time.sleep(0.01)
            with disturbed.in_place():
                meanwhile(disturbed.other, "meanwhile")
            left = world.pointer(disturbed.taken_back())
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
            stopped.join(60)
        assert stopped.exitcode in {0, int(Exit.TRANSIENT)}
        top = disturbed.taken_back()
        world.check_whole(top)
        assert world.pointer(top) == left or stopped.exitcode == 0
        judge_end(disturbed, scenario)
        shutil.rmtree(disturbed.other)


@pytest.mark.network
def test_of_two_writers_at_once_one_wins_and_the_other_is_told(
    undisturbed: Find, place: Path, bucket_server: Store, bucket: str
) -> None:
    scenario = world.scenario("create-full")
    found = undisturbed(scenario)
    places = Places(bucket_server, bucket)
    shared = Bucket(place / "world", places)
    shared.lay(found.start, scenario.bystander)
    other = world.copy(found.start, place / "other", without="M")
    gate = processes().Barrier(2)
    rivals = [
        processes().Process(target=child, args=(places, top, scenario.name, 0, gate)) for top in (shared.top, other)
    ]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join(60)
    codes = sorted(rival.exitcode or 0 for rival in rivals)
    assert codes in ([0, 0], [0, 10])
    assert world.pointer(shared.taken_back()) == found.after
    world.check_whole(shared.taken_back())
    judge_again(shared, scenario, found)
