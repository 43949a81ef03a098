"""The page of the demo tells what the result tells, and fails when the result does."""

from __future__ import annotations

import msgspec
import pytest

from stella.demo.model import Attack, Carried, DemoDone, Step
from stella.demo.report import demo_page

FIRST = Carried(
    number=1, files=15, content_bytes=18_700_000, bundle_bytes=7_180_000, thin=False, root="aa" * 32,
    create_seconds=0.6, import_seconds=0.33,
)  # fmt: skip
SECOND = Carried(
    number=2, files=1600, content_bytes=18_900_000, bundle_bytes=1_098_240, thin=True, root="bb" * 32,
    create_seconds=3.65, import_seconds=0.46,
)  # fmt: skip
DONE = DemoDone(
    product="thing", versions=("1.0", "1.1"), real=True, sealed=True, generations=(FIRST, SECOND),
    attacks=(Attack("a flipped byte", rejected=True, reason="digest_mismatch", detail="blob 0b5a is wrong"),),
    steps=(Step("vendor", "stella mirror init --dir M", "ok", 0.38),), thin_ratio=0.152, site_matches_vendor=True,
    report="r", summary="s", seconds=9.81,
)  # fmt: skip


def shown(**changes: object) -> str:
    return demo_page(msgspec.structs.replace(DONE, **changes)).decode().replace("\u00a0", " ")


@pytest.mark.parametrize(
    "text",
    [
        "thing 1.0 and 1.1, real releases from the package index",
        "file by file, and refused 1 of 1 attacks.",
        ">1.1 MB<",
        ">6.6\u00d7<",
        ">0.46 s<",
        "1,600",
        "bb" * 32,
        "<b>A flipped byte</b><span>blob 0b5a is wrong</span></div><code>digest_mismatch</code>",
        "stella mirror init --dir M",
        "9.8 s from the first command",
    ],
)
def test_it_tells_what_happened(text: str) -> None:
    assert text in shown()


def test_a_good_run_has_no_failure_in_it() -> None:
    page = shown().partition("<body>")[2]
    assert "failed" not in page
    assert "bad" not in page


def test_it_says_when_the_releases_were_made() -> None:
    assert "no package index answered" in shown(real=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"site_matches_vendor": False},
        {"attacks": (Attack("a replay", rejected=False, reason="", detail=""),)},
    ],
)
def test_the_page_fails_with_its_worst_part(changes: dict[str, object]) -> None:
    page = shown(**changes)
    assert '<p class="verdict bad">' in page
    assert "failed</span>" in page


def test_the_same_result_is_the_same_page() -> None:
    assert demo_page(DONE) == demo_page(msgspec.json.decode(msgspec.json.encode(DONE), type=DemoDone))
