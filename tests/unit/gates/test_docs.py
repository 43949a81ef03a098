"""The docs gate sees stale examples, dead links and foreign addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates import docs

HELP = "Words.\n\n```console\n$ stella --help\nUsage: stella\n\n  mirror  \n```\nMore.\n"


def test_an_example_that_is_real_passes_but_for_trailing_blanks() -> None:
    asked: list[str] = []

    def run(command: str) -> str:
        asked.append(command)
        return "Usage: stella\n\n  mirror\n"

    assert docs.stale_examples("README.md", HELP, run) == []
    assert asked == ["stella --help"]


def test_an_example_that_changed_is_named_with_its_line() -> None:
    found = docs.stale_examples("README.md", HELP, lambda _: "Usage: stella\n\n  mirror  site\n")
    assert found == ["README.md:4: `stella --help` prints something else today"]


@pytest.mark.parametrize(
    ("command", "runs"),
    [
        ("stella mirror create --help", True),
        ("stella explain MIRROR-001", True),
        ("make help", True),
        ("make figures", True),
        ("make demo", False),
        ("stella mirror create --dir M", False),
    ],
)
def test_only_help_is_run(command: str, runs: bool) -> None:
    assert bool(list(docs.examples(f"```console\n$ {command}\nout\n```\n"))) is runs


def test_links_must_lead_somewhere() -> None:
    text = "[a](docs/adr/0001.md) [b](gone.md#part) [c](https://example.com/x) [d](#here)"
    assert docs.dead_links("README.md", text, lambda target: target != "gone.md") == [
        "README.md: link to `gone.md` leads nowhere"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://example.com/simple",
        "-i x",
        "--find-links /opt",
        "thing @ file:x",
        "a==1 # https://example.com",
    ],
)
def test_a_lock_holds_no_address(line: str) -> None:
    assert docs.lock_addresses("run.lock", f"a==1 \\\n    --hash=sha256:00\n{line}\n") != []


def test_a_lock_of_pins_and_includes_passes() -> None:
    assert docs.lock_addresses("dev.in", "-r run.in\na==1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n") == []


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("https://index.example.net/simple", True),
        ("http://user:word@10.0.0.1:8080/", True),
        ("oci://mirror.internal/x", True),
        ("https://www.rfc-editor.org/rfc/rfc6962", False),
        ("https://vendor.invalid/feed", False),
        ("see /home/someone/stella", True),
        ("below /tmp/out.stella", True),
        ("under /media/vault or docs/home/x", False),
    ],
)
def test_foreign_hosts_and_machine_paths(text: str, bad: bool) -> None:
    assert bool(docs.foreign("docs/a.md", text)) is bad


def test_every_kind_of_problem_is_found_in_a_tree(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/run.lock").write_text("--index-url x\n")
    (tmp_path / "docs/adr").mkdir(parents=True)
    (tmp_path / "docs/adr/0001-a.md").write_text("[up](../../README.md) [no](no.md)")
    (tmp_path / "README.md").write_text(HELP + "https://index.example.net")
    assert docs.problems_of(tmp_path, lambda _: "") == [
        "README.md:10: host `index.example.net` is not in the list of gates/docs.py",
        "README.md:4: `stella --help` prints something else today",
        "docs/adr/0001-a.md: link to `no.md` leads nowhere",
        "requirements/run.lock:1: a lock holds no address",
    ]


@pytest.mark.parametrize(("current", "text", "code"), [(True, HELP, 0), (False, HELP, 1), (True, "[no](no.md)", 1)])
def test_main_fails_for_a_problem_or_a_stale_reference(tmp_path: Path, current: bool, text: str, code: int) -> None:
    (tmp_path / "README.md").write_text(text)
    assert docs.main(tmp_path, lambda _: "Usage: stella\n\n  mirror\n", lambda _: current) == code


def test_shown_commands_run_with_the_tools_of_the_checkout(tmp_path: Path) -> None:
    assert (
        docs.real_output(tmp_path)("python -c 'import os; print(os.environ[\"COLUMNS\"])' # why").strip() == docs.WIDTH
    )
