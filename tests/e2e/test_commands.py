"""Every command through what can happen: ok, bad flag, missing file, unreadable file, full disk, broken pipe, Ctrl-C.

Rules:
- The rows are compared with the table of operations, so an operation without a row fails.
- A file is unreadable because its name is a loop of links: that holds for root too.
- A cell that cannot happen to a command says why.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stella import bootstrap
from stella.cli.main import run
from stella.operations import Operation, fields_of
from stella.runtime.files import TEMPORARY, observe_steps
from tests.e2e.command_rows import FLEET, ROWS
from tests.e2e.material import as_process, build, stella, stepping
from tests.fleets import FleetFiles

OPERATIONS = {operation.name: operation for operation in bootstrap.load_all()}


def test_every_operation_has_a_row() -> None:
    assert ROWS.keys() == OPERATIONS.keys()


def rows(cell: str) -> list[object]:
    """Parameters of a test: each operation that the cell can happen to, and its words."""
    told = ((name, getattr(row, cell)) for name, row in ROWS.items())
    return [
        pytest.param(name, [*name.split("."), *words.split()], id=name)
        for name, words in told
        if not words.startswith("-:")
    ]


RUNNABLE = rows("ok")


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders to copy; D2 is a site that can go back."""
    top = build(tmp_path_factory.mktemp("material") / "made")
    shutil.copytree(top / "D", top / "D2")
    with as_process(top):
        assert run(["site", "import", "2.stella", "--dir", "D2"]) == 0
    FleetFiles(top / "fleet")
    with as_process(top):
        assert run(["inventory", "load", *FLEET.split(), "--dir", "I"]) == 0
    (top / "S").mkdir(mode=0o700)
    (top / "S/lock").touch()
    (top / "loop").symlink_to("loop")
    (top / "broken").mkdir()
    for name in ("channel.json", "head.json", "state.json", "root.json", "snapshot.json", "store.json"):
        (top / "broken" / name).symlink_to("../loop")
    return top


