-- name: submit_job
-- Queue a job with its first event, unless too many wait or its key is taken; its number.
WITH waiting AS (
    SELECT count(*) AS jobs FROM service.jobs WHERE state = 'queued'
), queued AS (
    INSERT INTO service.jobs (id, operation, request, folder, principal, trace, key, digest, state, created)
    SELECT %(id)s::uuid, %(operation)s, %(request)s::bytea, %(folder)s, %(principal)s, %(trace)s, %(key)s, %(digest)s, 'queued',
        %(created)s
    FROM waiting WHERE jobs < %(limit)s
    ON CONFLICT DO NOTHING
    RETURNING id, number
), told AS (
    INSERT INTO service.events (job, number, at, kind, data) SELECT id, 1, %(created)s, 'state', %(data)s::bytea FROM queued
)
SELECT number FROM queued;

-- name: find_job
-- A job by its id.
SELECT number, id::text, operation, request, folder, principal, trace, key, digest, state, attempt, cancelling, created, started,
    finished, status, outcome
FROM service.jobs WHERE id = %(id)s;

-- name: find_job_by_key
-- The job that a principal asked for with an Idempotency-Key.
SELECT number, id::text, operation, request, folder, principal, trace, key, digest, state, attempt, cancelling, created, started,
    finished, status, outcome
FROM service.jobs WHERE principal = %(principal)s AND operation = %(operation)s AND key = %(key)s;

-- name: list_jobs
-- Jobs before a number, newest first; outcomes are left out, since they may be large.
SELECT number, id::text, operation, ''::bytea AS request, folder, principal, trace, key, digest, state, attempt, cancelling, created,
    started, finished, status, NULL::bytea AS outcome
FROM service.jobs
WHERE number < %(before)s
    AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(operation)s::text IS NULL OR operation = %(operation)s)
ORDER BY number DESC LIMIT %(limit)s;

-- name: claim_job
-- Start the oldest waiting job whose folder no other job works in.
WITH next AS (
    SELECT id FROM service.jobs
    WHERE state = 'queued' AND folder <> ALL (%(busy)s)
    ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE service.jobs AS job
    SET state = 'running', attempt = attempt + 1, started = %(now)s, events = events + 1
    FROM next WHERE job.id = next.id
    RETURNING job.*
), told AS (
    INSERT INTO service.events (job, number, at, kind, data) SELECT id, events, %(now)s, 'state', %(data)s::bytea FROM moved
)
SELECT number, id::text, operation, request, folder, principal, trace, key, digest, state, attempt, cancelling, created, started,
    finished, status, outcome
FROM moved;

-- name: move_job
-- Move a job from one of the given states, with its event; its id when it was in one.
WITH moved AS (
    UPDATE service.jobs
    SET state = %(state)s, attempt = attempt - %(refund)s, finished = %(finished)s, status = %(status)s,
        outcome = %(outcome)s,
        events = events + 1
    WHERE id = %(id)s AND state = ANY (%(sources)s)
    RETURNING id, events
), told AS (
    INSERT INTO service.events (job, number, at, kind, data) SELECT id, events, %(now)s, 'state', %(data)s::bytea FROM moved
)
SELECT id::text FROM moved;

-- name: mark_cancelling
-- Remember that a running job is to end.
UPDATE service.jobs SET cancelling = true WHERE id = %(id)s AND state = 'running';

-- name: running_jobs
-- Jobs that a service was running when it ended.
SELECT number, id::text, operation, request, folder, principal, trace, key, digest, state, attempt, cancelling, created, started,
    finished, status, outcome
FROM service.jobs WHERE state = 'running' ORDER BY number;

-- name: add_event
-- Keep an event of a running job; its number.
WITH counted AS (
    UPDATE service.jobs SET events = events + 1 WHERE id = %(id)s AND state = 'running' RETURNING id, events
), told AS (
    INSERT INTO service.events (job, number, at, kind, data) SELECT id, events, %(now)s, %(kind)s, %(data)s::bytea FROM counted
)
SELECT events FROM counted;

-- name: events_after
-- The events of a job after a number.
SELECT number, at, kind, data FROM service.events WHERE job = %(id)s AND number > %(after)s ORDER BY number LIMIT %(limit)s;

-- name: count_jobs
-- How many jobs wait and run.
SELECT state, count(*) FROM service.jobs WHERE state IN ('queued', 'running') GROUP BY state;

-- name: forget_jobs
-- Remove jobs that ended before a time, and their events.
DELETE FROM service.jobs WHERE finished < %(before)s;

-- name: begin_answer
-- Claim an Idempotency-Key; no row when it is taken.
INSERT INTO service.answers (principal, operation, key, digest, state, changed)
VALUES (%(principal)s, %(operation)s, %(key)s, %(digest)s, 'running', %(now)s)
ON CONFLICT DO NOTHING
RETURNING key;

-- name: find_answer
-- What is kept under an Idempotency-Key.
SELECT digest, state, status, location, body FROM service.answers
WHERE principal = %(principal)s AND operation = %(operation)s AND key = %(key)s;

-- name: resume_answer
-- Take up a key whose request was interrupted; no row when somebody else has.
UPDATE service.answers SET state = 'running', changed = %(now)s
WHERE principal = %(principal)s AND operation = %(operation)s AND key = %(key)s AND state = 'interrupted'
RETURNING key;

-- name: keep_answer
-- Keep the answer of a request under its key.
UPDATE service.answers
SET state = 'answered', status = %(status)s, location = %(location)s, body = %(body)s, changed = %(now)s
WHERE principal = %(principal)s AND operation = %(operation)s AND key = %(key)s;

-- name: forget_answer
-- Give a key back: the request may be sent again.
DELETE FROM service.answers WHERE principal = %(principal)s AND operation = %(operation)s AND key = %(key)s;

-- name: interrupt_answers
-- At a start: requests that were being worked on when the service ended.
UPDATE service.answers SET state = 'interrupted' WHERE state = 'running';

-- name: forget_answers
-- Remove answers older than a time.
DELETE FROM service.answers WHERE changed < %(before)s;

-- name: add_upload
-- Begin an upload, unless too many are open; its id.
INSERT INTO service.uploads (id, name, size, sha256, unpack, state, principal, changed)
SELECT %(id)s::uuid, %(name)s, %(size)s, %(sha256)s, %(unpack)s, 'open', %(principal)s, %(changed)s
WHERE (SELECT count(*) FROM service.uploads WHERE state = 'open') < %(limit)s
RETURNING id::text;

-- name: find_upload
-- An upload by its id.
SELECT id::text, name, size, sha256, unpack, state, "offset", principal, changed FROM service.uploads WHERE id = %(id)s;

-- name: move_upload
-- Say how far an upload is.
UPDATE service.uploads SET "offset" = %(offset)s, state = %(state)s, changed = %(now)s WHERE id = %(id)s;

-- name: stale_uploads
-- Uploads that were left open since before a time.
SELECT id::text, name, size, sha256, unpack, state, "offset", principal, changed FROM service.uploads
WHERE state = 'open' AND changed < %(before)s;

-- name: remove_upload
-- Forget an upload.
DELETE FROM service.uploads WHERE id = %(id)s;

-- name: ping
-- Whether the database answers.
SELECT 1;

-- name: own_service
-- The right to be the one service of this database, for as long as the connection lives.
SELECT pg_try_advisory_lock(hashtext('stella.service'));
