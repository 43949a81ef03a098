"""Completion in a shell: the scripts, and the words they get."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from stella.cli import completion


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_each_shell_gets_a_script(stella: Callable[..., Any], shell: str) -> None:
    ended = stella("completion", shell)
    assert (ended.code, ended.err) == (0, "")
    assert f"_STELLA_COMPLETE={shell}_complete" in ended.out


def test_the_bash_script_is_valid_bash() -> None:
    script = completion.script("bash")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=10).returncode == 0
    with pytest.raises(KeyError):
        completion.script("tcsh")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stella fa", ["plain,fake"]),
        ("stella ver", ["plain,version"]),
        ("stella fake ma", ["plain,make"]),
        ("stella fake make --ki", ["plain,--kind"]),
        ("stella fake make --kind t", ["plain,thin"]),
        ("stella fake make --dir x", ["dir,x"]),
        ("stella fake make --source a", ["file,a"]),
        ("stella nonsense x", []),
    ],
)
def test_words_come_from_the_table(
    stella: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, line: str, expected: list[str]
) -> None:
    monkeypatch.setenv("_STELLA_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    ended = stella()
    assert ended.err == ""
    assert [word for word in ended.out.splitlines() if word] == expected


@pytest.mark.parametrize("instruction", ["tcsh_complete", "bash_complete"])
def test_whatever_goes_wrong_the_shell_sees_nothing(
    stella: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, instruction: str
) -> None:
    monkeypatch.setenv("_STELLA_COMPLETE", instruction)
    monkeypatch.delenv("COMP_WORDS", raising=False)
    assert stella() == (1, "", "")
