"""The tiny world with its channel and site in a bucket: laid from a folder, worked on there, taken back to be judged.

Rules:
- Sources, bundles and receipts stay on the disk; `M` and `D` are prefixes. Commands are the same, only the way from a
  location to a folder is another one.
- What is judged is the tree of objects, laid out as files: by the checks of the folder, against the run in the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stella.kernel.errors import StellaError
from stella.operations import Context
from stella.runtime import lease
from stella.runtime.bucket import BucketFolder
from stella.runtime.files import observe_steps
from stella.runtime.lease import Terms
from stella.runtime.ports import Folder
from stella.runtime.s3 import Objects
from tests.chaos import world
from tests.chaos.disturb import Undisturbed
from tests.chaos.world import Scenario

SIDES = ("M", "D")
AT_ONCE = Terms(ttl=20, beat=60, poll=0.01, settle=0)  # no renewals between the steps that are counted

Connect = Callable[[str], Objects]


class Bucket:
    """A world whose sides are prefixes; `connect` gives the objects below a prefix.

    What is below `other` is another machine, which finds the same sides there.
    """

    def __init__(self, top: Path, connect: Connect) -> None:
        self.top = top
        self.other = top.with_name("other-machine")
        self.connect = connect
        self.terms = AT_ONCE
        self.folders: list[BucketFolder] = []

    def folder(self, name: str) -> BucketFolder:
        made = BucketFolder(self.connect(name), terms=self.terms)
        self.folders.append(made)
        return made

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Commands find what is below `top` in the bucket."""
        usual = Context.folder

        def find(ctx: Context, location: str, *, make: bool = False) -> Folder:
            for top in (self.top, self.other):
                place = Path(location)
                if place.is_relative_to(top) and place.relative_to(top).parts[0] in SIDES:
                    return self.folder(place.relative_to(top).as_posix())
            return usual(ctx, location, make=make)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Context, "folder", find)
            yield

    def lay(self, start: Path, without: str) -> None:
        """The world of a folder: its files on the disk, its sides in the bucket and nowhere else."""
        shutil.rmtree(self.top, ignore_errors=True)
        world.copy(start, self.top, without=without)
        for side in SIDES:
            objects = self.connect(side)
            for key, _ in objects.listing(""):
                objects.delete(key)
            for path in sorted((self.top / side).rglob("*")):
                if path.is_file():
                    objects.put(path.relative_to(self.top / side).as_posix(), path.read_bytes())
            shutil.rmtree(self.top / side, ignore_errors=True)
        self.folders.clear()

    def taken_back(self) -> Path:
        """The same world with its sides as folders again."""
        top = self.top.with_name(f"{self.top.name}-taken")
        shutil.rmtree(top, ignore_errors=True)
        shutil.copytree(self.top, top, copy_function=os.link)
        for side in SIDES:
            folder = BucketFolder(self.connect(side))
            for key in folder.keys(""):
                path = top / side / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(folder.read(key, 1 << 30))
        return top


class Outcome(NamedTuple):
    """How a run ended: what it answered, or what it raised."""

    answer: object
    problem: BaseException | None


def run(bucket: Bucket, scenario: Scenario, seed: str, observer: Callable[[str, str], None] | None = None) -> Outcome:
    """Do it, with `observer` at every request."""
    with bucket.in_place():
        observe_steps(observer)
        try:
            return Outcome(world.plain(scenario.act(bucket.top, seed)), None)
        except (StellaError, KeyboardInterrupt) as problem:
            return Outcome(None, problem)
        finally:
            observe_steps(None)


def counted(bucket: Bucket, scenario: Scenario, start: Path) -> list[str]:
    """Every request and every answer of an undisturbed run, and the steps on the disk between them."""
    bucket.lay(start, scenario.bystander)
    steps: list[str] = []
    run(bucket, scenario, "act", lambda kind, path: steps.append(f"{kind} {path}"))
    return steps


def is_request(step: str) -> bool:
    return "s3://" in step


def judge_middle(bucket: Bucket, found: Undisturbed) -> None:
    """A disturbed run leaves what was there before or what should become of it, and either is whole."""
    top = bucket.taken_back()
    assert world.pointer(top) in {found.before, found.after}
    world.check_whole(top)


def judge_again(bucket: Bucket, scenario: Scenario, found: Undisturbed) -> None:
    """The same command finishes; where nothing is drawn anew, with the very files of a run in a folder."""
    again = run(bucket, scenario, "again")
    if again.problem is not None and not isinstance(again.problem, scenario.again):
        assert isinstance(again.problem, StellaError), again
        assert again.problem.reason == scenario.refused, again
    top = bucket.taken_back()
    world.check_whole(top)
    assert world.temporary_files(top) == []
    if scenario.exact:
        files = world.tree(top)
        assert files.keys() ^ found.files.keys() == set()
        assert [name for name, data in files.items() if data != found.files[name]] == []


def lose_the_lease(bucket: Bucket) -> None:
    """What a long sleep does: the time of every lease is over, and nobody here is known to hold one."""
    lease._held.clear()
    for folder in bucket.folders:
        if folder._lease is not None:
            folder._lease._until = 0.0
