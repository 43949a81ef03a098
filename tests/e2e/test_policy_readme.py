"""The local commands of the README's section about policies, as they stand there, over the fleet of the examples."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from stella.cli.main import run
from tests.e2e.material import ROOT, as_process

# Each command with its exit code and what it shows.
SHOWN: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("policy lint", 0, ("5, 5 proved", "verdict   passed")),
    (
        "policy prove",
        6,
        ('kev=true, severity.normalized="None" -> status affected', "what_is_exploited_never_passes  holds"),
    ),
    ("policy prove", 6, ('env.exposure="internet", kev=false, severity.normalized="High"', "equivalent")),
    ("policy test", 0, ("release.stella", "100 % of 22")),
    (
        "inventory load",
        0,
        ("findings     15", "assets       6", "evidence     4 sets of 3 statements", "quarantined  0"),
    ),
    (
        "policy simulate",
        6,
        (
            "failed, 1 of 7 limits exceeded",
            "1 of 15 findings change: 1 newly blocked, 0 unblocked, 0 of them known to be exploited.",
            "Undecided: for 2 findings a stronger rule cannot be decided (2 before).",
            "6.667 %  5 %      exceeded",
            "7  shop-web (prod): pkg:npm/deepfold@2.0.4, STELLA-FLEET-0003, High: affected by default -> blocked",
            "not_affected       2      2",
            "deferred           1      1",
            "blocked            4      5",
        ),
    ),
    ("policy explain", 0, ("ruled_out is unknown", "trust missing", "grave_outside is true", "found internet")),
    ("key create", 0, ("state         active",)),
    ("policy sign", 0, ("P-7@2",)),
    ("policy verify", 0, ("verdict        verified",)),
    ("policy ci", 0, ("policies passed", "version 2 of P-7, SEC-9", "all 5 limits kept")),
)


def commands() -> list[list[str]]:
    """The commands of the section that need no service."""
    section = (ROOT / "README.md").read_text().partition("## Policies, in five minutes")[2].partition("On a service")[0]
    lines = [line.strip().removeprefix("$ ") for line in section.splitlines() if line.startswith("    ")]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("stella ")]


def test_the_section_is_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = commands()
    assert [" ".join(words[:2]) for words in found] == [name for name, _, _ in SHOWN]
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copytree(ROOT / "examples/fleet", tmp_path / "out/fleet")
    with as_process(tmp_path, COLUMNS="200"):
        for words, (_, code, shown) in zip(found, SHOWN, strict=True):
            assert run(words) == code, capsys.readouterr()
            out = capsys.readouterr().out
            for text in shown:
                assert text in out, (words, out)
            if words[1] == "simulate":
                comment = Path("out/comment.md").read_text()
                assert "### Policy release: failed, 1 of 7 limits exceeded" in comment
    assert (tmp_path / "out/policy.sarif").is_file()
