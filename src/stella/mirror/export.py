"""Writes a generation as the files of the thin bundle v1, for readers that know that format alone.

Rules:
- The tar is plain ustar, sorted as v1 asks, gzip without name and time; JSON has sorted keys, indent 2 and a final
  newline.
- The signatures are right where v1's own were not: DSSE over the pre-authentication encoding, by the channel's release
  keys.
- The TUF metadata is the channel's own, unchanged: the same keys must never sign a second history.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from stella.bundle.channel import ChannelFolder
from stella.bundle.contents import Contents, chunks_of
from stella.bundle.cutting import open_channel, predicate_of, release_keys
from stella.bundle.limits import CHUNK
from stella.bundle.model import Entry, Generation, GenerationRecord
from stella.kernel import dsse
from stella.kernel.digest import sha256
from stella.mirror.errors import NothingToMirror
from stella.mirror.model import ExportBundle, Exported
from stella.operations import Context
from stella.runtime.files import make_directory, open_file, replacing, writing
from stella.runtime.scratch import scratch
from stella.signing import signers

NAME = "mirror-thin-v1"
MANIFEST_TYPE = "application/vnd.stellaops.mirror.manifest+json"
BUNDLE_TYPE = "application/vnd.stellaops.mirror.bundle+json"
OBSERVED = ("advisories", "vex")


def _pretty(value: object) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def _observations(entries: list[Entry], contents: Contents, path: Path) -> None:
    """Advisories and VEX, one JSON object a line; documents that are no JSON travel as text."""
    with writing(path), path.open("wb") as file:
        for entry in entries:
            if entry.category in OBSERVED:
                data = contents.read(entry.digest)
                try:
                    document = json.loads(data)
                except ValueError:
                    document = data.decode("utf-8", "replace")
                line = {"category": entry.category, "digest": entry.digest, "document": document, "path": entry.path}
                file.write(json.dumps(line, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info


def _tar(file: gzip.GzipFile) -> tarfile.TarFile:
    return tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)


def _gzipped(file: BinaryIO) -> gzip.GzipFile:
    return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)


def _policies(entries: list[Entry], contents: Contents, path: Path) -> None:
    with writing(path), path.open("wb") as file, _gzipped(file) as packed, _tar(packed) as tar:
        for entry in entries:
            if entry.category == "policies":
                tar.addfile(_member(entry.path, entry.size), io.BytesIO(contents.read(entry.digest)))


def _indexes(entries: list[Entry]) -> dict[str, bytes]:
    rows: dict[str, list[dict[str, object]]] = {}
    for entry in entries:
        rows.setdefault(entry.category, []).append({"digest": entry.digest, "path": entry.path, "size": entry.size})
    return {f"{category}.json": _pretty(listed) for category, listed in sorted(rows.items())}


def _digest(path: Path) -> str:
    hasher = hashlib.sha256()
    for chunk in chunks_of(open_file(path)):
        hasher.update(chunk)
    return hasher.hexdigest()


def _manifest(generation: Generation, layers: list[Path], indexes: Mapping[str, bytes]) -> dict[str, object]:
    return {
        "version": "1.0.0",
        "created": generation.created,
        "generatedAt": generation.created,
        "sourceClock": generation.source_clock,
        "validForSeconds": generation.valid_for_s,
        "layers": [
            {"digest": f"sha256:{_digest(path)}", "path": f"layers/{path.name}", "size": path.stat().st_size}
            for path in layers
        ],
        "indexes": [{"digest": f"sha256:{sha256(data)}", "name": name} for name, data in indexes.items()],
    }


def _pack(manifest: bytes, layers: list[Path], indexes: Mapping[str, bytes], target: Path) -> None:
    with writing(target), target.open("wb") as file, _gzipped(file) as packed, _tar(packed) as tar:
        tar.addfile(_member("manifest.json", len(manifest)), io.BytesIO(manifest))
        for layer in layers:
            with open_file(layer) as source:
                tar.addfile(_member(f"layers/{layer.name}", layer.stat().st_size), source)
        for name, data in indexes.items():
            tar.addfile(_member(f"indexes/{name}", len(data)), io.BytesIO(data))


def _kit(
    generation: Generation, record: GenerationRecord, tarball: tuple[str, int], manifest: bytes
) -> dict[str, object]:
    return {
        "artifacts": [
            {
                "digest": f"sha256:{tarball[0]}",
                "media_type": "application/gzip",
                "path": f"{NAME}.tar.gz",
                "size": tarball[1],
            },
            {
                "digest": f"sha256:{sha256(manifest)}",
                "media_type": "application/json",
                "path": f"{NAME}.manifest.json",
                "size": len(manifest),
            },
        ],
        "bundle_id": f"{generation.channel}-{record.generation}-{record.root[:12]}",
        "created_at": generation.created,
        "generation": record.generation,
        "merkle_root": record.root,
        "schema_version": "mirror.thin.v1",
    }


def _small_files(
    ctx: Context,
    store: ChannelFolder,
    record: GenerationRecord,
    generation: Generation,
    manifest: Mapping[str, object],
    tar: Path,
) -> Iterator[tuple[str, bytes]]:
    passphrase = ctx.secret(ctx.settings.keys.passphrase)
    policy = signers.parse(store.document(store.head().documents["signers.json"]))
    keys = release_keys(ctx, store, policy, passphrase).keys
    tarball = (_digest(tar), tar.stat().st_size)
    hashes = {"manifest_sha256": sha256(_pretty(manifest)), "tarball_sha256": tarball[0]}
    outer = _pretty({**manifest, "hashes": hashes})
    kit = _pretty(_kit(generation, record, tarball, outer))
    for name, data, kind in (("manifest", outer, MANIFEST_TYPE), ("bundle", kit, BUNDLE_TYPE)):
        yield f"{NAME}.{name}.json", data
        yield f"{NAME}.{name}.json.sha256", f"{sha256(data)}  {NAME}.{name}.json\n".encode()
        yield f"{NAME}.{name}.dsse.json", dsse.sign(kind, data, keys)
    yield f"{NAME}.tar.gz.sha256", f"{tarball[0]}  {NAME}.tar.gz\n".encode()
    yield "milestone.json", store.document(record.documents["milestone.json"])
    for title, digest in record.documents.items():
        if title.startswith("tuf/"):
            yield title, store.document(digest)


def export(ctx: Context, want: ExportBundle) -> Exported:
    """Write the v1 file set of a generation."""
    store = open_channel(ctx, want.dir)
    head = store.head().generation
    if head is None:
        raise NothingToMirror(problem="the channel has no generation yet")
    record = store.record(want.generation or head.generation)
    generation, entries, contents = predicate_of(store, record), store.entries(record), store.contents(record)
    out = Path(want.out)
    make_directory(out)
    ctx.progress.start("export", None, "bytes")
    sizes: dict[str, int] = {}
    with scratch("export") as place:
        layers = [Path(place, name) for name in ("observations.ndjson", "time-anchor.json", "policies.tar.gz")]
        _observations(entries, contents, layers[0])
        with writing(layers[1]):
            layers[1].write_bytes(store.document(record.documents["time-anchor.json"]))
        _policies(entries, contents, layers[2])
        indexes = _indexes(entries)
        manifest = _manifest(generation, layers, indexes)
        tar = Path(place, f"{NAME}.tar.gz")
        _pack(_pretty(manifest), layers, indexes, tar)
        for name, data in _small_files(ctx, store, record, generation, manifest, tar):
            make_directory((out / name).parent)
            with replacing(out / name) as file:
                sizes[name] = file.write(data)
        with replacing(out / tar.name) as file, open_file(tar) as source:
            sizes[tar.name] = 0
            while chunk := source.read(CHUNK):
                sizes[tar.name] += file.write(chunk)
    return Exported(format=want.format, generation=record.generation, out=want.out, files=dict(sorted(sizes.items())))
