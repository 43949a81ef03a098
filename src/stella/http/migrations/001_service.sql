-- Jobs, their events, idempotency records and uploads of the HTTP service. An id is a UUIDv7, so that it orders the jobs
-- of a tenant; a number that tenants share would tell each of them how busy the others are.

CREATE TABLE service.jobs (
    tenant_id   text NOT NULL,
    id          uuid NOT NULL,
    operation   text NOT NULL,
    request     bytea NOT NULL,
    folder      text NOT NULL,
    principal   text NOT NULL,
    trace       text NOT NULL,
    key         text,
    digest      text NOT NULL,
    state       text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    attempt     integer NOT NULL DEFAULT 0,
    cancelling  boolean NOT NULL DEFAULT false,
    created     bigint NOT NULL,
    started     bigint,
    finished    bigint,
    status      integer,
    outcome     bytea,
    events      bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON COLUMN service.jobs.created IS 'Times are seconds since 1970, as the clock of the service says.';
CREATE UNIQUE INDEX jobs_key ON service.jobs (tenant_id, principal, operation, key) WHERE key IS NOT NULL;
CREATE INDEX jobs_waiting ON service.jobs (tenant_id, id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_ended ON service.jobs (tenant_id, finished) WHERE finished IS NOT NULL;

CREATE TABLE service.events (
    tenant_id  text NOT NULL,
    job        uuid NOT NULL,
    number     bigint NOT NULL,
    at         bigint NOT NULL,
    kind       text NOT NULL,
    data       bytea NOT NULL,
    PRIMARY KEY (tenant_id, job, number),
    FOREIGN KEY (tenant_id, job) REFERENCES service.jobs (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE service.answers (
    tenant_id  text NOT NULL,
    principal  text NOT NULL,
    operation  text NOT NULL,
    key        text NOT NULL,
    digest     text NOT NULL,
    state      text NOT NULL CHECK (state IN ('running', 'interrupted', 'answered')),
    status     integer,
    location   text NOT NULL DEFAULT '',
    body       bytea NOT NULL DEFAULT '',
    changed    bigint NOT NULL,
    PRIMARY KEY (tenant_id, principal, operation, key)
);
CREATE INDEX answers_changed ON service.answers (tenant_id, changed);

CREATE TABLE service.uploads (
    tenant_id  text NOT NULL,
    id         uuid NOT NULL,
    name       text NOT NULL,
    size       bigint NOT NULL CHECK (size >= 0),
    sha256     text NOT NULL,
    unpack     boolean NOT NULL,
    state      text NOT NULL CHECK (state IN ('open', 'complete', 'refused')),
    "offset"   bigint NOT NULL DEFAULT 0 CHECK ("offset" BETWEEN 0 AND size),
    principal  text NOT NULL,
    changed    bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX uploads_open ON service.uploads (tenant_id, changed) WHERE state = 'open';

SELECT tenancy.protect('service.jobs');
SELECT tenancy.protect('service.events');
SELECT tenancy.protect('service.answers');
SELECT tenancy.protect('service.uploads');

-- The runner takes, moves and forgets the jobs of all tenants, and tells of them. It queues none and reads no event; what
-- becomes of an upload is done on behalf of its tenant.
SELECT tenancy.duty('stella_jobs', 'service.jobs', 'select, update, delete');
SELECT tenancy.duty('stella_jobs', 'service.events', 'insert');
SELECT tenancy.duty('stella_jobs', 'service.answers', 'select, update, delete');
SELECT tenancy.duty('stella_jobs', 'service.uploads', 'select');
