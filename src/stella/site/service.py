"""Imports a bundle: verify, stage, activate; or quarantine with the reason.

Rules:
- Checks run in the order of `bundle.verify`, then the site's own: second approver, time, generation, base; contents
  come last.
- Nothing the site runs changes before one flip of `state.json`; a kill at any step leaves the old generation active,
  and the same command again finishes, without writing what is there already.
- A bundle that fails is quarantined with the reason; a full disk, a bad medium or a missing approval is not the
  bundle's fault.
- Trusted time rises with every verified proof of time, also with one in a bundle that is refused afterwards.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from pathlib import Path

import msgspec

from stella.bundle.contents import chunks_of
from stella.bundle.errors import NotABundle
from stella.bundle.limits import MIB
from stella.bundle.model import Mark, dump_lines
from stella.bundle.reader import BundleFile
from stella.bundle.receive import Receiver, check_blobs
from stella.bundle.verify import Genuine, judge_time, verify_documents
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.kernel.errors import Exit, StellaError
from stella.kernel.instant import Floor, TrustedTime, format_time, judge, parse_duration, raise_floor
from stella.operations import Context, no_database
from stella.runtime.files import open_file, reading
from stella.signing import tuf_client
from stella.signing.errors import MetadataMixed, MetadataRollback
from stella.site import rules
from stella.site.folder import SiteFolder, encode_sizes, held_key, local_forms
from stella.site.model import (
    HeldGeneration,
    ImportBundle,
    Imported,
    ImportEvent,
    ImportRecord,
    ImportState,
    QuarantineCase,
)

HEAD = 64 * 1024  # bytes of a file that name it in the history
REPORTED = ("blob", "what", "name", "path")  # facts of an error that say what offended


def open_site(ctx: Context, path: str) -> SiteFolder:
    """The site in a folder or a bucket; raises NoSite."""
    store = SiteFolder(ctx.folder(path), path)
    store.state()
    return store


class Import:
    """One run of an import, under the lock of its site."""

    def __init__(self, ctx: Context, store: SiteFolder, want: ImportBundle) -> None:
        self.ctx = ctx
        self.store = store
        self.want = want
        self.path = Path(want.bundle)
        self.state = store.state()
        self.reading = ctx.clock.read()
        self.floor: Floor = raise_floor(self.state.floor, self.reading)
        self.older = False
        self.approval = rules.Approval(ctx.actor, want.approver, want.reason)

    def run(self) -> Imported:
        """Import the bundle; raises what is wrong with it, after quarantining it."""
        with reading(self.path), open_file(self.path) as file:
            name = sha256(file.read(HEAD))[:12]
        now = format_time(self.reading.wall)
        fresh = ImportRecord(id=name, state=ImportState.RECEIVED, time=now, actor=self.ctx.actor)
        record = rules.moved(
            msgspec.structs.replace(
                rules.unfinished(self.state.history, name) or fresh,
                actor=self.ctx.actor,
                why=self.want.reason,
                approver=self.want.approver,
            ),
            ImportEvent.VERIFY,
            now,
        )
        try:
            with BundleFile.open(self.path) as bundle:
                return self._verified(bundle, record)
        except NotABundle:
            raise
        except StellaError as problem:
            if problem.exit is Exit.NEGATIVE and not self.want.dry_run:
                with contextlib.suppress(StellaError, OSError):  # the verdict counts, even where no case can be kept
                    self._quarantine(record, problem)
            raise

    def _verified(self, bundle: BundleFile, record: ImportRecord) -> Imported:
        genuine = self._genuine(bundle)
        generation = genuine.generation
        self.floor = raise_floor(self.floor, self.reading, [genuine.anchored])
        time = self._time()
        rules.check_signing(generation, require_production=self.ctx.settings.site.require_production)
        mark = Mark(generation.generation, generation.root)
        rules.check_generation(self.state, generation, genuine.anchored, self.approval, force=self.want.force)
        if genuine.update.new_roots:
            self.approval.need_second("A change of root keys")
        judge_time(genuine, time)
        if mark == self.state.active:
            if not self.want.dry_run:
                self.store.prune(self.state, flipped=False)  # a kill may have come between the flip and this
            return self._imported(genuine, record, time, "already active; nothing was changed")
        rules.check_base(self.state, genuine.packer.base)
        record = msgspec.structs.replace(
            record, generation=mark.generation, root=mark.root, detail=f"imported {self.path.name}"
        )
        self._note(record)
        held = self._receive(bundle, genuine)
        if self.want.dry_run:
            return self._imported(genuine, record, time, "dry run; nothing was changed")
        staged = rules.moved(record, ImportEvent.STAGE, record.time)
        self._note(staged)
        done = rules.moved(staged, ImportEvent.ACTIVATE, record.time)
        self._activate(genuine, held, mark, done)
        return self._imported(genuine, done, time, "")

    def _genuine(self, bundle: BundleFile) -> Genuine:
        """Verify the documents.

        An older generation is recognised as such, so that it can be named or, by two people, forced; a second history
        as well.
        """
        trust = self.store.trust(self.state)
        try:
            return verify_documents(bundle, trust)
        except (MetadataRollback, MetadataMixed) as problem:
            older = dataclasses.replace(trust, tuf=tuf_client.Trusted(root=trust.tuf.root))
            genuine = verify_documents(bundle, older)
            number = genuine.generation.generation
            rules.check_history(self.state, Mark(number, genuine.generation.root))
            replayed = isinstance(problem, MetadataRollback)
            if not replayed or self.state.active is None or number > self.state.active.generation:
                raise
            self.older = True
            return genuine

    def _time(self) -> TrustedTime:
        if self.want.confirm_clock:
            self.approval.need_second("Vouching for the clock", reason=True)
        gap = parse_duration(self.ctx.settings.clock.max_gap)
        return judge(self.floor, self.reading, gap, confirmed=self.want.confirm_clock)

    def _note(self, record: ImportRecord) -> None:
        """Keep where the import is; changes nothing that the site runs or trusts but the floor."""
        if self.want.dry_run:
            return
        history = rules.with_record(self.state.history, record)
        self.state = msgspec.structs.replace(self.state, floor=self.floor, history=history)
        self.store.flip(self.state)

    def _receive(self, bundle: BundleFile, genuine: Genuine) -> HeldGeneration:
        base = None
        if genuine.packer.base is not None:
            base = self.store.contents(self.store.held(self.state, genuine.packer.base.generation))
        sizes = genuine.sizes
        in_base = frozenset(digest for digest in sizes if base is not None and digest in base)
        check_blobs(bundle, genuine.blobs, sizes, in_base)
        folder = None if self.want.dry_run else self.store.folder
        with folder.batch() if folder else contextlib.nullcontext():
            received = Receiver(bundle, sizes, folder, base).run(genuine.blobs, self.ctx.progress)
        genuine.checks.append(("contents", f"{len(sizes)} contents, each with its signed digest"))
        generation = genuine.generation
        keep = sha256 if self.want.dry_run else self.store.keep
        blobs, extra = local_forms(received, base, sizes)
        return HeldGeneration(
            generation=generation.generation,
            root=generation.root,
            created=generation.created,
            anchored=format_time(genuine.anchored),
            valid_for_s=generation.valid_for_s,
            files=generation.files,
            content_bytes=generation.content_bytes,
            categories=generation.categories,
            signing=generation.signing,
            entries=keep(genuine.entries_data),
            stored=keep(dump_lines(blobs)),
            extra=keep(encode_sizes(extra)),
            milestone=msgspec.json.decode(bundle.document("milestone.json")),
        )

    def _activate(self, genuine: Genuine, held: HeldGeneration, mark: Mark, done: ImportRecord) -> None:
        self.store.folder.write(held_key(mark.generation), dump(held))
        trust = dict(self.state.trust)
        for name, data in genuine.update.trusted_files().items():
            # roots only go up; the rest of what an older generation brings is older
            if not self.older or name.endswith(".root.json"):
                trust[name] = self.store.keep(data)
        holding = tuple(sorted({*self.state.held, mark}, key=lambda held_mark: held_mark.generation))
        kept = rules.kept_after(holding, mark, self.ctx.settings.site.keep_generations)
        self.state = msgspec.structs.replace(
            self.state,
            active=mark,
            held=kept,
            trust=trust,
            root_version=genuine.update.root_version,
            floor=self.floor,
            anchor=max(self.state.anchor, genuine.anchored),
            history=rules.activated(self.state.history, done),
        )
        self.store.flip(self.state)
        self.store.prune(self.state, flipped=True)

    def _imported(self, genuine: Genuine, record: ImportRecord, time: TrustedTime, note: str) -> Imported:
        generation, base = genuine.generation, genuine.packer.base
        below = rules.rollback_target(self.state)
        return Imported(
            id=record.id,
            state=ImportState.ACTIVE if note.startswith("already") else record.state,
            site=self.state.site,
            channel=generation.channel,
            generation=generation.generation,
            root=generation.root,
            thin=base is not None,
            base=base.generation if base else None,
            previous=below.generation if below else None,
            files=generation.files,
            content_bytes=generation.content_bytes,
            bundle_bytes=self.path.stat().st_size,
            signing=generation.signing,
            anchored=format_time(genuine.anchored),
            clock=time.state,
            trusted_time=format_time(time.now),
            new_roots=tuple(genuine.update.new_roots),
            checks=tuple(genuine.checks),
            notes=(note,) if note else (),
        )

    def _quarantine(self, record: ImportRecord, problem: StellaError) -> None:
        """Keep the refused bundle and why; a missing file or a full disk must not hide the reason."""
        hasher = hashlib.sha256()
        for chunk in chunks_of(open_file(self.path)):
            hasher.update(chunk)
        case = hasher.hexdigest()[:12]
        size = self.path.stat().st_size
        copied = size <= self.ctx.settings.site.quarantine_max_mib * MIB and self._copy(
            f"quarantine/{case}/bundle.stella"
        )
        found = QuarantineCase(
            id=case,
            time=record.time,
            file=self.path.name,
            bytes=size,
            code=problem.code,
            reason=problem.reason,
            detail=problem.message,
            offending=next((str(problem.facts[fact]) for fact in REPORTED if fact in problem.facts), ""),
            fix=problem.advice,
            actor=self.ctx.actor,
            copy=copied,
        )
        self.store.folder.write(f"quarantine/{case}/case.json", dump(found))
        refused = msgspec.structs.replace(
            rules.moved(record, ImportEvent.REJECT, record.time),
            reason=problem.reason,
            code=problem.code,
            detail=problem.message,
            fix=problem.advice,
            case=case,
        )
        self._note(refused)

    def _copy(self, key: str) -> bool:
        if self.store.folder.exists(key):
            return True
        try:
            with self.store.folder.writing() as spool:
                spool.place(key)
                for chunk in chunks_of(open_file(self.path)):
                    spool.write(chunk)
        except StellaError:
            return False
        return True


def keep_indexed(ctx: Context, store: SiteFolder) -> tuple[str, ...]:
    """Keep the index current where there is one; a note when that failed, since the site itself stands as it should."""
    if ctx.database is no_database:
        return ()
    from stella.site import index  # noqa: PLC0415  # the driver costs more than all else that a start needs

    return index.keep_current(ctx, store)


def import_bundle(ctx: Context, want: ImportBundle) -> Imported:
    """Import a bundle into a site; raises what is wrong with it, after quarantining it."""
    store = open_site(ctx, want.dir)
    try:
        with store.folder.lock():
            done = Import(ctx, store, want).run()
    except StellaError:
        keep_indexed(ctx, store)  # a refusal is an event too
        raise
    return msgspec.structs.replace(done, notes=done.notes + keep_indexed(ctx, store))
