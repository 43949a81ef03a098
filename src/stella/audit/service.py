"""Reading, exporting and verifying the log of a tenant."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

from stella.audit import export
from stella.audit.errors import BadFilter, BadLogKey
from stella.audit.model import (
    EventShown,
    EventsShown,
    ExportLog,
    ListEvents,
    LogExported,
    LogVerified,
    Record,
    VerifyLog,
)
from stella.audit.personal import TenantKey, Vault, read_key, reveal
from stella.audit.ports import Transaction
from stella.audit.rules import LAST_ID, first_id, is_id, record_of
from stella.audit.verify import verify as verify_stream
from stella.audit.write import PACKAGE, live_keys
from stella.kernel.cursor import make_cursor, read_cursor
from stella.kernel.errors import BadCursor
from stella.kernel.instant import parse_time
from stella.operations import Context
from stella.runtime.errors import SecretMissing
from stella.runtime.files import PIECE, open_file, reading, replacing
from stella.signing.errors import MalformedPublicKey
from stella.signing.keys import PublicKey

PERSONAL, SENSITIVE = "audit:personal", "audit:sensitive"  # scopes that show such texts


def list_events(ctx: Context, want: ListEvents) -> EventsShown:
    """Events of the tenant, newest first."""
    query = ("audit.list", ctx.principal.tenant, want.action, want.actor, want.outcome, want.since, want.until)
    since = first_id(parse_time(want.since)) if want.since else first_id(0)
    until = first_id(parse_time(want.until)) if want.until else LAST_ID
    before = min(until, _behind(want.cursor, query)) if want.cursor else until
    _check_filters(want)
    with ctx.tenant() as t:
        keys = _keys(ctx, t)
        found = t.all(
            PACKAGE,
            "list_events",
            since=since,
            before=before,
            action=want.action,
            actors=[want.actor, *(key.mark(want.actor) for key in (keys or {}).values())] if want.actor else None,
            outcome=want.outcome,
            limit=want.limit + 1,
        )
    shown = found[: want.limit]
    return EventsShown(
        tenant=ctx.principal.tenant,
        rows=tuple(_shown(ctx, record_of(ctx.principal.tenant, row[0], row[1]), row[2], keys) for row in shown),
        next=make_cursor(query, (shown[-1][0],)) if len(found) > want.limit else None,
    )


def _behind(cursor: str, query: tuple[object, ...]) -> str:
    """The id that a cursor names; raises BadCursor."""
    (event,) = read_cursor(cursor, query, tuple[str])
    if not is_id(event):
        raise BadCursor(problem="it was cut short or altered")
    return event


def _check_filters(want: ListEvents) -> None:
    """Raise BadFilter for a text that no event can hold, and that PostgreSQL would not even take."""
    for name in ("action", "actor"):
        text = getattr(want, name) or ""
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
            raise BadFilter(name=name)


def _keys(ctx: Context, t: Transaction) -> dict[int, TenantKey] | None:
    """The keys of the tenant; None where the installation's key is not at hand."""
    try:
        wrap_key = read_key(ctx.secret(ctx.settings.audit.wrap_key), "audit.wrap_key")
    except SecretMissing:
        return None
    return live_keys(t, ctx.principal.tenant, Vault(wrap_key, ctx.entropy))


def _shown(ctx: Context, record: Record, seq: int | None, keys: Mapping[int, TenantKey] | None) -> EventShown:
    kinds = {"personal": PERSONAL, "sensitive": SENSITIVE} if keys is not None else {}
    allowed = frozenset(kind for kind, scope in kinds.items() if ctx.principal.may(scope))
    opened = reveal(record, (keys or {}).get, kinds=allowed)
    return EventShown(sequence=seq, **{name: getattr(opened, name) for name in EventShown.__struct_fields__[1:]})


def export_log(ctx: Context, want: ExportLog) -> LogExported:
    """Write the sealed log of the tenant to a file."""
    tenant = ctx.principal.tenant
    now = export.standing(ctx.tenant, tenant)
    ctx.progress.start("export", now.size, "events")
    digest, size = hashlib.sha256(), 0
    with replacing(Path(want.out)) as file:
        for line in export.lines(ctx.tenant, tenant, now, ctx.progress.advance):
            data = line + b"\n"
            file.write(data)
            digest.update(data)
            size += len(data)
    return LogExported(
        out=want.out,
        tenant=tenant,
        events=now.size,
        bytes=size,
        sha256=digest.hexdigest(),
        head=now.head,
        keys=now.signers,
    )


def _key(text: str) -> PublicKey:
    """The public key that somebody typed; raises BadLogKey, which is no verdict about a file."""
    try:
        return PublicKey.from_base64(text)
    except MalformedPublicKey as error:
        raise BadLogKey(problem=error.facts["problem"]) from None


def verify_log(_: Context, want: VerifyLog) -> LogVerified:
    """Verify an exported log with nothing but the keys that were given."""
    keys = [_key(text) for text in want.key]
    path = Path(want.file)
    with open_file(path) as raw, reading(path), io.BufferedReader(raw, PIECE) as stream:  # type: ignore[type-var]  # unbuffered
        found = verify_stream(stream, want.file, keys, want.at_least)
    return LogVerified(
        file=want.file,
        verdict="verified",
        tenant=found.tenant,
        events=found.events,
        checkpoints=found.checkpoints,
        signed=found.time,
        head=found.head,
        root=found.root,
        keys=found.keys,
    )
