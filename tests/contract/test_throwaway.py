"""A PostgreSQL that lives as long as a block, wherever the folder of temporary files is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stella.runtime import postgres_server, throwaway
from stella.runtime.errors import ThrowawayFailed
from stella.runtime.postgres_server import Postgres
from stella.runtime.roles import APP
from tests.database import PASSWORD, connected

pytestmark = [pytest.mark.network]


@pytest.mark.parametrize("length", range(60, 110, 3))
def test_a_path_to_a_socket_is_never_too_long(tmp_path: Path, length: int) -> None:
    place = tmp_path / ("x" * max(1, length - len(str(tmp_path)) - 1))
    place.mkdir()
    with throwaway.socket_folder(place) as folder:
        assert len(bytes(folder / ".s.PGSQL.5432")) <= 103
        assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.exists() == (folder.parent == place)


def test_a_folder_with_a_long_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / ("x" * 100)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with throwaway.throwaway(PASSWORD) as server, server.line("postgres") as line:
        pid = int(next(place.glob("*/data/postmaster.pid")).read_text().split()[0])
        assert line.ask("SELECT 1").rows == ((b"1",),)
    assert list(place.iterdir()) == []
    assert not Path(f"/proc/{pid}").exists()


def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(throwaway, "SETTINGS", {"shared_buffers": "1000TB"})
    with pytest.raises(ThrowawayFailed, match="shared_buffers"), throwaway.throwaway(PASSWORD):
        raise AssertionError
    monkeypatch.setattr(postgres_server, "binaries", lambda: tmp_path / "none")
    with pytest.raises(ThrowawayFailed), throwaway.throwaway(PASSWORD):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def server(postgres: Postgres) -> Iterator[throwaway.Throwaway]:
    """The server of the tests, where nobody has a database of these names."""
    yield throwaway.Throwaway(postgres, PASSWORD)
    with connected(postgres) as connection:
        for name in ("one", "two"):
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[call-overload]


def test_answers_of_every_kind(server: throwaway.Throwaway) -> None:
    server.create("one")
    with server.line("one") as line:
        assert line.ask("CREATE TABLE t (x int PRIMARY KEY CHECK (x > 0), y text NOT NULL)").tag == b"CREATE TABLE"
        assert line.ask("INSERT INTO t VALUES (1, 'a'), (2, 'b')").changed == 2
        assert line.ask("SELECT x, NULL FROM t ORDER BY x").rows == ((b"1", None), (b"2", None))
        assert line.ask("SELECT x FROM t").changed == 0
        assert line.ask("COPY t TO STDOUT").rows == ((b"1\ta\n",), (b"2\tb\n",))
        assert line.ask("COPY t FROM STDIN").tag == b"COPY 0"
        refused = line.ask("INSERT INTO t VALUES (-1, 'c')")
        assert (refused.state, refused.about) == ("23514", "t_x_check")
        assert line.ask("INSERT INTO t VALUES (3, NULL)").about == "y"
        assert b"t_x_check" in refused.text()
        several = line.ask_all("SELECT 1; SELECT 1 / 0; SELECT 2")
        assert [answer.state for answer in several] == ["", "22012"]
        assert line.ask("DELETE FROM t").changed == 2
    server.duplicate("one", "two")
    with server.line("two", APP) as line:
        assert line.ask("SELECT x FROM t").state in {"42501", "42P01"}
