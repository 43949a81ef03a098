"""A tree is linted as a whole: what is read, what is left out, what is said."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from pathlib import Path

import pytest

from stella import bootstrap
from stella.kernel.errors import StellaError
from stella.kernel.instant import parse_time
from stella.lint import service, squawk, views
from stella.lint.model import LintTenancy, TenancyLinted
from stella.lint.rules import RULES
from stella.operations import Context
from stella.runtime.settings import Settings
from stella.testing import ManualClock, SilentProgress, counted_entropy

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_squawk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(squawk, "program", lambda: None)


def lint(*paths: Path | str, day: str = "2026-12-01", **more: object) -> TenancyLinted:
    clock = ManualClock(parse_time(f"{day}T12:00:00Z"))
    context = Context(clock, counted_entropy("x"), SilentProgress(), Settings(), lambda _: b"", "me")
    return service.tenancy(context, LintTenancy(paths=tuple(map(str, paths)), **more))  # type: ignore[arg-type]


def lay(top: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return top


APP = {
    "app/__init__.py": "",
    "app/runtime/__init__.py": "",
    "app/runtime/db.py": "import psycopg\npsycopg.connect('x').execute(y)\n",
    "app/site/__init__.py": "",
    "app/site/service.py": "import psycopg\n",
    "app/site/runtime/__init__.py": "",
    "app/site/runtime/db.py": "import psycopg\n",
    "app/site/migrations/001_a.sql": "CREATE TABLE t (tenant_id text, id int PRIMARY KEY);\n",
    "app/site/queries.sql": "-- name: a\n-- All.\nSELECT * FROM site.t;\n",
    "tool.py": "import sqlite3\n",
}


def places(result: TenancyLinted, top: Path) -> list[tuple[str, int, str]]:
    return [(os.path.relpath(found.file, top), found.line, found.rule) for found in result.findings]


def test_a_tree(tmp_path: Path) -> None:
    result = lint(lay(tmp_path, dict(APP)))
    assert places(result, tmp_path) == [
        ("app/site/migrations/001_a.sql", 1, "STS016"),
        ("app/site/migrations/001_a.sql", 1, "STS018"),
        ("app/site/queries.sql", 3, "STS020"),
        ("app/site/runtime/db.py", 1, "STL001"),  # a room of that name deeper in is not the room
        ("app/site/service.py", 1, "STL001"),
        ("tool.py", 1, "STL001"),
    ]
    assert (result.verdict, result.reason) == ("failed", "lint_failed")
    assert (result.python_files, result.sql_files, result.statements) == (8, 2, 2)
    assert result.tenant_tables == ("site.t",)
    assert len(result.notes) == 1
    assert "squawk is not installed" in result.notes[0]
    assert int(bootstrap.load("lint")[0].verdict(result)) == 6


def test_the_room_is_the_same_from_wherever_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, dict(APP))
    assert not lint(tmp_path / "app/runtime").findings
    assert not lint(tmp_path / "app/runtime/db.py").findings
    monkeypatch.chdir(tmp_path / "app/runtime")
    assert not lint("db.py").findings
    assert not lint(".").findings
    assert len(lint(tmp_path / "app/runtime", room="elsewhere").findings) == 3
    assert not lint(tmp_path / "app/site/service.py", room="site").findings


def test_a_path_that_passes_through_the_room_is_not_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, dict(APP))
    assert len(lint(tmp_path / "app/runtime/../site/service.py").findings) == 1
    assert len(lint(tmp_path / "app/runtime/../site").findings) == len(lint(tmp_path / "app/site").findings)
    monkeypatch.chdir(tmp_path / "app/runtime")
    assert len(lint("../site/service.py").findings) == 1


def test_what_is_left_out(tmp_path: Path) -> None:
    bad = "import psycopg\n"
    lay(tmp_path, {f"{name}/x.py": bad for name in (".git", ".venv", "node_modules", "__pycache__", "site-packages")})
    lay(tmp_path, {"env/pyvenv.cfg": "", "env/bin/x.py": bad, "env/lib/x.py": bad})
    lay(tmp_path, {"ok.py": "", "text.txt": bad, ".hidden.py": bad, "notes": bad, "run": "#!/bin/sh\nimport psycopg\n"})
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / ".#ok.py").symlink_to("nobody@nowhere.1")  # the lock of an editor
    result = lint(tmp_path)
    assert places(result, tmp_path) == [(".hidden.py", 1, "STL001")]
    assert result.python_files == 2
    assert len(lint(tmp_path / ".git").findings) == 1
    assert len(lint(tmp_path / "env").findings) == 2


def test_what_a_program_can_import_is_read_wherever_it_is(tmp_path: Path) -> None:
    bad = "import psycopg\n"
    names = ("node_modules", "site-packages", "__pycache__", "env", "venv")
    lay(tmp_path, {f"app/{name}/x.py": bad for name in names})
    lay(tmp_path, {"app/__init__.py": "", "app/env/pyvenv.cfg": "", "app/env/bin/x": ""})
    lay(tmp_path, {"app/venv/pyvenv.cfg": "", "db/pyvenv.cfg": "", "db/bin/x": "", "db/x.py": bad})
    lay(tmp_path, {"tool": f"#!/usr/bin/env python3\n{bad}", "OLD.SQL": "DO $$ BEGIN END $$", ".x/a.txt": bad})
    (tmp_path / "link.py").symlink_to(".x/a.txt")
    (tmp_path / "linked").symlink_to(".x")
    lay(tmp_path, {".x/b.py": bad})
    found = [(name, rule) for name, _, rule in places(lint(tmp_path), tmp_path)]
    assert found == sorted(
        [
            *((f"app/{name}/x.py", "STL001") for name in names),
            *((name, "STL001") for name in ("db/x.py", "link.py", "linked/b.py", "tool")),
            ("OLD.SQL", "STS014"),
        ]
    )


def test_a_link_in_the_room_does_not_let_in_what_is_outside(tmp_path: Path) -> None:
    lay(tmp_path, dict(APP))
    (tmp_path / "app/runtime/site").symlink_to(tmp_path / "app/site")
    (tmp_path / "app/runtime/also.py").symlink_to(tmp_path / "tool.py")
    assert lint(tmp_path).findings == lint(tmp_path, tmp_path / "app/runtime").findings
    assert [name for name, _, _ in places(lint(tmp_path), tmp_path)][3:] == [
        "app/site/runtime/db.py",
        "app/site/service.py",
        "tool.py",
    ]


def test_folders_may_be_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depth, limit = 300, sys.getrecursionlimit()
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        os.mkdir("d")  # noqa: PTH102  # a Path of that many parts is slow
        os.chdir("d")
    Path("x.py").write_text("import psycopg\n")
    os.chdir(tmp_path)
    sys.setrecursionlimit(len(inspect.stack()) + 200)
    try:
        assert len(lint(".").findings) == 1
    finally:  # what tidies up after tests goes in by recursion
        sys.setrecursionlimit(limit)
        os.chdir("/".join("d" * depth))
        Path("x.py").unlink()
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")  # noqa: PTH106  # as above


def test_a_file_is_read_once(tmp_path: Path) -> None:
    lay(tmp_path, {"a.py": "import psycopg\n"})
    assert len(lint(tmp_path, tmp_path / "a.py", f"{tmp_path}/./").findings) == 1


def test_waivers_in_files_and_beside_them(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "a.py": "import psycopg  # stella: allow STL001 until 2026-12-31: a test\n",
            "migrations/001_a.sql": "SELECT 1;\nCOPY t FROM STDIN;\nDO $$ BEGIN END $$;\n",
            "migrations/.waivers": "001_a.sql:2 allow STS013 until 2026-12-31: old\n"
            "001_a.sql allow STS014 until 2026-12-31: old\n",
        },
    )
    result = lint(tmp_path)
    assert not result.findings
    assert [(one.rule, one.line, one.until, one.reason) for one in result.waived] == [
        ("STL001", 1, "2026-12-31", "a test"),
        ("STS013", 2, "2026-12-31", "old"),
        ("STS014", 3, "2026-12-31", "old"),
    ]
    later = lint(tmp_path, day="2027-01-01")
    assert places(later, tmp_path) == [
        ("a.py", 1, "STL001"),
        ("a.py", 1, "STW001"),
        ("migrations/.waivers", 1, "STW001"),
        ("migrations/.waivers", 2, "STW001"),
        ("migrations/001_a.sql", 2, "STS013"),
        ("migrations/001_a.sql", 3, "STS014"),
    ]


def test_a_waiver_beside_a_file_that_is_not_there(tmp_path: Path) -> None:
    lay(tmp_path, {"a.sql": "SELECT 1", ".waivers": "b.sql:2 allow STS013 until 2027-12-31: why\nnonsense\n"})
    assert [(found.rule, found.line) for found in lint(tmp_path).findings] == [("STW002", 1), ("STW003", 2)]
    lay(tmp_path, {"b.sql": "SELECT 1;\nCOPY t FROM STDIN", ".waivers": "b.sql:2 allow STS013 until 2027-12-31: why\n"})
    assert not lint(tmp_path / "a.sql").findings  # nobody asked about the other file


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("a.py", b"def", "STL000"),
        ("a.sql", b"SELEC", "STS000"),
        ("a.py", b"#" * (service.MAX_FILE + 1), "STL000"),
        ("a.sql", b"-" * (service.MAX_FILE + 1), "STS000"),
        ("app/runtime/a.py", b"def", "STL000"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding(name: str, data: bytes, rule: str, tmp_path: Path) -> None:
    lay(tmp_path, {"app/__init__.py": "", "app/runtime/__init__.py": "", name: data})
    assert rule in [found.rule for found in lint(tmp_path).findings]


@pytest.mark.parametrize(
    ("want", "code"),
    [
        ({"paths": ()}, "LINT-001"),
        ({"paths": ("empty",)}, "LINT-001"),
        ({"paths": ("absent",)}, "IO-001"),
        ({"paths": ("a.py",), "report": ("html=x",)}, "IO-015"),
        ({"paths": ("a.py",), "report": ("sarif",)}, "IO-015"),
        ({"paths": ("a.py",), "room": ""}, "LINT-003"),
        ({"paths": ("a.py",), "room": "../x"}, "LINT-003"),
    ],
)
def test_refused(want: dict[str, tuple[str, ...]], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, {"a.py": "", "empty/x.txt": ""})
    monkeypatch.chdir(tmp_path)
    more = {name: value for name, value in want.items() if name != "paths"}
    with pytest.raises(StellaError) as caught:
        lint(*want["paths"], **more)
    assert caught.value.code == code


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stella.lint.tree.MAX_FILES", 2)
    with pytest.raises(StellaError) as caught:
        lint(lay(tmp_path, {f"{n}.py": "" for n in range(3)}))
    assert caught.value.code == "LINT-004"


def test_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(
        lay(
            tmp_path,
            {"src/a,b.py": "import psycopg\n", "src/c.py": "eval(x)  # stella: allow STL005 until 2027-01-01: x\n"},
        )
    )
    result = lint("src", report=("sarif=out/a.sarif", "github=a.txt"))
    assert result.reports == ("out/a.sarif", "a.txt")
    log = json.loads(Path("out/a.sarif").read_text())
    found = log["runs"][0]["results"]
    assert [(one["ruleId"], "suppressions" in one) for one in found] == [("STL001", False), ("STL005", True)]
    assert (
        Path("a.txt")
        .read_text()
        .startswith("::error file=src/a%2Cb.py,line=1,col=1,title=STL001::the driver `psycopg`")
    )


def test_the_view() -> None:
    assert views.tenancy(
        TenancyLinted(
            verdict="passed",
            reason=None,
            python_files=1,
            sql_files=0,
            statements=0,
            tenant_tables=(),
            findings=(),
            waived=(),
        )
    )


# --- squawk -----------------------------------------------------------------------------------------------------------


def program(top: Path, script: str) -> str:
    path = top / "squawk"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_findings_of_squawk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(
        lay(
            tmp_path,
            {"migrations/001_a.sql": "SELECT 1;\nDROP TABLE t;\n", "queries.sql": "-- name: a\n-- b\nSELECT 1"},
        )
    )
    row = {
        "file": "migrations/001_a.sql",
        "line": 1,
        "column": 0,
        "level": "Warning",
        "message": "m.",
        "help": "h.",
        "rule_name": "ban-drop-table",
    }
    found = program(
        tmp_path,
        f"test \"$*\" = '--reporter json -- migrations/001_a.sql' || exit 2\ncat <<'E'\n{json.dumps([row])}\nE\nexit 1",
    )
    monkeypatch.setattr(squawk, "program", lambda: found)
    (one,) = lint(".").findings
    assert (one.rule, one.level, one.line, one.column, one.message) == (
        "squawk:ban-drop-table",
        "warning",
        2,
        1,
        "m. h.",
    )
    assert not lint(".", squawk=False).findings
    lay(
        tmp_path, {"migrations/.waivers": "001_a.sql:2 allow squawk:ban-drop-table until 2027-01-01: nobody reads it\n"}
    )
    assert not lint(".").findings
    assert not lint(".", squawk=False).findings  # who was not asked cannot say that a waiver is not needed
    monkeypatch.setattr(squawk, "program", lambda: None)
    assert not lint(".").findings


@pytest.mark.parametrize(
    "script",
    [
        "exit 0",
        "exit 1",
        "echo 'Configuration error' >&2; exit 1",
        "exit 3",
        "echo '{'",
        "echo '[{\"file\": 1}]'",
        "printf '\\377'",
        "echo broken >&2; exit 101",
    ],
)
def test_a_squawk_that_is_not_understood_is_noted(script: str, tmp_path: Path) -> None:
    heard = squawk.ask(["a.sql"], program(tmp_path, script))
    assert not heard.spots
    assert len(heard.notes) == 1
    assert heard.notes[0].startswith("squawk was not heard: ")


def test_a_squawk_that_cannot_be_started_is_noted(tmp_path: Path) -> None:
    assert "not heard" in squawk.ask(["a.sql"], str(tmp_path / "none")).notes[0]
    assert squawk.ask([], None) == ({}, (), False)


# --- ourselves --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "paths", [("src/stella/audit", "src/stella/http"), pytest.param(("src",), marks=pytest.mark.nightly)], ids=str
)
def test_stella_itself(monkeypatch: pytest.MonkeyPatch, paths: tuple[str, ...]) -> None:
    """All of it is linted by `make check` each time."""
    monkeypatch.chdir(ROOT)
    result = lint(*paths)
    assert result.findings == ()
    assert all(one.reason for one in result.waived)


DOCUMENT = (ROOT / "docs/lint-tenancy.md").read_text(encoding="utf-8")
SHOWN = {
    found["id"]: found
    for found in re.finditer(
        r"^### (?P<id>\w+) (?P<name>[\w-]+)\n\n(?P<said>[^\n]+)\n\n```\w+\n(?P<bad>.*?)\n```\n\n"
        r"Instead: (?P<fix>[^\n]+)\.\n\n```\w+\n(?P<good>.*?)\n```$",
        DOCUMENT,
        re.MULTILINE | re.DOTALL,
    )
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_documented_with_examples_that_are_right(rule: str, tmp_path: Path) -> None:
    shown, about = SHOWN[rule], RULES[rule]
    assert (shown["name"], shown["said"], shown["fix"]) == (about.name, f"{about.what} {about.why}", about.fix)
    name = "a.py" if not rule.startswith("STS") else "queries.sql" if "-- name:" in shown["bad"] else "a.sql"
    made = "CREATE TABLE app.orders (tenant_id text); SELECT tenancy.protect('app.orders');"
    files = {"migrations/001.sql": made} if name == "queries.sql" else {}
    assert rule in [found.rule for found in lint(lay(tmp_path / "bad", {**files, name: shown["bad"]})).findings]
    good = re.sub(r"%\((\w+)\)s", "'x'", shown["good"]) if name == "a.sql" else shown["good"]
    assert not lint(lay(tmp_path / "good", {**files, name: good})).findings
