"""What people see of channels and bundles."""

from __future__ import annotations

from collections.abc import Mapping

from stella.bundle.model import Tally
from stella.formats.view import Cell, Facts, Table, Text, View, human_bytes, human_count
from stella.mirror.model import (
    BundleCreated,
    BundlesDiffed,
    BundleShown,
    BundleVerified,
    ChannelIndexed,
    ChannelLaid,
    ChannelShown,
    ChannelsListed,
    Exported,
    IndexSearched,
    KeyRotated,
)

SHORT = 16  # hex characters of a digest that are enough to tell two apart by eye
CLOCK_NOTES = {
    "ok": "",
    "clock_behind": "The local clock is behind the proof of time in the bundle; expiry was judged at that proof.",
    "clock_ahead_suspected": "The local clock is far ahead of the proof of time in the bundle: the clock is wrong "
    "or the bundle is old. Expiry was judged at the proof; a site that has seen a newer proof will refuse it.",
}


def _signing(word: str) -> Cell:
    return (
        Cell("production key", "good") if word == "production" else Cell("development key: not for production", "warn")
    )


def _categories(rows: Mapping[str, Tally]) -> Table:
    cells = [(name, human_count(row.files), human_bytes(row.bytes)) for name, row in rows.items()]
    return Table(("category", "files", "content"), cells, right=("files", "content"))


def _content(files: int, size: int) -> str:
    return f"{human_count(files)} files, {human_bytes(size)}"


def _form(size: int, content: int, base: int | None) -> str:
    share = f", {100 * size / content:.1f} % of the content" if content else ""
    return f"{human_bytes(size)}, {f'thin against generation {base}' if base else 'full'}{share}"


def laid(result: ChannelLaid) -> View:
    """After mirror init."""
    return [
        Facts(
            [
                ("channel", f"{result.channel} ({result.channel_id[:SHORT]})"),
                ("folder", result.dir),
                ("trust folder", f"{result.trust}, hand it to sites by another way than the bundles"),
                ("root sha256", result.root_sha256),
                ("release keys", f"{result.release_threshold} of {len(result.release_keyids)}"),
                ("signed by", _signing(result.signing)),
            ]
        ),
        Text(f"next: stella mirror create --dir {result.dir} --source artifacts=PATH --out B.stella"),
    ]


def created(result: BundleCreated) -> View:
    """After mirror create."""
    how = "new" if result.fresh else "unchanged: written again"
    return [
        Facts(
            [
                ("bundle", result.bundle),
                ("generation", Cell(f"{result.generation} ({how})", "good")),
                ("root", result.root),
                ("content", _content(result.files, result.content_bytes)),
                ("size", _form(result.bundle_bytes, result.content_bytes, result.base)),
                ("deltas", str(result.deltas)),
                ("signed by", _signing(result.signing)),
                ("sha256", result.sha256),
            ]
        ),
        _categories(result.categories),
        *(Text(note, "dim") for note in result.notes),
    ]


def verified(result: BundleVerified) -> View:
    """After mirror verify."""
    checks = [(check.name, Cell("ok", "good"), check.detail) for check in result.checks]
    note = CLOCK_NOTES[result.clock]
    return [
        Table(("check", "verdict", "found"), checks),
        Facts(
            [
                ("verdict", Cell("verified", "good")),
                ("generation", f"{result.channel} {result.generation}"),
                ("root", result.root),
                ("content", _content(result.files, result.content_bytes)),
                ("checked here", f"{human_count(result.contents_checked)} contents"),
                (
                    "held by base",
                    f"{human_count(result.contents_in_base)} contents" if result.thin else "none: full bundle",
                ),
                ("created", result.created),
                ("signed by", _signing(result.signing)),
            ]
        ),
        *([Text(note, "warn")] if note else []),
    ]


def shown(result: BundleShown) -> View:
    """After mirror show."""
    verdict = Cell(result.verdict, "good" if result.verdict == "verified" else "warn")
    view: list[Facts | Table | Text] = [
        Facts(
            [
                ("bundle", result.bundle),
                ("verdict", verdict),
                ("generation", f"{result.channel} {result.generation}"),
                ("root", result.root),
                ("content", _content(result.files, result.content_bytes)),
                ("size", _form(result.bundle_bytes, result.content_bytes, result.base)),
                ("created", result.created),
                ("signed by", _signing(result.signing)),
                ("made by", result.producer),
            ]
        ),
        _categories(result.categories),
    ]
    if result.entries:
        rows = [(row.path, human_bytes(row.size), row.stored, row.sha256[:SHORT]) for row in result.entries]
        view.append(Table(("path", "size", "stored", "sha256"), rows, "Files", right=("size",)))
    if result.verdict != "verified":
        view.append(Text("Nothing was verified; do that with `--trust` or `stella mirror verify`.", "dim"))
    view += [Text(f"report: {report}", "dim") for report in result.reports]
    return view


def _signed(count: int) -> str:
    return f"{'+' if count >= 0 else '-'}{human_bytes(abs(count))}"


