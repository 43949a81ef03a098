"""What a bundle holds, as frozen structs with one canonical spelling each.

Rules:
- An entry is a path and the digest of its uncompressed bytes. How those bytes are stored is no part of it, so full and
  thin bundles of one generation have the same root and the same signatures.
- The root is the RFC 6962 Merkle root over the canonical lines of the entries in the byte order of their paths.
- Fields are declared in alphabetical order: the encoder then writes RFC 8785 form directly, which a property test
  checks.
"""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NoReturn, TypeVar, get_args

import msgspec

from stella.bundle.errors import BadPath, DuplicatePath, LayoutMismatch, OverLimit
from stella.bundle.limits import MAX_ENTRIES, MAX_MEMBER, MAX_PATH
from stella.kernel.digest import HEX
from stella.kernel.errors import NotJson
from stella.kernel.instant import Instant, Seconds
from stella.kernel.merkle import root_of

Category = Literal["advisories", "vex", "sbom", "policies", "artifacts", "images", "evidence", "migrations", "other"]
CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)
Encoding = Literal["raw", "zstd", "hdiff"]

PREDICATE_TYPE = "https://stella-ops.org/mirror/v2"
PACKER_TYPE = "application/vnd.stella.stored.v1+json"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One path of a generation; `digest` and `size` are of the uncompressed bytes."""

    category: Category
    digest: str
    media_type: str
    path: str
    size: int
    tenant: str | None = None


class Blob(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One stored blob: its own digest and size, its encoding, and the content digests it yields, in order.

    A pack yields several contents one after the other; anything else yields one.
    """

    base: str | None = None
    blob: str
    enc: Encoding
    holds: tuple[str, ...]
    size: int


class ListForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list travelling as one zstd blob: digest and size of the lines, digest and size of the blob."""

    blob: str
    digest: str
    size: int
    stored_size: int


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A generation by number and root."""

    generation: int
    root: str


class PackerStatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the packer key signs: how this one file stores a generation. It can never make other content acceptable."""

    schema: Literal["stella.stored@1"] = "stella.stored@1"
    base: Mark | None
    channel_id: str
    entries: ListForm
    generation: int
    root: str
    stored: ListForm


class AnchorRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A proof of time: format, digest of the token file, and the time it proves."""

    digest: str
    format: Literal["rfc3161-v1"]
    time: str


