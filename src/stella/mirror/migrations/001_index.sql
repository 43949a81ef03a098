-- What channels hold, as an index that can be made again from their folders at any time.

CREATE TABLE channels (
    channel_id text PRIMARY KEY,
    channel text NOT NULL,
    location text NOT NULL,
    created timestamptz NOT NULL,
    indexed timestamptz NOT NULL
);
CREATE INDEX channels_channel ON channels (channel, channel_id);

CREATE TABLE generations (
    channel_id text NOT NULL REFERENCES channels ON DELETE CASCADE,
    generation integer NOT NULL CHECK (generation > 0),
    root text NOT NULL,
    created timestamptz NOT NULL,
    files integer NOT NULL,
    content_bytes bigint NOT NULL,
    PRIMARY KEY (channel_id, generation)
);

-- One row for as long as a path has the same content: an unchanged file costs nothing in later generations.
CREATE TABLE entries (
    channel_id text NOT NULL REFERENCES channels ON DELETE CASCADE,
    path text NOT NULL,
    since integer NOT NULL,
    until integer,
    category text NOT NULL,
    digest text NOT NULL,
    size bigint NOT NULL,
    media_type text NOT NULL,
    PRIMARY KEY (channel_id, path, since),
    CHECK (until >= since)
);
CREATE INDEX entries_digest ON entries (digest, channel_id);
CREATE INDEX entries_since ON entries (channel_id, since);

-- What a content names depends on the content alone, so it is read once, whatever carries it.
CREATE TABLE documents (
    digest text PRIMARY KEY
);

CREATE TABLE names (
    digest text NOT NULL REFERENCES documents ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('advisory', 'package')),
    term text NOT NULL,
    label text NOT NULL,
    purl text NOT NULL,
    PRIMARY KEY (digest, kind, term, label, purl)
);
CREATE INDEX names_term ON names (term, kind);

-- The entries of a generation while it is entered; empty between transactions, so that nothing is lost with it.
CREATE UNLOGGED TABLE staged (
    channel_id text NOT NULL,
    path text NOT NULL,
    category text NOT NULL,
    digest text NOT NULL,
    size bigint NOT NULL,
    media_type text NOT NULL,
    PRIMARY KEY (channel_id, path)
);
