-- The statements of the drill of the pool, in a database that the drill has made for itself.

-- name: make_schema
-- Make the schema of the drill, or that of the guard.
CREATE SCHEMA {schema};

-- name: see_schema
-- Let names without a schema mean the schema that is migrated.
SET search_path TO {schema}, pg_catalog;

-- name: add_entry
-- Write an entry of a tenant.
INSERT INTO drill.entries (tenant_id, id, body) VALUES (%(tenant)s, %(id)s, %(body)s);

-- name: list_entries
-- Every entry of a tenant, with the tenant that it belongs to.
SELECT tenant_id, id, body FROM drill.entries WHERE tenant_id = %(tenant)s ORDER BY id;

-- name: fail
-- End the transaction with an error, in the middle of an answer.
SELECT 1 / (length(body) - length(body)) FROM drill.entries WHERE tenant_id = %(tenant)s;

-- name: context
-- The context that the transaction was given.
SELECT current_setting('app.ctx', true) WHERE %(tenant)s <> '';

-- name: residue
-- What is left of a context on a connection between two transactions.
SELECT coalesce(current_setting('app.ctx', true), '') || coalesce(current_setting('app.tenant_id', true), '');

-- name: begin
-- Begin a transaction without a tenant.
BEGIN;

-- name: replay
-- Use a context that was seen in another transaction.
-- stella: allow STS021 until 2027-11-30: the drill presents a context again, to see it refused
SET LOCAL app.ctx = {context};

-- name: end
-- End it.
ROLLBACK;

-- name: kill
-- End the process that serves a connection, as a failing server does.
SELECT pg_terminate_backend(%(backend)s);
