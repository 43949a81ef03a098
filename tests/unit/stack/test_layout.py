"""Where a stack is, and who holds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stella.runtime.errors import Busy, Unreadable, Unwritable
from stella.stack import layout as places
from stella.stack.layout import MAX_SOCKET_PATH, SECRETS, Layout, holder, make_private, socket_folder, take
from stella.testing import counted_entropy


def longest(folder: Path) -> int:
    return len(os.fsencode(folder / ".s.PGSQL.5432"))


@pytest.mark.parametrize("length", range(80, 100))
def test_sockets_are_near_when_their_path_fits(length: int) -> None:
    data = Path("/" + "d" * (length - 1))
    found = socket_folder(data)
    assert longest(found) <= MAX_SOCKET_PATH
    assert (found == data / "run") is (length + len("/run/.s.PGSQL.5432") <= MAX_SOCKET_PATH)


def test_the_length_is_one_of_bytes() -> None:
    assert socket_folder(Path("/" + "ü" * 45)) != Path("/" + "ü" * 45, "run")
    assert socket_folder(Path("/" + "u" * 45)) == Path("/" + "u" * 45, "run")


def test_sockets_far_away_are_told_apart_by_their_data(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Path("/" + "1" * 200), Path("/" + "2" * 200)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")  # goes at a logout, under the stack
    assert socket_folder(one) != socket_folder(two)
    assert longest(socket_folder(one)) <= MAX_SOCKET_PATH
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert socket_folder(one).parent == Path("/run/stella")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert socket_folder(one).parent == Path("/tmp/stella-1000")


def test_a_comma_would_make_two_addresses_of_one() -> None:
    assert "," not in str(socket_folder(Path("/a,b")))


def test_a_folder_for_sockets_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_private(tmp_path / "stella" / "hash")
    assert (tmp_path / "stella" / "hash").stat().st_mode & 0o777 == 0o700
    make_private(tmp_path / "stella" / "hash")
    (tmp_path / "stella" / "open").mkdir(mode=0o755)
    with pytest.raises(Unwritable, match="0755"):
        make_private(tmp_path / "stella" / "open")
    (tmp_path / "stella" / "link").symlink_to(tmp_path)
    with pytest.raises(Unwritable, match="another account"):
        make_private(tmp_path / "stella" / "link")
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(Unwritable, match="another account"):
        make_private(tmp_path / "stella" / "hash")


def test_what_is_laid_stays(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "S")
    lock = take(layout)
    layout.lay(counted_entropy("a"))
    first = {name: layout.secret(name).read_text() for name in SECRETS}
    layout.lay(counted_entropy("b"))
    assert {name: layout.secret(name).read_text() for name in SECRETS} == first
    assert len(set(first.values())) == len(SECRETS)
    assert {len(secret) for secret in first.values()} == {44, 48}  # keys of algorithms in base64, passwords in hex
    assert {path.stat().st_mode & 0o777 for path in (layout.data / "secrets").iterdir()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in layout.data.iterdir() if path.is_dir()} == {0o700}
    lock.release()


HOLD = """
import sys
from stella.stack.layout import Layout, take
lock = take(Layout(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_has_one_holder_and_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MEET_PATIENCE", 0.05)
    layout = Layout(tmp_path / "S")
    assert (layout.exists(), holder(layout)) == (False, None)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(layout.data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert (layout.exists(), holder(layout)) == (True, other.pid)
        with pytest.raises(Busy, match=f"pid {other.pid}"):
            take(layout)
        other.kill()
    assert holder(layout) is None
    lock = take(layout)
    assert holder(layout) == os.getpid()
    lock.release()


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Unreadable):
        Layout(tmp_path / "loop").exists()
    (tmp_path / "file").touch()
    assert Layout(tmp_path / "file").exists() is False
