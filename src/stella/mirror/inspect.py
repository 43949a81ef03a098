"""Looks into bundles: verifies them from the first byte to the last, or shows what they say."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from stella.bundle.contents import Contents
from stella.bundle.errors import BaseMissing, DevelopmentKey
from stella.bundle.model import Blob, Mark, Tally
from stella.bundle.reader import BundleFile
from stella.bundle.receive import Receiver, check_blobs
from stella.bundle.unverified import Claims, read_claims
from stella.bundle.verify import Genuine, Trust, judge_time, trust_folder, verify_documents
from stella.kernel.instant import TrustedTime, format_time, judge, parse_duration, raise_floor
from stella.mirror.model import BundleShown, BundleVerified, Check, FileRow, ShowBundle, VerifyBundle
from stella.mirror.report import bundle_page
from stella.operations import Context
from stella.runtime.files import DiskFolder
from stella.runtime.reports import read_reports, write_reports
from stella.runtime.scratch import scratch
from stella.signing import tuf_client

REPORTS = ("html",)


def _judged(ctx: Context, genuine: Genuine) -> TrustedTime:
    reading = ctx.clock.read()
    floor = raise_floor(None, reading, [genuine.anchored])
    time = judge(floor, reading, parse_duration(ctx.settings.clock.max_gap))
    judge_time(genuine, time)
    return time


@contextlib.contextmanager
def _base(ctx: Context, path: str | None, trust: Trust, wanted: Mark | None) -> Iterator[Contents | None]:
    """Verified content of the base bundle, unpacked to a folder that goes away with the block."""
    if path is None or wanted is None:
        yield None
        return
    with BundleFile.open(Path(path)) as bundle, scratch("base") as place:
        root_only = Trust(trust.channel, trust.channel_id, tuf_client.Trusted(root=trust.tuf.root))
        genuine = verify_documents(bundle, root_only)
        mark = Mark(genuine.generation.generation, genuine.generation.root)
        if mark != wanted or genuine.packer.base is not None:
            kind = "a thin bundle" if genuine.packer.base is not None else f"generation {mark.generation}"
            raise BaseMissing(generation=wanted.generation, held=f"`--base` is {kind}")
        folder = DiskFolder(Path(place))
        check_blobs(bundle, genuine.blobs, genuine.sizes, frozenset())
        kept = Receiver(bundle, genuine.sizes, folder, None).run(genuine.blobs, ctx.progress)
        yield Contents(folder, kept, genuine.sizes)


def verify(ctx: Context, want: VerifyBundle) -> BundleVerified:
    """Check everything that can be checked without the base of a thin bundle, and with `base` the deltas too."""
    with BundleFile.open(Path(want.bundle)) as bundle:
        trust = trust_folder(ctx.folder(want.trust))
        genuine = verify_documents(bundle, trust)
        time = _judged(ctx, genuine)
        generation, packer = genuine.generation, genuine.packer
        if ctx.settings.mirror.require_prod_signing and generation.signing != "production":
            raise DevelopmentKey
        sizes = genuine.sizes
        delivered = {digest for blob in genuine.blobs for digest in blob.holds}
        with _base(ctx, want.base, trust, packer.base) as base:
            assumed = sizes.keys() - delivered if packer.base is not None else frozenset[str]()
            in_base = frozenset(digest for digest in assumed if base is None or digest in base)
            check_blobs(bundle, genuine.blobs, sizes, in_base)
            Receiver(bundle, sizes, None, base).run(genuine.blobs, ctx.progress)
        patched = sum(blob.enc == "hdiff" for blob in genuine.blobs)
        checked = len(delivered) - (patched if base is None else 0)
        rest = f"; {patched} deltas by their digest" if patched and base is None else ""
        genuine.checks.append(("contents", f"{checked} contents, each with its signed digest{rest}"))
    return BundleVerified(
        bundle=want.bundle,
        verdict="verified",
        channel=generation.channel,
        generation=generation.generation,
        root=generation.root,
        thin=packer.base is not None,
        base=packer.base.generation if packer.base else None,
        created=generation.created,
        anchored=format_time(genuine.anchored),
        signing=generation.signing,
        keyids=genuine.keyids,
        files=generation.files,
        content_bytes=generation.content_bytes,
        contents_checked=checked,
        contents_in_base=len(sizes) - len(delivered),
        clock=time.state,
        checks=tuple(Check(name, detail) for name, detail in genuine.checks),
    )


def show(ctx: Context, want: ShowBundle) -> BundleShown:
    """What a bundle says; with `trust` it is verified as well."""
    reports = read_reports(want.report, REPORTS)
    with BundleFile.open(Path(want.bundle)) as bundle:
        claims = read_claims(bundle)
    checks: tuple[Check, ...] = ()
    if want.trust is not None:
        checks = verify(ctx, VerifyBundle(bundle=want.bundle, trust=want.trust)).checks
    generation = claims.generation
    shown = BundleShown(
        bundle=want.bundle,
        verdict="verified" if checks else "not verified",
        channel=generation.channel,
        channel_id=generation.channel_id,
        generation=generation.generation,
        root=generation.root,
        thin=claims.base is not None,
        base=claims.base.generation if claims.base else None,
        created=generation.created,
        valid_for_s=generation.valid_for_s,
        signing=generation.signing,
        producer=generation.producer,
        tool_versions=generation.tool_versions,
        files=generation.files,
        content_bytes=generation.content_bytes,
        bundle_bytes=Path(want.bundle).stat().st_size,
        categories=generation.categories,
        stored=_stored(claims.blobs),
        entries=tuple(_rows(claims)) if want.files or reports else (),
        reports=tuple(path for _, path in reports),
    )
    write_reports(reports, dict.fromkeys(REPORTS, lambda bundle: bundle_page(bundle, checks)), shown)
    return shown if want.files else msgspec.structs.replace(shown, entries=())


def _form(blob: Blob) -> str:
    return "pack" if len(blob.holds) > 1 else blob.enc


def _stored(blobs: list[Blob]) -> dict[str, Tally]:
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for blob in blobs:
        files[_form(blob)] += len(blob.holds)
        sizes[_form(blob)] += blob.size
    return {name: Tally(files=files[name], bytes=sizes[name]) for name in sorted(files)}


def _rows(claims: Claims) -> Iterator[FileRow]:
    forms = {digest: _form(blob) for blob in claims.blobs for digest in blob.holds}
    for entry in claims.entries:
        stored = forms.get(entry.digest, "base")
        yield FileRow(entry.path, entry.category, entry.size, entry.digest, entry.media_type, stored)
