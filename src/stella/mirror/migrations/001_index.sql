-- What channels hold, as an index that can be made again from their folders at any time.

CREATE TABLE channels (
    tenant_id text NOT NULL,
    channel_id text NOT NULL,
    channel text NOT NULL,
    location text NOT NULL,
    created timestamptz NOT NULL,
    indexed timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, channel_id)
);
CREATE INDEX channels_channel ON channels (tenant_id, channel, channel_id);

CREATE TABLE generations (
    tenant_id text NOT NULL,
    channel_id text NOT NULL,
    generation integer NOT NULL CHECK (generation > 0),
    root text NOT NULL,
    created timestamptz NOT NULL,
    files integer NOT NULL,
    content_bytes bigint NOT NULL,
    PRIMARY KEY (tenant_id, channel_id, generation),
    FOREIGN KEY (tenant_id, channel_id) REFERENCES channels ON DELETE CASCADE
);

-- One row for as long as a path has the same content: an unchanged file costs nothing in later generations.
CREATE TABLE entries (
    tenant_id text NOT NULL,
    channel_id text NOT NULL,
    path text NOT NULL,
    since integer NOT NULL,
    until integer,
    category text NOT NULL,
    digest text NOT NULL,
    size bigint NOT NULL,
    media_type text NOT NULL,
    PRIMARY KEY (tenant_id, channel_id, path, since),
    FOREIGN KEY (tenant_id, channel_id) REFERENCES channels ON DELETE CASCADE,
    CHECK (until >= since)
);
CREATE INDEX entries_digest ON entries (tenant_id, digest, channel_id);
CREATE INDEX entries_since ON entries (tenant_id, channel_id, since);

-- What a content names depends on the content alone, so it is read once, whatever carries it. Each tenant reads for
-- itself: that a document was read before would tell that another tenant has it.
CREATE TABLE documents (
    tenant_id text NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);

CREATE TABLE names (
    tenant_id text NOT NULL,
    digest text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('advisory', 'package')),
    term text NOT NULL,
    label text NOT NULL,
    purl text NOT NULL,
    PRIMARY KEY (tenant_id, digest, kind, term, label, purl),
    FOREIGN KEY (tenant_id, digest) REFERENCES documents ON DELETE CASCADE
);
CREATE INDEX names_term ON names (tenant_id, term, kind);

-- The entries of a generation while it is entered; empty between transactions, so that nothing is lost with it.
CREATE UNLOGGED TABLE staged (
    tenant_id text NOT NULL,
    channel_id text NOT NULL,
    path text NOT NULL,
    category text NOT NULL,
    digest text NOT NULL,
    size bigint NOT NULL,
    media_type text NOT NULL,
    PRIMARY KEY (tenant_id, channel_id, path)
);

SELECT tenancy.protect('mirror.channels');
SELECT tenancy.protect('mirror.generations');
SELECT tenancy.protect('mirror.entries');
SELECT tenancy.protect('mirror.documents');
SELECT tenancy.protect('mirror.names');
SELECT tenancy.protect('mirror.staged');
