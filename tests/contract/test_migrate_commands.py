"""`stella migrate` as a person runs it, over a package that ships files, on a real PostgreSQL."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stella import bootstrap
from stella.cli.main import run
from stella.database import apply, service
from tests.e2e.material import as_process
from tests.migrations import AUTOMATIC, COLUMN, EVERY, lay


class Commands:
    """`stella migrate` over a package that ships files, as a person runs it."""

    def __init__(self, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.files, self._capsys = package / "migrations", capsys

    def __call__(self, *words: str) -> tuple[int, dict[str, Any]]:
        self._capsys.readouterr()
        code = run(["migrate", *words, "--json"])
        out, err = self._capsys.readouterr()
        assert not err
        return code, json.loads(out)

    def shown(self, *words: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = run(["migrate", *words])
        out, err = self._capsys.readouterr()
        return code, out + err


@pytest.fixture
def commands(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Commands]:
    package = tmp_path / "box_of_the_commands"
    lay(package / "migrations", EVERY)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(bootstrap, "SCHEMAS", {"box": package.name})
    plain, _, password = database.partition(" password=")
    extra = {"STELLA_DATABASE_OWNER_DSN": plain, "PGPASSWORD": password.strip("'")}
    with as_process(tmp_path, **extra):
        yield Commands(package, capsys)
    sys.modules.pop(package.name, None)


def names(found: dict[str, Any], key: str = "name") -> list[str]:
    return [row[key] for row in found["files"]]


def test_from_status_to_verify(commands: Commands) -> None:
    code, found = commands("status")
    assert (code, found["schema"], found["ready"], found["read_only"]) == (0, "stella.migrate.status@1", False, False)
    assert set(names(found, "state")) == {"pending"}
    code, planned = commands("plan", "--category", "all")
    assert (code, names(planned)) == (0, [*sorted(AUTOMATIC), "DM001_mark.sql", "100_rename.sql"])
    code, dry = commands("run", "--category", "all", "--dry-run")
    assert (code, dry["digest"], dry["dry_run"]) == (0, planned["digest"], True)
    assert names(commands("status")[1], "state") == ["pending"] * len(EVERY)
    code, ran = commands("run")
    assert (code, names(ran)) == (0, sorted(AUTOMATIC))
    code, changed = commands("run", "--category", "all", "--plan", planned["digest"])
    assert (code, changed["reason"]) == (6, "plan_changed")
    assert "stella migrate plan --category all" in changed["hint"]
    code, planned = commands("plan", "--category", "data")
    code, ran = commands("run", "--category", "data", "--plan", planned["digest"])
    assert (code, names(ran), ran["files"][0]["touched"]) == (0, ["DM001_mark.sql"], 11)
    code, ran = commands("run", "--category", "release")
    assert (code, names(ran)) == (0, ["100_rename.sql"])
    code, verified = commands("verify")
    assert (code, verified["applied"], verified["pending"]) == (0, len(EVERY), 0)
    code, found = commands("status", "--module", "box")
    assert found["ready"] is True
    assert set(names(found, "state")) == {"applied"}
    assert {row["applied_by"] for row in found["files"]} == {bootstrap.actor()}


def test_a_plan_is_held_to_by_the_run_itself(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    _, planned = commands("plan")
    assert commands("run", "--plan", "")[1]["reason"] == "plan_changed"  # a variable that was never set
    assert commands("run", "--dry-run", "--plan", "sha256:0")[1]["reason"] == "plan_changed"
    judge = apply.judge_all

    def changed(*given: Any) -> Any:
        """A file is replaced just after it was looked at."""
        (commands.files / "003_size.sql").write_text("ALTER TABLE item ADD COLUMN other int")
        return judge(*given)

    monkeypatch.setattr(service, "judge_all", changed)
    code, ran = commands("run", "--plan", planned["digest"])
    assert (code, ran["files"][2]["checksum"]) == (0, planned["files"][2]["checksum"])


def test_a_pause_that_comes_too_late_leaves_nothing(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    judge, ended = apply.judge_all, list[int]()

    def late(*given: Any) -> Any:
        """The data migration ends between the look and the pause."""
        found = judge(*given)
        if not ended:
            ended.append(1)
            assert commands("run", "--category", "data")[0] == 0
        return found

    monkeypatch.setattr(service, "judge_all", late)
    code, paused = commands("pause")
    assert (code, paused["files"]) == (0, [])
    _, found = commands("status")
    data = next(row for row in found["files"] if row["name"] == "DM001_mark.sql")
    assert (data["state"], data["touched"]) == ("applied", None)


def test_pause_and_go_on(commands: Commands) -> None:
    code, paused = commands("pause")
    assert (code, names(paused)) == (0, ["DM001_mark.sql"])
    _, found = commands("status")
    assert {row["name"]: row["state"] for row in found["files"]}["DM001_mark.sql"] == "paused"
    assert commands("run", "--category", "data")[1]["files"][-1]["state"] == "applied"
    assert commands("pause")[1]["files"] == []


def test_what_people_see(commands: Commands) -> None:
    code, text = commands.shown("status")
    assert code == 0
    assert "001_item.sql" in text
    assert "no: `stella migrate run --category release`" in text
    code, text = commands.shown("run", "--dry-run")
    assert "dry run; nothing was changed" in text
    for words in (["plan"], ["run"], ["verify"], ["pause"], ["status"], ["plan"]):
        code, text = commands.shown(*words)
        assert (code, bool(text)) == (0, True)
    assert "nothing is pending" in text
    (commands.files / "001_item.sql").write_text("SELECT 1")
    assert "no: `stella migrate verify`" in commands.shown("status")[1]


def test_what_is_refused_has_its_exit_code_and_reason(commands: Commands) -> None:
    assert commands("run")[0] == 0
    table = [
        ("003_size.sql", COLUMN + "\n", "verify", 6, "checksum_drift"),
        ("003_size.sql", COLUMN + "\n", "run", 6, "checksum_drift"),
        ("003_size.sql", None, "verify", 6, "newer_database"),
        ("003_size.sql", None, "plan", 6, "newer_database"),
        ("004_x.sql", "DROP TABLE item", "verify", 6, "lint_failed"),
        ("004_x.sql", "DROP TABLE item", "run", 6, "lint_failed"),
        ("004_x.sql", "DROP TABEL item", "verify", 2, "usage"),
        ("V4__x.sql", "SELECT 1", "status", 2, "usage"),
        ("004_x.sql", "SELECT 1/0", "run", 6, "statement_refused"),
    ]
    for name, text, verb, code, reason in table:
        path = commands.files / name
        before = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True) if text is None else path.write_text(text)
        ended, problem = commands(verb)
        assert (ended, problem["reason"], problem["schema"]) == (code, reason, "stella.problem@1"), (name, verb)
        path.unlink(missing_ok=True) if before is None else path.write_bytes(before)
    assert commands("verify")[0] == 0
    (commands.files / "003_size.sql").unlink()
    code, found = commands("status")
    assert (code, found["ready"]) == (0, False)
    assert {row["name"]: row["state"] for row in found["files"]}["003_size.sql"] == "unknown"


def test_bad_usage(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    code, problem = commands("status", "--module", "bux")
    assert (code, problem["hint"]) == (2, "did you mean `box`?")
    assert commands("run", "--category", "relese")[0] == 2
    monkeypatch.setenv("STELLA_DATABASE_OWNER_DSN", "host=x password=hush")
    code, problem = commands("status")
    assert (code, problem["code"], "hush" in json.dumps(problem)) == (2, "DB-001", False)
    monkeypatch.setenv("STELLA_DATABASE_OWNER_DSN", "env:MY_ADDRESS")
    assert commands("status")[1]["code"] == "CONF-004"
    monkeypatch.setenv("MY_ADDRESS", "host=/nowhere")
    assert commands("status")[0] == 10
    monkeypatch.delenv("STELLA_DATABASE_OWNER_DSN")
    code, problem = commands("status")
    assert (code, problem["code"]) == (2, "DB-007")
    monkeypatch.setenv("STELLA_DATABASE_DSN", "host=/nowhere")
    monkeypatch.setenv("STELLA_DATABASE_PASSWORD", "env:UNSET")
    assert commands("status")[1]["code"] == "CONF-004"
