"""Reading the migrations of a package."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from stella.database import files
from stella.database.errors import BadMigrationFile, BadMigrationName
from stella.database.rules import checksum_of
from tests.migrations import lay


def test_the_files_of_a_package_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "shipping_some_migrations"
    lay(package / "migrations", {"002_b.sql": "SELECT 2", "001_a.sql": "SELECT 1", "__init__.py": "", ".001.swp": "x"})
    lay(package / "migrations" / "__pycache__", {"x.pyc": ""})
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    try:
        found = files.load({"box": package.name, "none": "stella.about"})
    finally:
        sys.modules.pop(package.name, None)
    assert [(file.module, file.name, file.category, file.text) for file in found["box"]] == [
        ("box", "001_a.sql", "startup", "SELECT 1"),
        ("box", "002_b.sql", "startup", "SELECT 2"),
    ]
    assert found["none"] == ()


@pytest.mark.parametrize("name", ["README.md", "002_b.sql~", "notes", "V2__x.sql", "rollback.SQL"])
def test_everything_in_the_folder_is_a_migration(name: str, tmp_path: Path) -> None:
    lay(tmp_path, {"001_a.sql": "SELECT 1", name: "SELECT 1"})
    with pytest.raises(BadMigrationName, match="box/migrations") as caught:
        files.load_module("box", tmp_path)
    assert caught.value.facts["name"] == name
    assert caught.value.facts["nearest"] != "001_a.sql"


@pytest.mark.parametrize(
    ("one", "two", "free"),
    [
        ("001_a.sql", "001_b.sql", "003_b.sql"),
        ("S001_a.sql", "S001_b.sql", "S002_b.sql"),
        ("DM999_a.sql", "DM999_b.sql", "DM999_b.sql"),
    ],
)
def test_a_number_belongs_to_one_file(one: str, two: str, free: str, tmp_path: Path) -> None:
    lay(tmp_path, {one: "SELECT 1", two: "SELECT 2", "002_c.sql": "SELECT 3"})
    with pytest.raises(BadMigrationName, match=f"`{one}` has the same number") as caught:
        files.load_module("box", tmp_path)
    assert (caught.value.facts["name"], caught.value.facts["nearest"]) == (two, free)


def test_the_same_number_in_another_category_is_another_file(tmp_path: Path) -> None:
    lay(tmp_path, dict.fromkeys(("001_a.sql", "S001_a.sql", "DM001_a.sql"), "SELECT 1"))
    assert [file.name for file in files.load_module("box", tmp_path)] == ["001_a.sql", "DM001_a.sql", "S001_a.sql"]


@pytest.mark.parametrize(
    ("data", "line", "problem"),
    [
        (b"SELECT 1;\n\xff\xfe", 2, "it is not UTF-8"),
        (b"SELECT 1;\nSELECT 2 \0; DROP TABLE x", 2, "it contains a NUL"),
        ("\ufeffSELECT 1".encode(), 1, "it begins with a byte order mark"),
        ("SELECT 1;\nSELECT '\ufeff'".encode(), 2, "it contains a byte order mark"),
        (b"SELECT '\xed\xa0\x80'", 1, "it is not UTF-8"),
        (b"-" * (files.MAX_SIZE + 1), 1, "the limit is"),
    ],
)
def test_a_file_that_is_no_plain_text(data: bytes, line: int, problem: str, tmp_path: Path) -> None:
    lay(tmp_path, {"001_a.sql": data})
    with pytest.raises(BadMigrationFile, match=problem) as caught:
        files.load_module("box", tmp_path)
    assert (caught.value.facts["file"], caught.value.facts["line"]) == ("box/001_a.sql", line)


def test_a_folder_is_no_migration(tmp_path: Path) -> None:
    (tmp_path / "001_a.sql").mkdir()
    with pytest.raises(BadMigrationFile, match="it is no file"):
        files.load_module("box", tmp_path)


def test_crlf_is_read_as_lf(tmp_path: Path) -> None:
    (file,) = files.load_module("box", lay(tmp_path, {"001_a.sql": "SELECT\r\n1;\r\n"}))
    assert file.text == "SELECT\n1;\n"
    assert file.checksum == checksum_of(b"SELECT\n1;\n")


@pytest.mark.parametrize("module", ["", "Box", "pg_box", "1box", "a-b", "a" * 64, "box\n", 'b"x'])
def test_a_module_is_the_name_of_a_schema(module: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no name of a schema"):
        files.load_module(module, tmp_path)


def test_a_checksum_is_that_of_the_text(tmp_path: Path) -> None:
    """A carriage return more is another text."""
    lay(tmp_path, {"001_a.sql": b"SELECT 1;\r\r\n", "002_b.sql": b"SELECT 1;\r\n", "003_c.sql": b"SELECT 1;\n"})
    found = files.load_module("box", tmp_path)
    assert [file.checksum == hashlib.sha256(file.text.encode()).hexdigest() for file in found] == [True] * 3
    assert found[0].checksum != found[1].checksum == found[2].checksum


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "No good")

    lay(tmp_path, {"001_a.sql": "SELECT 1"})
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadMigrationFile, match="it cannot be read: No good"):
        files.load_module("box", tmp_path)
