"""Use cases of a site besides the import: lay it, look at it, roll back, read files, quarantine, receipts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from stella.bundle.contents import Contents
from stella.bundle.limits import MAX_DOCUMENT
from stella.bundle.model import RECEIPT_TYPE, Entry, Mark, Receipt, TrustFolder
from stella.kernel import dsse
from stella.kernel.canonical import dump, parse
from stella.kernel.digest import sha256
from stella.kernel.instant import Instant, format_time, judge, parse_duration, parse_time, raise_floor
from stella.operations import Context
from stella.runtime.files import make_directory, replacing
from stella.runtime.places import below
from stella.signing import tuf_client
from stella.signing.keys import PrivateKey
from stella.site import rules
from stella.site.errors import (
    NoActiveGeneration,
    NothingToRollBack,
    NotInQuarantine,
    PathNotHeld,
    SiteExists,
)
from stella.site.folder import KEY_FILE, SiteFolder
from stella.site.model import (
    IMPORT,
    CaseReleased,
    CategoryAge,
    HeldFile,
    HeldGeneration,
    HeldRow,
    HeldShown,
    ImportEvent,
    ImportRecord,
    ImportState,
    InitSite,
    MakeReceipt,
    OfSite,
    QuarantineCase,
    QuarantineShown,
    ReceiptMade,
    ReleaseCase,
    RollBack,
    RolledBack,
    SeeQuarantine,
    ShowHeld,
    SiteLaid,
    SiteListed,
    SiteShown,
    SiteState,
)
from stella.site.service import keep_indexed, open_site

MAX_DECISIONS = 20  # latest lines of the history that a receipt reports


def init(ctx: Context, want: InitSite) -> SiteLaid:
    """Lay a site that trusts a channel; raises SiteExists."""
    given = ctx.folder(want.trust)
    trust = parse(given.read("channel.json", MAX_DOCUMENT), TrustFolder, "channel.json")
    root = given.read("root.json", MAX_DOCUMENT)
    version = tuf_client.check_root(root)
    passphrase = ctx.secret(ctx.settings.keys.passphrase)
    store = SiteFolder(ctx.folder(want.dir, make=True), want.dir)
    with store.folder.lock():
        if store.folder.exists("state.json"):
            raise SiteExists(path=want.dir, site=store.state().site)
        key = PrivateKey.generate(ctx.entropy)
        store.folder.write(KEY_FILE, key.to_pem(passphrase), private=True)
        store.folder.write("site.pub", key.public.to_pem())
        reading = ctx.clock.read()
        state = SiteState(
            site=want.name,
            site_id=key.keyid[:16],
            channel=trust.channel,
            channel_id=trust.channel_id,
            active=None,
            held=(),
            trust={f"{version}.root.json": store.keep(root)},
            root_version=version,
            floor=raise_floor(None, reading),
            anchor=0,
            history=(),
        )
        store.flip(state)
    return SiteLaid(
        site=want.name,
        site_id=state.site_id,
        dir=want.dir,
        channel=trust.channel,
        channel_id=trust.channel_id,
        root_sha256=sha256(root),
        public_key=key.public.to_base64(),
    )


def _active(state: SiteState, path: str) -> Mark:
    if state.active is None:
        raise NoActiveGeneration(path=path)
    return state.active


def status(ctx: Context, want: OfSite) -> SiteShown:
    """What the site runs, how old it is, and what time it is there."""
    store = open_site(ctx, want.dir)
    state = store.state()
    reading = ctx.clock.read()
    floor = raise_floor(state.floor, reading)
    time = judge(floor, reading, parse_duration(ctx.settings.clock.max_gap))
    held = store.held(state, state.active.generation) if state.active else None
    below = rules.rollback_target(state)
    return SiteShown(
        site=state.site,
        site_id=state.site_id,
        dir=want.dir,
        channel=state.channel,
        active=state.active.generation if state.active else None,
        root=state.active.root if state.active else None,
        previous=below.generation if below else None,
        created=held.created if held else None,
        files=held.files if held else 0,
        content_bytes=held.content_bytes if held else 0,
        clock=time.state,
        local_time=format_time(time.local),
        trusted_time=format_time(time.now),
        floor=format_time(floor.at),
        root_version=state.root_version,
        budgets=_budgets(ctx, held, time.now),
        quarantined=len(store.cases()),
        last=state.history[-1] if state.history else None,
        store_bytes=store.folder.usage("store/"),
    )


def _budgets(ctx: Context, held: HeldGeneration | None, now: Instant) -> dict[str, CategoryAge]:
    if held is None:
        return {}
    budget = ctx.settings.budget
    age = max(now - parse_time(held.created), 0)
    verdict = rules.age_verdict(age, parse_duration(budget.warn), parse_duration(budget.breach))
    return dict.fromkeys(held.categories, verdict)


def _standing(state: SiteState, generation: int) -> str:
    if state.active and state.active.generation == generation:
        return "active"
    below = rules.rollback_target(state)
    return "previous" if below and below.generation == generation else "kept"


def listing(ctx: Context, want: OfSite) -> SiteListed:
    """Generations held, and the history, both newest first."""
    store = open_site(ctx, want.dir)
    state = store.state()
    rows = []
    for mark in reversed(state.held):
        held = store.held(state, mark.generation)
        rows.append(
            HeldRow(
                held.generation,
                held.root,
                _standing(state, held.generation),  # type: ignore[arg-type]  # one of the three words
                held.created,
                held.files,
                held.content_bytes,
                held.signing,
            )
        )
    return SiteListed(site=state.site, generations=tuple(rows), history=tuple(reversed(state.history)))


def show(ctx: Context, want: ShowHeld) -> HeldShown:
    """A held generation; with `out` its files are written."""
    store = open_site(ctx, want.dir)
    state = store.state()
    number = want.generation or _active(state, want.dir).generation
    held = store.held(state, number)
    entries: Sequence[Entry] = ()
    if want.files or want.out or want.path:
        entries = _below(store.entries(held), want.path, number)
    written = _write_files(ctx, store, held, entries, Path(want.out)) if want.out else 0
    return HeldShown(
        site=state.site,
        generation=number,
        root=held.root,
        state=_standing(state, number),  # type: ignore[arg-type]  # one of the three words
        created=held.created,
        anchored=held.anchored,
        signing=held.signing,
        files=held.files,
        content_bytes=held.content_bytes,
        categories=held.categories,
        milestone=held.milestone,
        entries=tuple(HeldFile(entry.path, entry.size, entry.digest, entry.media_type) for entry in entries)
        if want.files or not want.out
        else (),
        written=written,
    )


def _below(entries: Sequence[Entry], path: str | None, generation: int) -> Sequence[Entry]:
    if path is None:
        return entries
    wanted = path.rstrip("/")
    found = [entry for entry in entries if entry.path == wanted or entry.path.startswith(f"{wanted}/")]
    if not found:
        raise PathNotHeld(generation=generation, path=path)
    return found


def _write_files(ctx: Context, store: SiteFolder, held: HeldGeneration, entries: Sequence[Entry], out: Path) -> int:
    contents: Contents = store.contents(held)
    ctx.progress.start("write files", sum(entry.size for entry in entries), "bytes")
    for entry in entries:
        target = out / entry.path
        make_directory(target.parent)
        with replacing(target) as file:
            for chunk in contents.stream(entry.digest):
                file.write(chunk)
        ctx.progress.advance(entry.size)
    return len(entries)


def rollback(ctx: Context, want: RollBack) -> RolledBack:
    """Run an earlier generation that is still held; nothing is copied, one pointer is flipped."""
    store = open_site(ctx, want.dir)
    with store.folder.lock():
        state = store.state()
        was = _active(state, want.dir)
        target = rules.rollback_target(state)
        if want.to is not None:
            held = store.held(state, want.to)
            target = Mark(held.generation, held.root)
        if target is None:
            raise NothingToRollBack(active=was.generation, path=want.dir)
        reading = ctx.clock.read()
        now = format_time(reading.wall)
        record = ImportRecord(
            id=f"roll-{was.generation}-{target.generation}",
            state=IMPORT.move(ImportState.SUPERSEDED, ImportEvent.ACTIVATE),
            time=now,
            actor=ctx.actor,
            generation=target.generation,
            root=target.root,
            why=want.reason,
            detail=f"rolled from generation {was.generation} to {target.generation}",
        )
        store.flip(
            msgspec.structs.replace(
                state,
                active=target,
                floor=raise_floor(state.floor, reading),
                history=rules.activated(state.history, record),
            )
        )
    notes = keep_indexed(ctx, store)
    return RolledBack(site=state.site, active=target.generation, root=target.root, was=was.generation, notes=notes)


def quarantine(ctx: Context, want: SeeQuarantine) -> QuarantineShown:
    """Refused bundles and why."""
    store = open_site(ctx, want.dir)
    cases = _cases(store, want.id or "")
    if want.id is not None and not cases:
        raise NotInQuarantine(id=want.id, path=store.shown)
    return QuarantineShown(site=store.state().site, cases=tuple(cases))


def release(ctx: Context, want: ReleaseCase) -> CaseReleased:
    """Let go of one refused bundle; raises NotInQuarantine, also when an id begins several."""
    store = open_site(ctx, want.dir)
    store.state()
    with store.folder.lock():
        state, cases = store.state(), _cases(store, want.id)
        if len(cases) != 1:
            raise NotInQuarantine(id=want.id, path=store.shown)
        (case,) = cases
        record = ImportRecord(
            id=f"release-{case.id}",
            state=ImportState.QUARANTINED,
            time=format_time(ctx.clock.read().wall),
            actor=ctx.actor,
            why=want.reason,
            detail=f"let go of {case.file}, {want.ticket}",
            case=case.id,
        )
        store.flip(msgspec.structs.replace(state, history=rules.with_record(state.history, record)))
        for name in ("bundle.stella", "case.json"):
            store.folder.remove(f"quarantine/{case.id}/{name}")
    return CaseReleased(site=state.site, case=case, notes=keep_indexed(ctx, store))


def _cases(store: SiteFolder, begin: str) -> list[QuarantineCase]:
    """The cases whose ids begin so."""
    return [case for case in store.cases() if case.id.startswith(begin)]


def receipt(ctx: Context, want: MakeReceipt) -> ReceiptMade:
    """Sign what the site holds; the file goes back to the connected side."""
    store = open_site(ctx, want.dir)
    state = store.state()
    active = _active(state, want.dir)
    passphrase = ctx.secret(ctx.settings.keys.passphrase)
    key = PrivateKey.from_pem(store.folder.read(KEY_FILE, MAX_DOCUMENT), passphrase, below(want.dir, KEY_FILE))
    reading = ctx.clock.read()
    time = judge(raise_floor(state.floor, reading), reading, parse_duration(ctx.settings.clock.max_gap))
    statement = Receipt(
        site=state.site,
        site_id=state.site_id,
        public_key=key.public.to_base64(),
        channel=state.channel,
        channel_id=state.channel_id,
        active=active,
        held=state.held,
        time=format_time(time.now),
        clock=time.state,
        decisions=tuple(_decision(record) for record in state.history[-MAX_DECISIONS:]),
    )
    envelope = dsse.sign(RECEIPT_TYPE, dump(statement), [key])
    with replacing(Path(want.out)) as file:
        file.write(envelope)
    return ReceiptMade(
        site=state.site,
        receipt=want.out,
        sha256=sha256(envelope),
        generation=active.generation,
        root=active.root,
        time=statement.time,
    )


def _decision(record: ImportRecord) -> dict[str, str]:
    plain = msgspec.to_builtins(record)
    return {name: str(value) for name, value in plain.items() if value not in (None, "")}
