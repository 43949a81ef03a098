"""Questions to the index of channels: what there is, and which generation first carried something.

Rules:
- Pages are cut by key, never by number, so that a list can grow while it is read.
- Nothing here opens a channel folder but the making of the index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from stella.kernel.cursor import make_cursor, read_cursor
from stella.kernel.instant import format_time
from stella.mirror.index import KINDS, ChannelIndex, Found, Listed
from stella.mirror.model import (
    ChannelIndexed,
    ChannelsListed,
    FoundRow,
    IndexChannel,
    IndexRow,
    IndexSearched,
    ListChannels,
    SearchIndex,
)
from stella.mirror.service import open_channel
from stella.operations import Context

DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})\Z")
LAST = 2**31 - 1  # above every generation, where a list from the newest one down begins

Row = TypeVar("Row")


def index(ctx: Context, want: IndexChannel) -> ChannelIndexed:
    """Enter what the index lacks of a channel."""
    store = open_channel(ctx, want.dir)
    with ctx.database() as connection:
        done = ChannelIndex(connection).enter(store, ctx.clock.read().wall, ctx.progress, anew=want.anew)
    channel = store.channel()
    return ChannelIndexed(
        channel=channel.channel,
        channel_id=channel.channel_id,
        dir=want.dir,
        generation=done.generation,
        entered=done.entered,
        rebuilt=done.rebuilt,
    )


def _page(
    rows: Sequence[Row], limit: int, query: Sequence[object], key: Callable[[Row], Sequence[object]]
) -> tuple[Sequence[Row], str | None]:
    """The rows of a page out of one more than that, and the cursor of the next one."""
    more = len(rows) > limit
    return rows[:limit], make_cursor(query, key(rows[limit - 1])) if more else None


def list_(ctx: Context, want: ListChannels) -> ChannelsListed:
    """Channels, or the generations of one."""
    query = ("mirror.list", want.channel)
    with ctx.database() as connection:
        found = ChannelIndex(connection)
        if want.channel is None:
            after = read_cursor(want.cursor, query, tuple[str, str]) if want.cursor else ("", "")
            rows, cursor = _page(
                found.channels(after, want.limit + 1), want.limit, query, lambda row: (row.channel, row.channel_id)
            )
        else:
            before = read_cursor(want.cursor, query, tuple[int, str]) if want.cursor else (LAST, "")
            rows, cursor = _page(
                found.generations(want.channel, before, want.limit + 1),
                want.limit,
                query,
                lambda row: (row.generation, row.channel_id),
            )
    return ChannelsListed(rows=tuple(map(_listed, rows)), next=cursor)


def _listed(row: Listed) -> IndexRow:
    return IndexRow(
        channel=row.channel,
        channel_id=row.channel_id,
        dir=row.location,
        generation=row.generation,
        root=row.root,
        created=None if row.created is None else format_time(row.created),
        files=row.files,
        content_bytes=row.content_bytes,
        indexed=format_time(row.indexed),
    )


def search(ctx: Context, want: SearchIndex) -> IndexSearched:
    """Where a content, a package or an advisory was first carried; a digest is looked for as such first."""
    query = ("mirror.search", want.what, want.kind, want.channel)
    after = read_cursor(want.cursor, query, tuple[str, str, str]) if want.cursor else ("", "", "")
    digest = DIGEST.match(want.what.lower())
    place = (want.channel or "", after, want.limit + 1)
    rows: list[Found] = []
    with ctx.database() as connection:
        found = ChannelIndex(connection)
        if digest and want.kind in {"any", "content"}:
            rows = found.contents(digest[1], *place)
        if not rows and want.kind != "content":
            rows = found.named(want.what, [kind for kind in KINDS if want.kind in {"any", kind}], *place)
    shown, cursor = _page(rows, want.limit, query, lambda row: (row.channel, row.channel_id, row.label))
    return IndexSearched(what=want.what, rows=tuple(map(_found, shown)), next=cursor)


def _found(row: Found) -> FoundRow:
    return FoundRow(
        channel=row.channel,
        channel_id=row.channel_id,
        kind=row.kind,
        name=row.label,
        first=row.since,
        last=row.until,
        path=row.path,
        places=row.places,
    )
