-- The statements of the service. What is done for whoever asks is held to their tenant; the runner of jobs, the sweeps
-- and the figures span tenants and have a role of their own.

-- name: submit_job
-- Queue a job with its first event, unless too many of its tenant wait, in all or in its queue, or its key is taken; the job.
WITH waiting AS (
    SELECT count(*) AS jobs, count(*) FILTER (WHERE operation = ANY (%(lane)s::text[])) AS lane
    FROM service.jobs WHERE tenant_id = %(tenant)s AND state = 'queued'
), queued AS (
    INSERT INTO service.jobs (tenant_id, id, operation, request, folder, principal, trace, key, digest, state, created)
    SELECT %(tenant)s, %(id)s::uuid, %(operation)s, %(request)s::bytea, %(folder)s, %(principal)s, %(trace)s, %(key)s, %(digest)s,
        'queued', %(created)s
    FROM waiting WHERE jobs < %(limit)s AND lane < %(depth)s
    ON CONFLICT DO NOTHING
    RETURNING *
), told AS (
    INSERT INTO service.events (tenant_id, job, number, at, kind, data)
    SELECT %(tenant)s, id, 1, %(created)s, 'state', %(data)s::bytea FROM queued
)
SELECT tenant_id, id::text, operation, request, folder, principal, trace, key, digest, state, attempt, cancelling, created, started,
    finished, status, outcome
FROM queued;

-- name: find_job
-- A job by its id.
SELECT tenant_id, id::text, operation, request, folder, principal, trace, key, digest, state, attempt, cancelling, created, started,
    finished, status, outcome
FROM service.jobs WHERE tenant_id = %(tenant)s AND id = %(id)s;

-- name: find_job_by_key
-- The job that a principal asked for with an Idempotency-Key.
SELECT tenant_id, id::text, operation, request, folder, principal, trace, key, digest, state, attempt, cancelling, created, started,
    finished, status, outcome
FROM service.jobs
WHERE tenant_id = %(tenant)s AND principal = %(principal)s AND operation = %(operation)s AND key = %(key)s;

-- name: list_jobs
-- Jobs before an id, newest first; outcomes are left out, since they may be large.
SELECT tenant_id, id::text, operation, ''::bytea AS request, folder, principal, trace, key, digest, state, attempt, cancelling, created,
    started, finished, status, NULL::bytea AS outcome