@pytest.fixture
def folder(material: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy to work in; this process is in it, with an environment of its own. No temporary file stays."""
    top = tmp_path / "work"
    shutil.copytree(material, top, symlinks=True, copy_function=os.link, ignore=shutil.ignore_patterns(".lock"))
    with as_process(top):
        yield top
    assert left_behind(top) == []


def left_behind(top: Path) -> list[str]:
    return [name for _, _, names in os.walk(top) for name in names if name.endswith(TEMPORARY)]


@pytest.fixture
def call(folder: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run words as `stella` would, in this process."""
    del folder

    def perform(*words: str) -> Ended:
        capfd.readouterr()
        code = run(words)
        return Ended(code, *capfd.readouterr())

    return perform


@pytest.mark.parametrize(("name", "words"), RUNNABLE)
def test_ok(name: str, words: list[str], call: Callable[..., Ended]) -> None:
    ended = call(*words)
    assert ended.code == 0, ended.err
    assert ended.out.strip()
    assert not ended.err
    assert name in OPERATIONS


@pytest.mark.parametrize(("name", "words"), RUNNABLE)
def test_ok_as_json(name: str, words: list[str], call: Callable[..., Ended]) -> None:
    ended = call(*words, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["schema"] == OPERATIONS[name].schema
    assert not ended.err
    for new in ROWS[name].new:
        assert Path(new).exists()


def flag_of(operation: Operation[Any, Any]) -> str:
    """A flag of an operation; every one has `--json`."""
    named = (name for name, _, about, _ in fields_of(operation.request) if not about.positional)
    return next(named, "json").replace("_", "-")


@pytest.mark.parametrize("name", sorted(ROWS))
def test_bad_flag(name: str, call: Callable[..., Ended]) -> None:
    flag = f"--{flag_of(OPERATIONS[name])}"
    ended = call(*name.split("."), f"{flag}x", "value")
    assert (ended.code, ended.out) == (2, "")
    assert f"did you mean `{flag}`" in ended.err


@pytest.mark.parametrize(("name", "words"), rows("missing"))
def test_missing_file(name: str, words: list[str], call: Callable[..., Ended]) -> None:
    problem = refused(call(*words, "--json"), 4)
    assert problem["hint"], name
    nothing_new(name)


@pytest.mark.parametrize(("name", "words"), rows("unreadable"))
def test_unreadable_file(name: str, words: list[str], call: Callable[..., Ended]) -> None:
    assert refused(call(*words, "--json"), 10)["reason"] == "io"
    nothing_new(name)


def refused(ended: Ended, code: int) -> dict[str, Any]:
    """The problem that a command answered with."""
    assert ended.code == code, ended
    assert not ended.err
    problem: dict[str, Any] = json.loads(ended.out)
    assert (problem["schema"], problem["exit"]) == ("stella.problem@1", code)
    return problem


def nothing_new(name: str) -> None:
    assert [new for new in ROWS[name].new if Path(new).exists()] == []


WRITERS = [name for name, row in ROWS.items() if row.writes]


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk(name: str, call: Callable[..., Ended]) -> None:
    def full(kind: str, path: str) -> None:
        raise OSError(errno.ENOSPC, f"{kind} {path}")

    observe_steps(full)
    try:
        ended = call(*words_of(name), "--json")
    finally:
        observe_steps(None)
    assert refused(ended, 10)["reason"] == "disk"
    nothing_new(name)


def words_of(name: str) -> list[str]:
    """Words that let an operation begin."""
    row = ROWS[name]
    return [*name.split("."), *(row.begins if row.ok.startswith("-:") else row.ok).split()]


@pytest.mark.parametrize(("name", "words"), RUNNABLE)
def test_full_disk_under_standard_output(
    name: str, words: list[str], call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr("sys.stdout", full)
        ended = call(*words)
    assert ended.code == 10, name
    assert "No space left" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(("name", "words"), RUNNABLE)
def test_broken_pipe(name: str, words: list[str], call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as gone:
        monkeypatch.setattr("sys.stdout", gone)
        ended = call(*words)
    assert (ended.code, ended.err) == (0, ""), name


@pytest.mark.parametrize("name", sorted(ROWS))
def test_ctrl_c(name: str, call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of what it writes, or for one that writes nothing when it begins."""
    steps = count(1)

    def stop(*_: object) -> None:
        if next(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    make = bootstrap.make_context

    def stopped(*given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return make(*given)

    if ROWS[name].writes:
        observe_steps(stop)
    else:
        monkeypatch.setattr(bootstrap, "make_context", stopped)
    try:
        ended = call(*words_of(name))
    finally:
        observe_steps(None)
    assert ended == Ended(130, "", "interrupted\n")
    nothing_new(name)


# The same as processes, where the operating system itself does it.


@pytest.mark.parametrize("reader", ["head -c1", "true"])
@pytest.mark.parametrize("words", ["mirror show 1.stella --files", "explain", "site list --dir D --json", "--help"])
def test_a_reader_that_leaves(words: str, reader: str, folder: Path) -> None:
    command = (
        f"{{ sleep 0.1; {shlex.join([sys.executable, '-m', 'stella', *words.split()])}; echo $? >code; }} | {reader}"
    )
    done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.stderr, (folder / "code").read_text()) == ("", "0\n")


@pytest.mark.parametrize("step", [1, 40, 90])
@pytest.mark.parametrize(
    "words", ["mirror create --dir M --source src2 --renew --out new.stella", "site import 2.stella --dir D"]
)
def test_ctrl_c_in_the_middle_of_a_process(words: str, step: int, folder: Path) -> None:
    process = stepping("stop", step if "create" in words else step // 2 + 1, *words.split(), folder=folder)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert left_behind(folder) == []
    assert not (folder / "new.stella").exists()
    again = stella(*words.split(), folder=folder)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    "words", ["mirror create --dir M --source src2 --renew --out new.stella", "site import 2-full.stella --dir D"]
)
def test_a_file_that_may_not_grow(words: str, folder: Path) -> None:
    """The operating system refuses the write half-way: EFBIG, as a quota or an old file system would."""
    done = stella(
        *words.split(),
        "--json",
        folder=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700)),
    )
    assert done.returncode == 10, done
    assert json.loads(done.stdout)["code"] == "IO-003"
    assert left_behind(folder) == []
    assert not (folder / "new.stella").exists()
    assert stella(*words.split(), folder=folder).returncode == 0


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    disk = tmp_path / "tiny"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_really_full(tiny: Path, folder: Path) -> None:
    shutil.copytree(folder / "M", tiny / "M")
    (tiny / "ballast").write_bytes(bytes(max(free(tiny) - 8192, 0)))
    before = (tiny / "M/head.json").read_bytes()
    words = ("mirror", "create", "--dir", "tiny/M", "--source", "src2", "--renew", "--out", "new.stella", "--json")
    (folder / "tiny").symlink_to(tiny)
    done = stella(*words, folder=folder)
    assert (done.returncode, json.loads(done.stdout)["reason"]) == (10, "disk")
    assert (tiny / "M/head.json").read_bytes() == before
    assert left_behind(tiny) == []
    (tiny / "ballast").unlink()
    assert stella(*words, folder=folder).returncode == 0


def free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


@pytest.mark.parametrize(
    "words", ["mirror create --dir M --source src2 --renew --out new.stella", "site import 2.stella --dir D"]
)
def test_whoever_comes_second_is_told_at_once(words: str, folder: Path) -> None:
    first = stepping("hold", 1, *words.split(), folder=folder)
    try:
        assert first.stderr is not None
        assert first.stderr.readline() == "held\n"
        second = stella(*words.split(), "--json", folder=folder)
        problem = refused(Ended(second.returncode, second.stdout, second.stderr), 10)
        assert problem["reason"] == "unavailable"
        assert f"pid {first.pid}" in problem["detail"]
    finally:
        out, err = first.communicate(timeout=60)
    assert (first.returncode, err) == (0, "")
    assert out
    assert stella(*words.split(), folder=folder).returncode == 0
