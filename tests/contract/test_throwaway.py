"""A PostgreSQL that lives as long as a block, wherever the folder of temporary files is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from stella.runtime import postgres_server, throwaway
from stella.runtime.errors import ThrowawayFailed
from stella.runtime.roles import APP
from tests.database import PASSWORD

pytestmark = [pytest.mark.network]


@pytest.mark.parametrize("length", [75, 85, 90, 95, 105, 150])
def test_a_folder_with_a_long_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    place = tmp_path / ("x" * max(1, length - len(str(tmp_path)) - len("/stella-proof-12345678/run/")))
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with throwaway.throwaway(PASSWORD) as server, server.line("postgres") as line:
        assert line.ask("SELECT 1").rows == ((b"1",),)
    assert list(place.iterdir()) == []


def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(throwaway, "SETTINGS", {"shared_buffers": "1000TB"})
    with pytest.raises(ThrowawayFailed, match="shared_buffers"), throwaway.throwaway(PASSWORD):
        raise AssertionError
    monkeypatch.setattr(postgres_server, "binaries", lambda: tmp_path / "none")
    with pytest.raises(ThrowawayFailed), throwaway.throwaway(PASSWORD):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_answers_of_every_kind() -> None:
    with throwaway.throwaway(PASSWORD) as server:
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
