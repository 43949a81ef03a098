"""The page that shows one bundle: `mirror show --report html=FILE`."""

from __future__ import annotations

from collections.abc import Sequence

from stella.formats.page import Bar, Figure, Page, render
from stella.formats.page import Check as Shown
from stella.formats.view import Facts, Table, human_bytes, human_count
from stella.mirror.model import BundleShown, Check

MAX_ROWS = 500  # a page with more rows is a file list, which `--files` prints better


def bundle_page(bundle: BundleShown, checks: Sequence[Check]) -> bytes:
    """The page as UTF-8 bytes."""
    kind = f"thin against generation {bundle.base}" if bundle.base else "full"
    verified = bundle.verdict == "verified"
    headline = "Every check passed" if verified else "Nothing was verified: this is what the bundle says of itself"
    return render(
        Page(
            title=f"{bundle.channel}, generation {bundle.generation}",
            verdict="passed" if verified else "open",
            headline=headline,
            subtitle=f"{kind} bundle, created {bundle.created}, signed by a {bundle.signing} key",
            figures=(
                Figure(human_bytes(bundle.bundle_bytes), "bundle"),
                Figure(human_bytes(bundle.content_bytes), "content"),
                Figure(human_count(bundle.files), "files"),
            ),
            bars=_bars(bundle),
            bars_note="Content is counted uncompressed; the bundle is the file that crosses the gap.",
            checks=tuple(Shown(check.name, "passed", check.detail) for check in checks),
            tables=_tables(bundle),
            facts=(
                Facts(
                    [
                        ("root", bundle.root),
                        ("channel id", bundle.channel_id),
                        ("valid for", f"{bundle.valid_for_s // 3600} h"),
                        ("made by", bundle.producer),
                        *((name, version) for name, version in bundle.tool_versions.items()),
                    ]
                ),
            ),
            footer=f"stella mirror verify {bundle.bundle} --trust T",
        )
    )


def _bars(bundle: BundleShown) -> tuple[Bar, ...]:
    content = Bar("content", bundle.content_bytes, f"{human_count(bundle.files)} files")
    own = Bar("bundle", bundle.bundle_bytes, "what crosses the gap", strong=True)
    forms = (Bar(f"stored as {name}", row.bytes, f"{row.files} files") for name, row in bundle.stored.items())
    return (content, own, *forms)


def _tables(bundle: BundleShown) -> tuple[Table, ...]:
    categories = [(name, human_count(row.files), human_bytes(row.bytes)) for name, row in bundle.categories.items()]
    rows = [(row.path, human_bytes(row.size), row.stored, row.sha256[:16]) for row in bundle.entries[:MAX_ROWS]]
    cut = f"Files (the first {MAX_ROWS})" if len(bundle.entries) > MAX_ROWS else "Files"
    return (
        Table(("category", "files", "content"), categories, "Categories", right=("files", "content")),
        Table(("path", "size", "stored", "sha256"), rows, cut, right=("size",)),
    )
