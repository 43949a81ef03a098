"""Threads that stand each in the folder of their tenant: no relative path ever leads to another one's."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stella.http import standing
from stella.http.errors import NoStanding
from stella.http.standing import require, stand

TENANTS = ("acme", "acme-2", "zeta")
TURNS = 200


@pytest.fixture
def here() -> Iterator[Path]:
    """Where all other threads stand, before and after."""
    before = Path.cwd()
    yield before
    assert Path.cwd() == before


def work(top: Path, tenant: str, turn: int) -> None:
    """What operations do: make, write, read, list, rename and remove by relative paths, with threads of their own."""
    stand(top / tenant)
    name = f"{threading.get_ident()}-{turn}"
    Path("deep", name).mkdir(parents=True)
    Path("deep", name, "same").write_text(tenant)
    os.rename(f"deep/{name}", f"deep/{name}-done")  # noqa: PTH104  # the call itself
    with ThreadPoolExecutor(2) as pool:  # as `mirror create` does
        found = pool.map(lambda _: (Path("whose").read_text(), Path.cwd()), range(4))
        assert set(found) == {(tenant, top / tenant)}
    assert Path("deep", f"{name}-done", "same").read_text() == tenant
    for path in Path("deep").glob("*-done/same"):
        with contextlib.suppress(FileNotFoundError):  # another thread of the tenant has removed it
            assert path.read_text() == tenant
    Path(f"deep/{name}-done/same").unlink()
    assert Path.cwd() == top / tenant


def test_tenants_at_once(tmp_path: Path, here: Path) -> None:
    for tenant in TENANTS:
        (tmp_path / tenant).mkdir()
        (tmp_path / tenant / "whose").write_text(tenant)
    with ThreadPoolExecutor(12) as pool:  # each thread works for one tenant after the other
        turns = [pool.submit(work, tmp_path, TENANTS[number % 3], number) for number in range(TURNS)]
        for turn in turns:
            turn.result()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(TENANTS)
    assert here


def test_processes_stand_where_their_thread_does(tmp_path: Path, here: Path) -> None:
    asked = [sys.executable, "-c", "import os; print(os.getcwd(), os.umask(0))"]

    def start(tenant: str) -> str:
        stand(tmp_path / tenant)
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout

    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            assert list(pool.map(start, TENANTS)) == [f"{tmp_path / tenant} {0o022}\n" for tenant in TENANTS]
    assert here


def test_a_thread_that_was_left_behind_does_not_move_along(tmp_path: Path, here: Path) -> None:
    go, found = threading.Event(), list[Path]()

    def linger() -> None:
        go.wait(10)
        found.append(Path.cwd())

    def perform() -> None:
        stand(tmp_path / "acme")
        thread = threading.Thread(target=linger)
        thread.start()
        stand(tmp_path / "zeta")
        go.set()
        thread.join()
        found.append(Path.cwd())

    thread = threading.Thread(target=perform)
    thread.start()
    thread.join()
    assert found == [tmp_path / "acme", tmp_path / "zeta"]
    assert here


def test_the_umask_is_of_the_thread(tmp_path: Path, here: Path) -> None:
    before = os.umask(0o077)
    try:

        def perform() -> int:
            stand(tmp_path)
            Path("readable").touch()
            return Path("readable").stat().st_mode & 0o777

        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(perform).result() == 0o644
    finally:
        assert os.umask(before) == 0o077
    assert here


def test_where_it_is_not_permitted_nothing_is_served(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    require()

    class Refusing:
        @staticmethod
        def unshare(_: int) -> int:
            return -1

    for refusing in (Refusing(), object()):  # a seccomp profile; a system that does not know it
        monkeypatch.setattr(standing, "_libc", refusing)
        with pytest.raises(NoStanding):
            require()
    assert here