class Tally(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files and bytes of a category."""

    files: int
    bytes: int


class Generation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The predicate that the release keys sign: one numbered state of a channel."""

    kind: Literal["mirror"] = "mirror"
    channel: str
    channel_id: str
    generation: int
    previous: Mark | None
    created: str
    source_clock: str
    valid_for_s: Seconds
    root: str
    entries_digest: str
    entries_size: int
    files: int
    content_bytes: int
    categories: dict[str, Tally]
    anchors: tuple[AnchorRef, ...]
    signing: Literal["production", "development"]
    producer: str
    tool_versions: dict[str, str]


class Milestone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The short summary of a generation that a vendor publishes and an auditor compares."""

    schema: Literal["stella.milestone@1"] = "stella.milestone@1"
    channel: str
    channel_id: str
    generation: int
    root: str
    manifest: str
    dsse: str
    anchors: tuple[str, ...]


class TrustFolder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`channel.json` of a trust folder: which channel the root metadata beside it belongs to."""

    schema: Literal["stella.trust@1"] = "stella.trust@1"
    channel: str
    channel_id: str


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site's signed statement of what it holds; `decisions` are its latest imports, newest last."""

    schema: Literal["stella.receipt@1"] = "stella.receipt@1"
    site: str
    site_id: str
    public_key: str
    channel: str
    channel_id: str
    active: Mark
    held: tuple[Mark, ...]
    time: str
    clock: str
    decisions: tuple[dict[str, str], ...]


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`channel.json`: what never changes."""

    schema: Literal["stella.channel@1"] = "stella.channel@1"
    channel: str
    channel_id: str
    created: str


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`head.json`: the newest generation and the current trust documents, title to digest.

    `cleared` counts what was cleared away without anything being published: it makes the file another one.
    """

    schema: Literal["stella.head@1"] = "stella.head@1"
    generation: Mark | None
    documents: dict[str, str]
    cleared: int = 0


class GenerationRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`generations/NNNNNNNN.json`: the documents of a generation by title, and digests of its two lists."""

    schema: Literal["stella.generation@1"] = "stella.generation@1"
    generation: int
    root: str
    created: str
    files: int
    content_bytes: int
    documents: dict[str, str]
    entries: str
    stored: str


RECEIPT_TYPE = "application/vnd.stella.receipt.v1+json"

Row = TypeVar("Row", Entry, Blob)

_ODD = ("//", "/./", "/../", "/.\n", "/..\n", "/\n", "\n/", "\n.", "\n\n")  # in paths between line feeds

_ENTRIES = msgspec.json.Decoder(Entry)
_BLOBS = msgspec.json.Decoder(Blob)
_ENCODER = msgspec.json.Encoder()


def check_path(path: str) -> None:
    """Raise BadPath unless `path` is relative, NFC, printable and free of `.`, `..` and empty parts."""
    plain = path.isascii() and path.isprintable() and len(path) <= MAX_PATH
    if plain and path[:1] not in {"", "/", "."} and path[-1] != "/" and "//" not in path and "/." not in path:
        return  # nearly every path ends here, at a tenth of the cost of the careful look below
    problem = ""
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        raise BadPath(path=ascii(path), problem="not valid Unicode") from None
    if length > MAX_PATH:
        problem = f"{length} bytes long, the limit is {MAX_PATH}"
    elif path.startswith("/"):
        problem = "absolute"
    elif not {"", ".", ".."}.isdisjoint(path.split("/")):
        problem = "it has a `.`, `..` or empty part"
    elif not path.isascii() and not unicodedata.is_normalized("NFC", path):
        problem = "not in Unicode NFC"
    elif not path.isprintable():
        problem = "it has a control or invisible character"
    if problem:
        raise BadPath(path=ascii(path)[1:-1], problem=problem)


def check_paths(paths: Sequence[str]) -> None:
    """Raise BadPath unless `check_path` accepts each path."""
    text = "\n".join(("", *paths, ""))
    plain = text.isascii() and text.count("\n") == len(paths) + 1 and "".join(paths).isprintable()
    if plain and len(max(paths, key=len, default="")) <= MAX_PATH and not any(odd in text for odd in _ODD):
        return  # one look at all of them costs a tenth of a look at each
    for path in paths:
        check_path(path)


def check_entries(entries: Sequence[Entry]) -> None:
    """Raise BadPath, DuplicatePath, OverLimit or LayoutMismatch unless entries are sorted, unique and within limits."""
    if len(entries) > MAX_ENTRIES:
        raise OverLimit(what="number of entries", found=len(entries), limit=MAX_ENTRIES)
    paths = [entry.path for entry in entries]
    check_paths(paths)
    if not all(map(operator.lt, paths, paths[1:])):  # the order of code points is the order of UTF-8 bytes
        _blame_order(paths)
    for entry in entries:
        if not HEX.match(entry.digest) or not 0 <= entry.size <= MAX_MEMBER:
            raise LayoutMismatch(what=f"entry `{entry.path}`", problem="its digest or size is out of range")
    folders: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in paths}:
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]  # noqa: PLW2901  # one level up
    if clash := folders.intersection(paths):
        raise BadPath(path=min(clash), problem="it is a file and a folder at once")


def _blame_order(paths: Sequence[str]) -> NoReturn:
    seen: set[str] = set()
    before = ""
    for path in paths:
        if path in seen:
            raise DuplicatePath(path=path)
        if path < before:
            raise LayoutMismatch(what="entry list", problem=f"`{path}` is out of order")
        seen.add(path)
        before = path
    raise AssertionError(paths)


def members_of(blobs: Iterable[Blob]) -> dict[str, int]:
    """Digest and size of the data blobs that a list of stored forms names, in its order.

    Two forms may share one blob: a pack whose contents, put together, are another file yields both.
    """
    return {blob.blob: blob.size for blob in blobs}


def blob_order(blob: Blob) -> tuple[str, tuple[str, ...]]:
    """Sort key of a list of stored forms."""
    return blob.blob, blob.holds


def dump_lines(rows: Iterable[Row]) -> bytes:
    """NDJSON, each line in canonical form and ended by a newline."""
    return _ENCODER.encode_lines(list(rows))


def _parse_lines(data: bytes, decoder: msgspec.json.Decoder[Row], what: str) -> list[Row]:
    try:
        rows = list(decoder.decode_lines(data))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotJson(what=what, problem=str(error)) from None
    if dump_lines(rows) != data:
        raise LayoutMismatch(what=what, problem="its lines are not in canonical form")
    return rows


def parse_entries(data: bytes) -> list[Entry]:
    """Parse and check the entry list; raises NotJson, LayoutMismatch, BadPath, DuplicatePath, OverLimit."""
    entries = _parse_lines(data, _ENTRIES, "entry list")
    check_entries(entries)
    return entries


def parse_blobs(data: bytes) -> list[Blob]:
    """Parse the list of stored forms; raises NotJson or LayoutMismatch."""
    return _parse_lines(data, _BLOBS, "list of stored forms")


def root_of_lines(data: bytes) -> str:
    """Merkle root, in hex, over the lines of an entry list (RFC 6962)."""
    return root_of(data[:-1].split(b"\n") if data else ()).hex()


def tally(entries: Iterable[Entry]) -> dict[str, Tally]:
    """Files and bytes by category, categories in their fixed order, empty ones left out."""
    sums: dict[str, list[int]] = {}
    for entry in entries:
        row = sums.setdefault(entry.category, [0, 0])
        row[0] += 1
        row[1] += entry.size
    return {name: Tally(files=sums[name][0], bytes=sums[name][1]) for name in CATEGORIES if name in sums}


def age_of(created: Instant, now: Instant) -> Seconds:
    """Age in seconds, never negative."""
    return max(now - created, 0)
