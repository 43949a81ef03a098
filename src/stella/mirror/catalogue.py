"""Questions to the index of channels: what there is, and which generation first carried something.

Rules:
- Pages are cut by key, never by number, so that a list can grow while it is read.
- Nothing here opens a channel folder but the making of the index.
"""

from __future__ import annotations

import re

from stella.bundle.cutting import open_channel
from stella.kernel.cursor import cut_page, read_cursor
from stella.mirror.index import KINDS, ChannelIndex
from stella.mirror.model import (
    ChannelIndexed,
    ChannelsListed,
    FoundRow,
    IndexChannel,
    IndexSearched,
    ListChannels,
    SearchIndex,
)
from stella.operations import Context

DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})\Z")
LAST = 2**31 - 1  # above every generation, where a list from the newest one down begins


def index(ctx: Context, want: IndexChannel) -> ChannelIndexed:
    """Enter what the index lacks of a channel."""
    store = open_channel(ctx, want.dir)
    with ctx.tenant() as transaction:
        done = ChannelIndex(transaction).enter(store, ctx.clock.read().wall, ctx.progress, anew=want.anew)
    channel = store.channel()
    return ChannelIndexed(
        channel=channel.channel,
        channel_id=channel.channel_id,
        dir=want.dir,
        generation=done.generation,
        entered=done.entered,
        rebuilt=done.rebuilt,
    )


def list_(ctx: Context, want: ListChannels) -> ChannelsListed:
    """Channels, or the generations of one."""
    query = ("mirror.list", want.channel)
    with ctx.tenant() as transaction:
        found = ChannelIndex(transaction)
        if want.channel is None:
            after = read_cursor(want.cursor, query, tuple[str, str]) if want.cursor else ("", "")
            rows, cursor = cut_page(
                found.channels(after, want.limit + 1), want.limit, query, lambda row: (row.channel, row.channel_id)
            )
        else:
            before = read_cursor(want.cursor, query, tuple[int, str]) if want.cursor else (LAST, "")
            rows, cursor = cut_page(
                found.generations(want.channel, before, want.limit + 1),
                want.limit,
                query,
                lambda row: (row.generation, row.channel_id),
            )
    return ChannelsListed(rows=tuple(rows), next=cursor)


def search(ctx: Context, want: SearchIndex) -> IndexSearched:
    """Where a content, a package or an advisory was first carried; a digest is looked for as such first."""
    query = ("mirror.search", want.what, want.kind, want.channel)
    after = read_cursor(want.cursor, query, tuple[str, str, str, str]) if want.cursor else ("", "", "", "")
    digest = DIGEST.match(want.what.strip().lower())
    where = (want.channel or "", after, want.limit + 1)
    found: list[FoundRow] = []
    with ctx.tenant() as transaction:
        index = ChannelIndex(transaction)
        if digest and want.kind in {"any", "content"}:
            found = index.contents(digest[1], *where)
        if not found and want.kind != "content":
            found = index.named(want.what, [kind for kind in KINDS if want.kind in {"any", kind}], *where)
    rows, cursor = cut_page(found, want.limit, query, lambda row: (row.channel, row.channel_id, row.name, row.kind))
    return IndexSearched(what=want.what, rows=tuple(rows), next=cursor)
