"""Tokens that `stella login` keeps."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from stella.client.errors import KeptTokenExposed
from stella.client.kept import EARLY, Kept, Tokens
from stella.runtime.errors import Unreadable

SERVER = "http://127.0.0.1:8400"
KEPT = Kept(SERVER, "stella-cli", "a.b.c", 1000)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens({"XDG_STATE_HOME": str(tmp_path)})


def test_a_token_is_kept_for_its_server_alone(tokens: Tokens, tmp_path: Path) -> None:
    tokens.keep(KEPT)
    assert tokens.of(SERVER) == KEPT
    assert tokens.of(SERVER + "/") is None
    (file,) = (tmp_path / "stella/tokens").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert SERVER not in file.name


def test_a_token_ends(tokens: Tokens) -> None:
    tokens.keep(KEPT)
    assert tokens.usable(SERVER, 1000 - EARLY - 1) == "a.b.c"
    assert tokens.usable(SERVER, 1000 - EARLY) == ""


def test_a_token_is_forgotten(tokens: Tokens) -> None:
    assert not tokens.forget(SERVER)
    tokens.keep(KEPT)
    assert tokens.forget(SERVER)
    assert tokens.of(SERVER) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_of_which_others_read_is_not_used(tokens: Tokens, tmp_path: Path, mode: int) -> None:
    tokens.keep(KEPT)
    (file,) = (tmp_path / "stella/tokens").iterdir()
    file.chmod(mode)
    with pytest.raises(KeptTokenExposed):
        tokens.usable(SERVER, 0)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"server": 1}', b"\xff"])
def test_a_file_of_another_form_is_as_good_as_none(tokens: Tokens, tmp_path: Path, data: bytes) -> None:
    tokens.keep(KEPT)
    (file,) = (tmp_path / "stella/tokens").iterdir()
    file.write_bytes(data)
    assert tokens.of(SERVER) is None


def test_without_a_state_folder_it_is_in_the_home(tmp_path: Path) -> None:
    tokens = Tokens({"HOME": str(tmp_path), "XDG_STATE_HOME": "relative"})
    tokens.keep(KEPT)
    assert (tmp_path / ".local/state/stella/tokens").is_dir()


def test_logins_at_the_same_time_do_not_meet(tokens: Tokens, tmp_path: Path) -> None:
    """Whichever is last counts, and at no moment is there none, or half of one."""
    found: list[object] = []
    tokens.keep(KEPT)
    start = threading.Barrier(4)

    def log_in(number: int) -> None:
        start.wait()
        for _ in range(30):
            try:
                tokens.keep(Kept(SERVER, "stella-cli", "t" * (100 + 37 * number), 1000))
                found.append(tokens.of(SERVER))
            except Exception as error:  # noqa: BLE001  # what a thread meets is what the test is about
                found.append(error)

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 120
    assert all(isinstance(one, Kept) for one in found), found
    assert len(list((tmp_path / "stella/tokens").iterdir())) == 1


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(tokens: Tokens, tmp_path: Path, mode: int) -> None:
    """Who may write there could lay a link or another token."""
    tokens.keep(KEPT)
    (tmp_path / "stella/tokens").chmod(mode)
    with pytest.raises(KeptTokenExposed):
        tokens.of(SERVER)
    with pytest.raises(KeptTokenExposed):
        tokens.keep(KEPT)


def test_a_link_is_not_followed(tokens: Tokens, tmp_path: Path) -> None:
    tokens.keep(KEPT)
    (file,) = (tmp_path / "stella/tokens").iterdir()
    elsewhere = file.rename(tmp_path / "elsewhere")
    file.symlink_to(elsewhere)
    with pytest.raises(Unreadable):
        tokens.of(SERVER)
    tokens.keep(Kept(SERVER, "stella-cli", "d.e.f", 1000))
    assert not file.is_symlink()
    assert b"a.b.c" in elsewhere.read_bytes()


def test_the_token_of_another_server_in_its_place_is_none(tokens: Tokens, tmp_path: Path) -> None:
    tokens.keep(KEPT)
    (file,) = (tmp_path / "stella/tokens").iterdir()
    file.rename(tokens._path("https://other.example"))
    assert tokens.of("https://other.example") is None
