"""Tokens that `stella login` keeps."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from stella.client.errors import KeptTokenExposed
from stella.client.kept import EARLY, Kept, Tokens

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
