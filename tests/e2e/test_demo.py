"""The demo where no package index can be reached: it makes its own releases, says so, and shows the same.

Rules:
- It runs once, in a folder where an earlier demo has left things; what it should show is looked at after that run.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec

from stella.bundle.verify import trust_folder
from stella.cli import plain
from stella.demo.model import DemoDone
from stella.demo.views import done as as_shown
from stella.runtime.files import DiskFolder
from tests.e2e.material import stella

GENERATION = {"number", "files", "content_bytes", "bundle_bytes", "thin", "root", "create_seconds", "import_seconds"}
REASONS = ["digest_mismatch", "not_monotonic", "clock_behind"]
VOID = {"meta", "link", "br", "hr", "img", "input", "path", "rect", "circle", "line", "use"}


def test_the_demo_without_an_index(tmp_path: Path) -> None:
    stale = tmp_path / "shown/site/D/state.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier demo")
    ended = stella("demo", "--dir", "shown", "--json", folder=tmp_path, env={"STELLA_UV": "/nonexistent/uv"})
    assert (ended.returncode, ended.stderr) == (0, "")
    summary = json.loads((tmp_path / "shown/summary.json").read_bytes())
    assert summary == json.loads(ended.stdout)
    judge_summary(summary)
    judge_files(tmp_path / "shown", summary)
    judge_site(tmp_path)
    judge_words(summary)
    judge_page((tmp_path / "shown/report.html").read_text(), summary)


def judge_summary(summary: dict[str, Any]) -> None:
    """What other tools read is there; the releases are its own, and every attack failed for its reason."""
    assert summary["schema"] == "stella.demo@1"
    assert {"generations", "attacks", "seconds"} <= summary.keys()
    first, second = summary["generations"]
    assert first.keys() == second.keys() == GENERATION
    assert [(one["number"], one["thin"]) for one in (first, second)] == [(1, False), (2, True)]
    assert second["bundle_bytes"] < first["bundle_bytes"] / 2
    assert [(attack["rejected"], attack["reason"]) for attack in summary["attacks"]] == [(True, why) for why in REASONS]
    assert all(attack["name"] for attack in summary["attacks"])
    assert (summary["real"], summary["product"]) == (False, "sample-server")
    assert summary["site_matches_vendor"] is True
    assert summary["service"]["generation"] == 2
    assert set(summary["service"]["stopped"]) == {"service", "nats", "postgres"}
    assert summary["seconds"] > 0


def judge_files(top: Path, summary: dict[str, Any]) -> None:
    """The medium has what the summary says."""
    for generation in summary["generations"]:
        assert generation["bundle_bytes"] == (top / f"medium/{generation['number']}.stella").stat().st_size
        assert len(generation["root"]) == 64
    assert trust_folder(DiskFolder(top / "medium/trust")) == trust_folder(DiskFolder(top / "vendor/M/trust"))


def judge_site(folder: Path) -> None:
    """The site runs generation 2 and knows why it refused the rest."""
    answers = {}
    for verb in ("status", "quarantine"):
        ended = stella("site", verb, "--dir", "shown/site/D", "--json", folder=folder, env={"STELLA_SEALED": "1"})
        assert ended.returncode == 0
        answers[verb] = json.loads(ended.stdout)
    assert (answers["status"]["active"], answers["status"]["site"]) == (2, "plant-7")
    assert {case["reason"] for case in answers["quarantine"]["cases"]} == set(REASONS)


def judge_words(summary: dict[str, Any]) -> None:
    """The table for people says the same."""
    words = plain.layout(as_shown(msgspec.convert(summary, DemoDone)))
    assert all(why in words for why in REASONS)
    assert "sample-server" in words


class Tags(HTMLParser):
    """Which addresses a page names, and which of its elements are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def judge_page(page: str, summary: dict[str, Any]) -> None:
    """The page is whole, needs nothing from outside, and names every root and every reason."""
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert [address for address in tags.addresses if not address.startswith(("#", "data:"))] == []
    assert "<script" not in page
    assert all(generation["root"][:12] in page for generation in summary["generations"])
    assert all(why in page for why in REASONS)
