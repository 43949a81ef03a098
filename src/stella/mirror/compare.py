"""What would change: two bundles compared as a person asks it before importing.

Rules:
- Nothing is verified here: it says what the files claim. `stella mirror verify` and the import decide.
- Advisories and packages are read from the contents; what a thin bundle leaves to its base is looked up in the other
  file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stella.bundle.model import CATEGORIES, Entry, Mark
from stella.bundle.reader import BundleFile
from stella.bundle.unverified import Claims, read_claims, small_contents
from stella.mirror.model import BundlesDiffed, CategoryDiff, DiffBundles
from stella.mirror.named import READERS
from stella.operations import Context


class _Side:
    """One of the two files, open: its claims, and the contents that can be read."""

    def __init__(self, bundle: BundleFile) -> None:
        self.bundle = bundle
        self.claims: Claims = read_claims(bundle)
        self.mark = Mark(self.claims.generation.generation, self.claims.generation.root)
        self.entries = {entry.path: entry for entry in self.claims.entries}

    def wanted(self, category: str) -> set[str]:
        """Digests of the contents of a category."""
        return {entry.digest for entry in self.claims.entries if entry.category == category}


def _named(old: _Side, new: _Side, category: str) -> tuple[set[str], set[str], set[str]] | None:
    """Names in the contents of a category on both sides, and what could not be read.

    None when there are no contents.
    """
    wanted = (old.wanted(category), new.wanted(category))
    read = READERS[category]
    names: dict[str, list[str]] = {}
    for side in (old, new):
        for digest, data in small_contents(side.bundle, side.claims, wanted[0] | wanted[1]):
            names.setdefault(digest, [named.label for named in read(data)])
    missing = {digest for digest in wanted[0] | wanted[1] if digest not in names}
    found = [{name for digest in digests for name in names.get(digest, [])} for digests in wanted]
    return (found[0], found[1], missing) if wanted[0] | wanted[1] else None


def _category_diffs(old: dict[str, Entry], new: dict[str, Entry]) -> dict[str, CategoryDiff]:
    rows: dict[str, CategoryDiff] = {}
    for category in CATEGORIES:
        before = {path: entry for path, entry in old.items() if entry.category == category}
        after = {path: entry for path, entry in new.items() if entry.category == category}
        changed = sum(path in before and before[path].digest != entry.digest for path, entry in after.items())
        added, removed = len(after.keys() - before.keys()), len(before.keys() - after.keys())
        size = _size(after.values()) - _size(before.values())
        if added or removed or changed:
            rows[category] = CategoryDiff(added, removed, changed, size)
    return rows


def _size(entries: Iterable[Entry]) -> int:
    return sum(entry.size for entry in entries)


def diff(ctx: Context, want: DiffBundles) -> BundlesDiffed:
    """Compare what two bundles say they hold."""
    ctx.progress.start("compare", None, "files")
    with BundleFile.open(Path(want.old)) as old_file, BundleFile.open(Path(want.new)) as new_file:
        old, new = _Side(old_file), _Side(new_file)
        advisories, packages = _named(old, new, "advisories"), _named(old, new, "sbom")
    limit = want.limit or None
    added = sorted(new.entries.keys() - old.entries.keys())
    removed = sorted(old.entries.keys() - new.entries.keys())
    changed = sorted(
        path for path in old.entries.keys() & new.entries.keys() if old.entries[path].digest != new.entries[path].digest
    )
    notes = []
    if new.mark.generation < old.mark.generation:
        notes.append("The second bundle is older than the first: a site that runs the first one refuses it.")
    for word, found in (("advisory", advisories), ("SBOM", packages)):
        if found and found[2]:
            notes.append(f"{len(found[2])} {word} documents travel as deltas or in the base and were not read.")
    longest = max(len(added), len(removed), len(changed))
    if limit and longest > limit:
        notes.append(f"Lists are cut at {limit} paths; `--limit 0` lists all.")
    return BundlesDiffed(
        old=old.mark,
        new=new.mark,
        same=old.mark.root == new.mark.root,
        categories=_category_diffs(old.entries, new.entries),
        added=tuple(added[:limit]),
        removed=tuple(removed[:limit]),
        changed=tuple(changed[:limit]),
        content_bytes=(_size(old.entries.values()), _size(new.entries.values())),
        new_advisories=tuple(sorted(advisories[1] - advisories[0])) if advisories else None,
        gone_advisories=tuple(sorted(advisories[0] - advisories[1])) if advisories else None,
        new_packages=tuple(sorted(packages[1] - packages[0])) if packages else None,
        gone_packages=tuple(sorted(packages[0] - packages[1])) if packages else None,
        notes=tuple(notes),
    )
