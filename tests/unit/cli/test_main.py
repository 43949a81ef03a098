"""The process: exit codes, signals, pipes, crash files, prompts."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stella.cli import crash
from stella.cli.main import STOPPING

Start = Callable[..., subprocess.Popen[bytes]]


def finish(running: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = running.communicate(timeout=30)
    return running.returncode, out.decode(), err.decode()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_unwinds_and_ends_with_130(process: Start, tmp_path: Path, number: signal.Signals) -> None:
    running = process("fake", "wait", str(tmp_path))
    wait_for(tmp_path / "started")
    running.send_signal(number)
    assert finish(running) == (130, "", "interrupted\n")
    assert (tmp_path / "unwound").exists()


def test_an_interruption_with_json_is_a_problem_document(process: Start, tmp_path: Path) -> None:
    running = process("fake", "wait", str(tmp_path), "--json")
    wait_for(tmp_path / "started")
    running.send_signal(signal.SIGINT)
    code, out, err = finish(running)
    assert (code, err) == (130, "")
    assert '"code": "CLI-006"' in out


def test_an_ignored_signal_stays_ignored(process: Start, tmp_path: Path) -> None:
    running = process("fake", "wait", str(tmp_path), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for(tmp_path / "started")
    running.send_signal(signal.SIGHUP)
    (tmp_path / "enough").touch()
    assert finish(running)[0] == 0


def test_run_puts_the_handlers_back(stella: Callable[..., Any]) -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    assert not {getattr(handler, "__module__", "") for handler in before} & {"stella.cli.main"}
    stella("version")
    assert [signal.getsignal(number) for number in STOPPING] == before


@pytest.mark.parametrize("words", [["fake", "say", "many"], ["fake", "say", "many", "--json"]])
def test_a_reader_that_goes_away_is_silent(process: Start, words: list[str]) -> None:
    with process(*words) as running:
        assert running.stdout is not None
        assert running.stdout.readline()
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == b""
        assert running.wait(30) == 0


def test_a_reader_that_goes_away_does_not_hide_a_failure(process: Start) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with process("fake", "fail", "known", "--json", stdout=writer) as running:
        os.close(writer)
        assert running.stderr is not None
        assert running.stderr.read() == b""
        assert running.wait(30) == 4


def test_head_in_a_real_shell(home: Path) -> None:
    del home
    script = Path(__file__).with_name("fake_stella.py")
    line = f"set -o pipefail; '{sys.executable}' '{script}' fake say many | head -1"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "word  length\n", "")


def test_output_to_a_full_disk_ends_with_10(process: Start) -> None:
    with Path("/dev/full").open("wb") as full, process("fake", "say", "word", stdout=full) as running:
        assert running.stderr is not None
        assert running.stderr.read().startswith(b"error[IO-004]: No space left while writing standard output\n")
        assert running.wait(30) == 10


def test_closed_streams_are_no_crash(process: Start) -> None:
    def close() -> None:
        os.close(1)
        os.close(2)

    assert process("fake", "say", "word", stdout=None, stderr=None, preexec_fn=close).wait(30) == 0


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("other", "KeyError: 'an\\nunexpected thing'"),
        ("memory", "MemoryError"),
        ("deep", "RecursionError: maximum recursion"),
    ],
)
def test_an_unexpected_failure_leaves_a_crash_file(
    stella: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch, kind: str, problem: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    ended = stella("fake", "fail", kind)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"error[CLI-005]: Stella failed unexpectedly: {problem}")
    assert "Traceback" not in ended.err
    (kept,) = (home / "state" / "stella").iterdir()
    assert str(kept) in ended.err
    assert kept.stat().st_mode & 0o777 == 0o600
    text = kept.read_text()
    assert f"command stella fake fail {kind}\n" in text
    assert "Traceback (most recent call last):" in text


def test_debug_shows_the_traceback(stella: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" in stella("fake", "fail", "other", "--debug").err
    assert "Traceback" in stella("--debug", "fake", "fail", "known").err
    monkeypatch.setenv("STELLA_DEBUG", "1")
    assert "Traceback" in stella("fake", "fail", "known").err
    monkeypatch.setenv("STELLA_DEBUG", "0")
    assert "Traceback" not in stella("fake", "fail", "known").err


def test_a_crash_file_goes_elsewhere_when_its_folder_takes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    other = tmp_path / "tmp"
    other.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(other))
    place = crash.keep(ValueError("x"), ["a"], {"XDG_STATE_HOME": str(blocker)})
    assert Path(place).parent == other
    monkeypatch.setattr("tempfile.tempdir", str(blocker))
    assert "--debug" in crash.keep(ValueError("x"), ["a"], {"XDG_STATE_HOME": str(blocker)})
    assert crash.keep(ValueError("x"), ["a"], {"HOME": str(tmp_path)}).startswith(
        str(tmp_path / ".local/state/stella/crash-")
    )


def test_a_broken_installation_still_answers(stella: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tests.unit.cli.fake_slice", None)
    monkeypatch.delattr(crash, "keep")
    ended = stella("fake", "say", "x")
    assert ended.code == 1
    assert "error[CLI-005]" in ended.err
    assert "Traceback" not in ended.err


def test_a_sealed_command_cannot_reach_the_network(process: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STELLA_SEALED", "1")
    code, out, err = finish(process("fake", "fail", "net"))
    assert (code, out) == (5, "")
    assert err.startswith(
        "error[AIRGAP_EGRESS_BLOCKED]: Network access to 192.0.2.1 was blocked: this process is sealed\n"
    )
    assert finish(process("fake", "say", "x"))[0] == 0


def test_secrets_come_from_the_environment_and_are_not_asked_for_in_a_pipe(
    process: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = finish(process("fake", "secret"))
    assert code == 2
    assert err.startswith("error[CONF-004]: Secret `env:STELLA_KEY_PASSPHRASE` is not there\n")
    monkeypatch.setenv("STELLA_KEY_PASSPHRASE", "four")
    assert finish(process("fake", "secret", "--json"))[1].count('"4"') == 1


def on_terminal(*words: str, typed: bytes) -> tuple[int, bytes]:
    """Run on a pseudo-terminal, type, and give the exit code and everything that the terminal showed."""
    script = Path(__file__).with_name("fake_stella.py")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, str(script), *words])
    seen = b""
    try:
        while True:
            if b"Passphrase" in seen and typed:
                os.write(terminal, typed)
                typed = b""
            seen += os.read(terminal, 1 << 16)
    except OSError:
        pass  # the child closed the terminal
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


def test_a_person_is_asked_unseen_and_only_when_input_is_wanted(home: Path) -> None:
    del home
    code, seen = on_terminal("fake", "secret", typed=b"hidden\n")
    assert (code, b"hidden" in seen) == (0, False)
    assert b"6" in seen
    code, seen = on_terminal("fake", "secret", "--no-input", typed=b"")
    assert (code, b"Passphrase of" in seen) == (2, False)
    assert on_terminal("fake", "secret", typed=b"\n")[0] == 2


def test_a_terminal_gets_colour_unless_it_says_no(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del home
    monkeypatch.setenv("TERM", "xterm")
    assert b"\x1b[1m" in on_terminal("fake", "say", "x", typed=b"")[1]
    assert b"\x1b[1;31merror[IO-001]" in on_terminal("fake", "fail", "known", typed=b"")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b[" not in on_terminal("fake", "say", "x", typed=b"")[1]
