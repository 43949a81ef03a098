"""explain, config show and version, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stella.about import catalogue, service
from stella.about.errors import UnknownCode
from stella.cli.main import run
from stella.kernel.errors import StellaError
from stella.language.codes import CODES


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUIRE_PROD_SIGNING", "STELLA_SEALED", "XDG_CONFIG_HOME", "STELLA_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_explain_one_code_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "conf-003"]) == 0
    assert capsys.readouterr().out == (
        "CONF-003: Setting `<key>` in <origin> must refer to a secret, not contain it\n\n"
        "Configuration files are copied, printed and committed; secrets stay in the environment or in a file of their "
        "own.\n\n"
        "exit    2, bad usage or bad input\nreason  usage\n"
        "hint    write `env:NAME`, `file:PATH` or `bao:MOUNT/PATH#FIELD`\n"
    )


@pytest.mark.parametrize("words", [["explain"], ["explain", "--all"], ["explain", "CONF-003", "--all"]])
def test_explain_lists_every_code(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run(words) == 0
    out = capsys.readouterr().out
    for code in catalogue.error_classes():
        assert f"\n{code} " in out


def test_explain_knows_the_codes_of_policies(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "pol3003"]) == 0
    assert capsys.readouterr().out == (
        "POL3003: Stronger rules take every finding that the rule matches\n\n"
        "Proved: what it decides is never heard.\n\n"
        "level  warning (can-never-win)\n"
        "hint   Give it a smaller priority number, narrow the rules named, or remove it.\n"
    )
    assert run(["explain"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{code} " in out for code in CODES)
    assert run(["explain", "POL3003", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["code"] for row in document["diagnostics"]] == ["POL3003"]
    assert run(["explain", "POL303"]) == 4


def test_explain_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "IO-001", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "stella.explain@1"
    assert document["errors"] == [
        {
            "code": "IO-001",
            "exit": 4,
            "reason": "not_found",
            "message": "<path> does not exist",
            "explanation": "A file or folder that the command names, or that a channel or site needs, is not there.",
            "hint": "check the path; `ls -l <path>`",
        }
    ]


def test_an_unknown_code_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "CNOF-003"]) == 4
    assert "hint: did you mean `CONF-003`?" in capsys.readouterr().err
    with pytest.raises(UnknownCode, match="zzz"):
        service.explain("zzz")


def test_explain_and_version_work_when_the_configuration_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stella.toml").write_text("not toml")
    monkeypatch.setenv("STELLA_NONSENSE", "1")
    assert run(["explain", "CONF-005"]) == 0
    assert run(["version"]) == 0
    assert run(["config", "show"]) == 2
    assert "error[CONF-005]" in capsys.readouterr().err


def test_config_show_says_where_each_value_comes_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stella.toml").write_text('[mirror]\nworkers = 3\nvalid_for = "2d"\n')
    monkeypatch.setenv("STELLA_MIRROR_VALID_FOR", "3d")
    assert run(["config", "show", "--origin"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["setting", "value", "origin"]
    assert ["mirror.workers", "3", str(tmp_path / "stella.toml")] in [line.split() for line in lines]
    assert ["mirror.valid_for", '"3d"', "env", "STELLA_MIRROR_VALID_FOR"] in [line.split() for line in lines]
    assert ["site.sealed", "false", "default"] in [line.split() for line in lines]
    assert run(["config", "show"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["setting", "value"]
    assert run(["config", "show", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = (row for row in document["settings"] if row["key"] == "mirror.workers")
    assert (row["value"], row["default"], row["origin"]) == (3, 0, None)


def test_a_class_without_a_code_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nameless(StellaError):
        """Nothing."""

    monkeypatch.setattr(catalogue, "_classes", lambda package: [Nameless] if package == "stella.cli" else [])
    with pytest.raises(ValueError, match="Nameless has no code"):
        catalogue.error_classes()
