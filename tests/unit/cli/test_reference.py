"""The reference pages: complete, and not stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from stella import bootstrap
from stella.about.catalogue import EXIT_MEANING, error_classes
from stella.cli import pages, reference
from stella.kernel.errors import Exit
from stella.runtime.config import every_key

ROOT = Path(__file__).parents[3]


def test_the_pages_in_the_tree_are_what_the_tables_say() -> None:
    assert reference.stale(ROOT / reference.FOLDER, reference.every_page()) == [], "run `make reference`"
    assert reference.stale(ROOT / reference.CLIENT, reference.every_module()) == [], "run `make reference`"


def test_every_operation_error_setting_and_exit_code_has_its_place() -> None:
    found = reference.every_page()
    for operation in bootstrap.load_all():
        assert f"stella {operation.name.replace('.', ' ')}\n" in found["cli.md"]
        assert f"## {operation.name}\n" in found["operations.md"]
    for code in error_classes():
        assert f"## {code}\n" in found["errors.md"]
    for key in every_key():
        assert f"`{key.variable}`" in found["settings.md"]
    assert set(EXIT_MEANING) == set(Exit)


def test_types_and_facts_are_readable_in_markdown() -> None:
    assert pages._type(dict[str, Path]) == "dict[str, Path]"
    assert pages._text("<a> is `<b>`") == "&lt;a&gt; is `<b>`"
    assert pages._table(("a",), [("x|y\nz",)]) == "| a |\n| --- |\n| x\\|y z |\n"


def test_stale_pages_are_named_written_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reference, "every_page", lambda: {"a.md": "new", "b.md": "same"})
    monkeypatch.setattr(reference, "every_module", dict)
    folder = tmp_path / "docs/reference"
    folder.mkdir(parents=True)
    (folder / "a.md").write_text("old")
    (folder / "b.md").write_text("same")
    (folder / "gone.md").write_text("nobody's")
    assert reference.run(["--check"]) == 6
    assert "docs/reference/a.md, docs/reference/gone.md" in capsys.readouterr().err
    assert (folder / "a.md").read_text() == "old"
    assert reference.run(["--write"]) == 0
    assert reference.run(["--check"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.md", "b.md"]
    assert reference.run(["--nonsense"]) == 2
