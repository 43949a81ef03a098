"""Makes a bundle of migrations: try them out, describe what they do, sign both.

Rules:
- Nothing is written unless every step of the trial went well.
- The channel is one for migrations alone: a generation is all that a channel carries, so a site that follows a channel
  of content would take its content away.
- The same files after the same release give the same generation, and the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from stella.bundle.assemble import SourceFile
from stella.bundle.channel import ChannelFolder
from stella.bundle.cutting import cut_files, open_channel, predicate_of, write_checked
from stella.bundle.model import GenerationRecord
from stella.database import trial
from stella.database.apply import Shipped
from stella.database.errors import ContentChannel, NothingToBundle, NotMigrations, PreviousDiffers
from stella.database.files import load
from stella.database.manifest import NAME, TOP, Manifest
from stella.database.model import BundleMigrations, Category, File, MigrationsBundled
from stella.database.service import shipped_of
from stella.database.trial import Proof
from stella.kernel.canonical import dump, parse
from stella.operations import Context
from stella.runtime import throwaway
from stella.runtime.files import make_directory, writing
from stella.runtime.migrate import Session
from stella.runtime.scratch import scratch

MEDIA_TYPES = {".sql": "application/sql", ".json": "application/json"}


def bundle(ctx: Context, want: BundleMigrations) -> MigrationsBundled:
    """Try what this release ships, and write it down as a signed bundle; raises what does not go well."""
    wanted, every = shipped_of(ctx, want.module), load(ctx.schemas)
    store = open_channel(ctx, want.dir)
    check_channel(store)
    before = previous(store, want.since, every) if want.since is not None else []
    old = {file.label for file in before}
    files = [file for module in wanted.values() for file in module if file.label not in old]
    if not files:
        raise NothingToBundle(problem=f"generation {want.since} has all of them" if before else "no file is shipped")
    proof = prove(ctx, before, files)
    with scratch("migrations") as place, store.folder.lock():
        store.publish()
        cut = cut_files(ctx, store, lay(place, proof.manifest, files), want.created)
        record = cut.record if cut else store.records()[-1]
        digest = write_checked(ctx, store, Path(want.out), record, cut.blobs if cut else store.blobs(record), cut=cut)
    return _summary(store, want, record, digest, proof, fresh=cut is not None)


def prove(ctx: Context, before: Sequence[File], files: Sequence[File]) -> Proof:
    """Try files in a database of their own; raises as `trial.run`."""
    there = {file.module for file in (*before, *files)}
    modules = [module for module in ctx.schemas if module in there]
    with throwaway.database("trial", ctx.entropy(16).hex()) as login, Session(login, ctx.actor, ctx.clock) as session:
        return trial.run(session, modules, before, files, ctx.progress)


def previous(store: ChannelFolder, generation: int, every: Shipped) -> list[File]:
    """What a database has after that generation, as this release ships it.

    Raises GenerationMissing, NotMigrations or PreviousDiffers.
    """
    record = store.record(generation)
    manifest = _manifest(store, record)
    found = {file.label: file for module in every.values() for file in module}
    files = []
    for one in manifest.after:
        label = f"{one.module}/{one.name}"
        file = found.get(label)
        if file is None:
            raise PreviousDiffers(generation=generation, file=label, problem="is not shipped")
        if file.checksum != one.sha256 and file.category is not Category.SEED:
            raise PreviousDiffers(generation=generation, file=label, problem="has other content")
        files.append(file)
    order = {module: place for place, module in enumerate(every)}
    return sorted(files, key=lambda file: order[file.module])


def check_channel(store: ChannelFolder) -> None:
    """Raise ContentChannel when the newest generation carries anything but migrations."""
    for record in store.records()[-1:]:
        other = next((entry.path for entry in store.entries(record) if entry.category != TOP), None)
        if other is not None:
            raise ContentChannel(channel=store.channel().channel, path=other)


def _manifest(store: ChannelFolder, record: GenerationRecord) -> Manifest:
    digest = next((entry.digest for entry in store.entries(record) if entry.path == NAME), None)
    if digest is None:
        raise NotMigrations(problem=f"generation {record.generation} has no manifest of migrations")
    return parse(store.contents(record).read(digest), Manifest, NAME)


def lay(place: Path, manifest: Manifest, files: Iterable[File]) -> list[SourceFile]:
    """Write the files of a bundle below a folder; what is to be packed, by path."""
    texts = {f"{TOP}/{file.label}": file.text.encode() for file in files} | {NAME: dump(manifest)}
    return [_laid(place, path, data) for path, data in sorted(texts.items())]


def _laid(place: Path, path: str, data: bytes) -> SourceFile:
    file = place / path
    make_directory(file.parent)
    with writing(file):
        file.write_bytes(data)
    found = file.stat()
    stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
    return SourceFile(path, str(file), TOP, MEDIA_TYPES[file.suffix], found.st_size, stamp)


def _summary(
    store: ChannelFolder, want: BundleMigrations, record: GenerationRecord, digest: str, proof: Proof, *, fresh: bool
) -> MigrationsBundled:
    generation, manifest = predicate_of(store, record), proof.manifest
    return MigrationsBundled(
        bundle=want.out,
        sha256=digest,
        channel=generation.channel,
        generation=record.generation,
        root=record.root,
        fresh=fresh,
        signing=generation.signing,
        release=manifest.release,
        modules=manifest.modules,
        files=proof.files,
        steps=proof.steps,
        policies_before=len(manifest.policies_before),
        policies_after=len(manifest.policies_after),
        schema_digest=manifest.schema_digest,
        tables_protected=manifest.tables_protected,
    )
