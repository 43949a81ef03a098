-- Jobs, their events, idempotency records and uploads of the HTTP service.

CREATE TABLE service.jobs (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid NOT NULL UNIQUE,
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
    events      bigint NOT NULL DEFAULT 1
);
COMMENT ON COLUMN service.jobs.created IS 'Times are seconds since 1970, as the clock of the service says.';
CREATE UNIQUE INDEX jobs_key ON service.jobs (principal, operation, key) WHERE key IS NOT NULL;
CREATE INDEX jobs_waiting ON service.jobs (number) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_ended ON service.jobs (finished) WHERE finished IS NOT NULL;

CREATE TABLE service.events (
    job     uuid NOT NULL REFERENCES service.jobs (id) ON DELETE CASCADE,
    number  bigint NOT NULL,
    at      bigint NOT NULL,
    kind    text NOT NULL,
    data    bytea NOT NULL,
    PRIMARY KEY (job, number)
);

CREATE TABLE service.answers (
    principal  text NOT NULL,
    operation  text NOT NULL,
    key        text NOT NULL,
    digest     text NOT NULL,
    state      text NOT NULL CHECK (state IN ('running', 'interrupted', 'answered')),
    status     integer,
    location   text NOT NULL DEFAULT '',
    body       bytea NOT NULL DEFAULT '',
    changed    bigint NOT NULL,
    PRIMARY KEY (principal, operation, key)
);
CREATE INDEX answers_changed ON service.answers (changed);

CREATE TABLE service.uploads (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    size       bigint NOT NULL CHECK (size >= 0),
    sha256     text NOT NULL,
    unpack     boolean NOT NULL,
    state      text NOT NULL CHECK (state IN ('open', 'complete', 'refused')),
    "offset"   bigint NOT NULL DEFAULT 0 CHECK ("offset" BETWEEN 0 AND size),
    principal  text NOT NULL,
    changed    bigint NOT NULL
);
CREATE INDEX uploads_open ON service.uploads (changed) WHERE state = 'open';