FROM service.jobs
WHERE tenant_id = %(tenant)s
    AND (%(before)s::uuid IS NULL OR id < %(before)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(operation)s::text IS NULL OR operation = %(operation)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: withdraw_job
-- End a job that waits, with its event; its id when it did wait.
WITH moved AS (
    UPDATE service.jobs
    SET state = 'cancelled', finished = %(now)s, status = %(status)s, outcome = %(outcome)s, events = events + 1
    WHERE tenant_id = %(tenant)s AND id = %(id)s AND state = 'queued'
    RETURNING id, events
), told AS (
    INSERT INTO service.events (tenant_id, job, number, at, kind, data)
    SELECT %(tenant)s, id, events, %(now)s, 'state', %(data)s::bytea FROM moved
)
SELECT id::text FROM moved;

-- name: mark_cancelling
-- Remember that a running job is to end.
UPDATE service.jobs SET cancelling = true WHERE tenant_id = %(tenant)s AND id = %(id)s AND state = 'running';

-- name: events_after
-- The events of a job after a number.
SELECT number, at, kind, data FROM service.events
WHERE tenant_id = %(tenant)s AND job = %(id)s AND number > %(after)s ORDER BY number LIMIT %(limit)s;

-- name: waiting_jobs
-- How many jobs wait in all, counted up to a limit.
-- duty: stella_jobs
SELECT count(*) FROM (SELECT FROM service.jobs WHERE state = 'queued' LIMIT %(limit)s) AS waiting;

-- name: claim_job
-- Start the oldest waiting job of those tenants that have the fewest at work, if no other job works in its folder and
-- the tenant was not stopped, and no more of its kind may run at once.
-- duty: stella_jobs
WITH next AS (
    SELECT tenant_id, id FROM service.jobs AS waiting
    WHERE state = 'queued' AND tenant_id || '/' || folder <> ALL (%(busy)s)
        AND tenant_id || '/' || operation <> ALL (%(full)s::text[])
        AND NOT EXISTS (
            SELECT FROM identity.tenants AS whose WHERE whose.tenant_id = waiting.tenant_id AND whose.state <> 'active'
        )
    ORDER BY cardinality(array_positions(%(working)s::text[], tenant_id)), id LIMIT 1 FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE service.jobs AS job
    SET state = 'running', attempt = attempt + 1, started = %(now)s, events = events + 1
    FROM next WHERE job.tenant_id = next.tenant_id AND job.id = next.id
    RETURNING job.*
), told AS (
    INSERT INTO service.events (tenant_id, job, number, at, kind, data)
    SELECT tenant_id, id, events, %(now)s, 'state', %(data)s::bytea FROM moved
)
SELECT tenant_id, id::text, operation, request, folder, principal, trace, key, digest, state, attempt, cancelling, created, started,
    finished, status, outcome
FROM moved;

-- name: stopped_tenants
-- Those of some tenants that may not work now.
-- duty: stella_jobs
SELECT tenant_id, state FROM identity.tenants WHERE tenant_id = ANY (%(tenants)s) AND state <> 'active';

-- name: move_job
-- Move a job from one of the given states, with its event; its id when it was in one.
-- duty: stella_jobs
WITH moved AS (
    UPDATE service.jobs
    SET state = %(state)s, attempt = attempt - %(refund)s, finished = %(finished)s, status = %(status)s,
        outcome = %(outcome)s,
        events = events + 1
    WHERE tenant_id = %(tenant)s AND id = %(id)s AND state = ANY (%(sources)s)
    RETURNING tenant_id, id, events
), told AS (
    INSERT INTO service.events (tenant_id, job, number, at, kind, data)
    SELECT tenant_id, id, events, %(now)s, 'state', %(data)s::bytea FROM moved
)
SELECT id::text FROM moved;

-- name: running_jobs
-- Jobs that a service was running when it ended.
-- duty: stella_jobs
SELECT tenant_id, id::text, operation, request, folder, principal, trace, key, digest, state, attempt, cancelling, created, started,
    finished, status, outcome
FROM service.jobs WHERE state = 'running' ORDER BY id;

-- name: add_event
-- Keep an event of a running job; its number.
-- duty: stella_jobs
WITH counted AS (
    UPDATE service.jobs SET events = events + 1
    WHERE tenant_id = %(tenant)s AND id = %(id)s AND state = 'running' RETURNING tenant_id, id, events
), told AS (
    INSERT INTO service.events (tenant_id, job, number, at, kind, data)
    SELECT tenant_id, id, events, %(now)s, %(kind)s, %(data)s::bytea FROM counted
)
SELECT events FROM counted;

-- name: count_jobs
-- How many jobs of each tenant wait and run, by operation.
-- duty: stella_jobs
SELECT tenant_id, state, count(*), operation FROM service.jobs
WHERE state IN ('queued', 'running') GROUP BY tenant_id, state, operation;

-- name: forget_jobs
-- Remove jobs that ended before a time, and their events.
-- duty: stella_jobs
DELETE FROM service.jobs WHERE finished < %(before)s;

-- name: begin_answer
-- Claim an Idempotency-Key; no row when it is taken.
INSERT INTO service.answers (tenant_id, principal, operation, key, digest, state, changed)
VALUES (%(tenant)s, %(principal)s, %(operation)s, %(key)s, %(digest)s, 'running', %(now)s)
ON CONFLICT DO NOTHING
RETURNING key;

-- name: find_answer
-- What is kept under an Idempotency-Key.
SELECT digest, state, status, location, body FROM service.answers
WHERE tenant_id = %(tenant)s AND principal = %(principal)s AND operation = %(operation)s AND key = %(key)s;

-- name: resume_answer
-- Take up a key whose request was interrupted; no row when somebody else has.
UPDATE service.answers SET state = 'running', changed = %(now)s
WHERE tenant_id = %(tenant)s AND principal = %(principal)s AND operation = %(operation)s AND key = %(key)s
    AND state = 'interrupted'
RETURNING key;

-- name: keep_answer
-- Keep the answer of a request under its key.
UPDATE service.answers
SET state = 'answered', status = %(status)s, location = %(location)s, body = %(body)s, changed = %(now)s
WHERE tenant_id = %(tenant)s AND principal = %(principal)s AND operation = %(operation)s AND key = %(key)s;

-- name: forget_answer
-- Give a key back: the request may be sent again.
DELETE FROM service.answers
WHERE tenant_id = %(tenant)s AND principal = %(principal)s AND operation = %(operation)s AND key = %(key)s;

-- name: interrupt_answers
-- At a start: requests that were being worked on when the service ended.
-- duty: stella_jobs
UPDATE service.answers SET state = 'interrupted' WHERE state = 'running';

-- name: forget_answers
-- Remove answers older than a time.
-- duty: stella_jobs
DELETE FROM service.answers WHERE changed < %(before)s;

-- name: add_upload
-- Begin an upload, unless too many of its tenant are open; its id.
INSERT INTO service.uploads (tenant_id, id, name, size, sha256, unpack, state, principal, changed)
SELECT %(tenant)s, %(id)s::uuid, %(file)s, %(size)s, %(sha256)s, %(unpack)s, 'open', %(principal)s, %(changed)s
WHERE (SELECT count(*) FROM service.uploads WHERE tenant_id = %(tenant)s AND state = 'open') < %(limit)s
RETURNING id::text;

-- name: find_upload
-- An upload by its id.
SELECT tenant_id, id::text, name, size, sha256, unpack, state, "offset", principal, changed FROM service.uploads
WHERE tenant_id = %(tenant)s AND id = %(id)s;

-- name: move_upload
-- Say how far an upload is.
UPDATE service.uploads SET "offset" = %(offset)s, state = %(state)s, changed = %(now)s
WHERE tenant_id = %(tenant)s AND id = %(id)s;

-- name: remove_upload
-- Forget an upload.
DELETE FROM service.uploads WHERE tenant_id = %(tenant)s AND id = %(id)s;

-- name: open_uploads
-- How many uploads are open in all, counted up to a limit.
-- duty: stella_jobs
SELECT count(*) FROM (SELECT FROM service.uploads WHERE state = 'open' LIMIT %(limit)s) AS open;

-- name: stale_uploads
-- Uploads that were left open since before a time.
-- duty: stella_jobs
SELECT tenant_id, id::text, name, size, sha256, unpack, state, "offset", principal, changed FROM service.uploads
WHERE state = 'open' AND changed < %(before)s;

-- name: ping
-- Whether the database answers.
-- duty: stella_jobs
SELECT 1;

-- name: own_service
-- The right to be the one service of this database, for as long as the connection lives.
-- duty: stella_jobs
SELECT pg_try_advisory_lock(hashtext('stella.service'));

-- name: disown_service
-- Give that right back.
-- duty: stella_jobs
SELECT pg_advisory_unlock(hashtext('stella.service'));

-- name: session
-- Who is connected, what keeps policies from holding for it, and which of our schemas it, or a role that it may become, owns.
SELECT current_user::text,
    (SELECT string_agg(CASE WHEN r.rolsuper THEN 'a superuser' ELSE 'BYPASSRLS' END, ', ') FROM pg_catalog.pg_roles r
        WHERE (r.rolsuper OR r.rolbypassrls) AND pg_has_role(current_user, r.oid, 'MEMBER')),
    (SELECT string_agg(n.nspname, ', ' ORDER BY n.nspname) FROM pg_catalog.pg_namespace n
        WHERE n.nspname = ANY (%(schemas)s) AND pg_has_role(current_user, n.nspowner, 'MEMBER'));
