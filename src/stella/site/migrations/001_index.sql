-- What sites did, as an index that is made from their folders. A folder keeps its latest history; here nothing is dropped.

CREATE TABLE sites (
    tenant_id text NOT NULL,
    site_id text NOT NULL,
    site text NOT NULL,
    channel text NOT NULL,
    channel_id text NOT NULL,
    location text NOT NULL,
    active integer,
    root text,
    indexed timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, site_id)
);
CREATE INDEX sites_site ON sites (tenant_id, site, site_id);
CREATE INDEX sites_channel ON sites (tenant_id, channel_id, active);

-- Custody: each state that a bundle reached at a site, and who brought it there. Events are numbered by time: a counter
-- that tenants share would tell each how much the others do.
CREATE TABLE events (
    tenant_id text NOT NULL,
    event uuid NOT NULL DEFAULT uuidv7(),
    site_id text NOT NULL,
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
    PRIMARY KEY (tenant_id, event),
    UNIQUE (tenant_id, site_id, bundle, state, at),
    FOREIGN KEY (tenant_id, site_id) REFERENCES sites ON DELETE CASCADE
);
CREATE INDEX events_site ON events (tenant_id, site_id, event DESC);

SELECT tenancy.protect('site.sites');
SELECT tenancy.protect('site.events');
