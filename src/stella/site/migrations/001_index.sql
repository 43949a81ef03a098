-- What sites did, as an index that is made from their folders. A folder keeps its latest history; here nothing is dropped.

CREATE TABLE sites (
    site_id text PRIMARY KEY,
    site text NOT NULL,
    channel text NOT NULL,
    channel_id text NOT NULL,
    location text NOT NULL,
    active integer,
    root text,
    indexed timestamptz NOT NULL
);
CREATE INDEX sites_site ON sites (site, site_id);
CREATE INDEX sites_channel ON sites (channel_id, active);

-- Custody: each state that a bundle reached at a site, and who brought it there.
CREATE TABLE events (
    event bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id text NOT NULL REFERENCES sites ON DELETE CASCADE,
    bundle text NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    approver text NOT NULL,
    generation integer,
    root text,
    reason text NOT NULL,
    code text NOT NULL,
    detail text NOT NULL,
    why text NOT NULL,
    UNIQUE (site_id, bundle, state, at)
);
CREATE INDEX events_site ON events (site_id, event DESC);