def diffed(result: BundlesDiffed) -> View:
    """After mirror diff."""
    if result.same:
        return [Text(f"generations {result.old.generation} and {result.new.generation} have the same content")]
    rows = [
        (name, human_count(row.added), human_count(row.removed), human_count(row.changed), _signed(row.bytes))
        for name, row in result.categories.items()
    ]
    before, after = result.content_bytes
    title = f"generation {result.old.generation} -> {result.new.generation}"
    view: list[Facts | Table | Text] = [
        Table(
            ("category", "added", "removed", "changed", "size"),
            rows,
            title,
            right=("added", "removed", "changed", "size"),
        ),
        Facts([("content", f"{human_bytes(before)} -> {human_bytes(after)}")]),
    ]
    for word, names in (
        ("New advisories", result.new_advisories),
        ("Withdrawn advisories", result.gone_advisories),
        ("New packages", result.new_packages),
        ("Packages no longer there", result.gone_packages),
    ):
        if names:
            view.append(Table((word.lower(),), [(name,) for name in names]))
    marks = (("+", result.added), ("-", result.removed), ("~", result.changed))
    paths = [(mark, path) for mark, names in marks for path in names]
    if paths:
        view.append(Table(("", "path"), paths, "Files"))
    view += [Text(note, "dim") for note in result.notes]
    return view


def status(result: ChannelShown) -> View:
    """After mirror status."""
    generations = [
        (str(row.generation), row.created, human_count(row.files), human_bytes(row.content_bytes), row.root[:SHORT])
        for row in reversed(result.generations)
    ]
    roles = [
        (
            row.role,
            f"{row.threshold} of {len(row.keyids)}",
            str(row.version or ""),
            row.expires or "",
            " ".join(keyid[:8] for keyid in row.keyids),
        )
        for row in result.roles
    ]
    return [
        Facts(
            [
                ("channel", f"{result.channel} ({result.channel_id[:SHORT]})"),
                ("head", f"generation {result.head}" if result.head else "no generation yet"),
                ("signed by", _signing(result.signing)),
                ("sites", ", ".join(result.sites) or "none known"),
                ("on disk", human_bytes(result.store_bytes)),
            ]
        ),
        Table(
            ("generation", "created", "files", "content", "root"),
            generations,
            "Generations",
            right=("files", "content"),
            empty="none; cut one: `stella mirror create`",
        ),
        Table(("role", "threshold", "version", "expires", "keys"), roles, "Keys"),
    ]


def rotated(result: KeyRotated) -> View:
    """After mirror rotate."""
    return [
        Facts(
            [
                ("role", result.role),
                ("old keys", " ".join(keyid[:SHORT] for keyid in result.old_keyids)),
                ("new keys", " ".join(keyid[:SHORT] for keyid in result.new_keyids)),
                ("root version", str(result.root_version)),
            ]
        ),
        *(Text(note) for note in result.notes),
    ]


def exported(result: Exported) -> View:
    """After mirror export."""
    rows = [(name, human_bytes(size)) for name, size in result.files.items()]
    return [
        Facts([("format", result.format), ("generation", str(result.generation)), ("folder", result.out)]),
        Table(("file", "size"), rows, right=("size",)),
    ]


def indexed(result: ChannelIndexed) -> View:
    """After mirror index."""
    done = f"{human_count(result.entered)} generations entered" if result.entered else "nothing was missing"
    facts = [("channel", f"{result.channel} ({result.channel_id[:SHORT]})"), ("newest", str(result.generation))]
    return [Facts([*facts, ("index", f"{done}{', made anew' if result.rebuilt else ''}")])]


def listed(result: ChannelsListed) -> View:
    """Channels or generations."""
    if not result.rows:
        return [Text("The index has no such channel. Enter one: stella mirror index M")]
    rows = [
        (
            row.channel,
            row.channel_id[:SHORT],
            "-" if row.generation is None else str(row.generation),
            (row.root or "")[:SHORT],
            row.created or "",
            "" if row.files is None else human_count(row.files),
            "" if row.content_bytes is None else human_bytes(row.content_bytes),
            row.dir,
        )
        for row in result.rows
    ]
    heads = ("channel", "id", "generation", "root", "created", "files", "content", "folder")
    return [Table(heads, rows, right=("generation", "files", "content")), *_more(result.next)]


def searched(result: IndexSearched) -> View:
    """What was found, and where first."""
    if not result.rows:
        return [Text("No channel of the index ever carried it.")]
    rows = [
        (
            row.kind,
            row.name[:SHORT] if row.kind == "content" else row.name,
            row.channel,
            str(row.first),
            "still" if row.last is None else str(row.last),
            str(row.places),
            row.path,
        )
        for row in result.rows
    ]
    heads = ("kind", "name", "channel", "first", "last", "places", "path")
    return [Table(heads, rows, right=("first", "last", "places")), *_more(result.next)]


def _more(cursor: str | None) -> View:
    return [Text(f"More: add --cursor {cursor}")] if cursor else []
