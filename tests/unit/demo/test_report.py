"""The page of the demo tells what the result tells."""

from __future__ import annotations

import msgspec
import pytest

from stella.demo.model import Attack, Carried, DemoDone, Served, Step
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
    checks=(("signature", "1 of 1"),),
    attacks=(Attack("a flipped byte", rejected=True, reason="digest_mismatch", detail="blob 0b5a is wrong"),),
    steps=(Step("vendor", "stella mirror init --dir M", "ok", 0.38),), thin_ratio=0.152, site_matches_vendor=True,
    service=Served(endpoint="http://127.0.0.1:1", up_seconds=0.9, import_seconds=0.4, generation=2, stopped=("nats",)),
    report="r", summary="s", seconds=9.81,
)  # fmt: skip


def shown(**changes: object) -> str:
    return demo_page(msgspec.structs.replace(DONE, **changes)).decode().replace("\u00a0", " ")


@pytest.mark.parametrize(
    "text",
    [
        "<h1>thing 1.0 to 1.1, across a gap</h1>",
        "real releases from the package index",
        "<dd>1.1 MB</dd>",
        "<b>Signature</b><span>1 of 1</span>",
        ">15.2 %<",
        "bb" * 32,
        "<b>a flipped byte</b><span>blob 0b5a is wrong</span></div><code>digest_mismatch</code>",
        "stella mirror init --dir M",
    ],
)
def test_it_tells_what_happened(text: str) -> None:
    assert text in shown()


def test_a_good_run_has_no_failure_in_it() -> None:
    page = shown().partition("<body>")[2]
    assert "refused" in page
    assert "failed" not in page


def test_it_says_when_the_releases_were_made() -> None:
    assert "releases made by the demo" in shown(real=False)


def test_an_attack_that_went_through_is_shown_as_such() -> None:
    page = shown(attacks=(Attack("a replay", rejected=False, reason="", detail=""),))
    assert 'failed</span><div class="what"><b>a replay</b>' in page


def test_the_same_result_is_the_same_page() -> None:
    assert demo_page(DONE) == demo_page(msgspec.json.decode(msgspec.json.encode(DONE), type=DemoDone))
