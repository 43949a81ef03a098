-- The statements of the migration runner. {schema} is the schema that a package owns, as a quoted identifier.

-- name: read_only
-- Whether nothing can be written here: a standby, or a database that is set so.
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean;

-- name: history
-- What was applied to a schema, in the order in which it was.
SELECT migration_name, category, checksum, extract(epoch FROM applied_at)::bigint, applied_by, duration_ms
FROM {schema}.schema_migrations
ORDER BY applied_at, migration_name;

-- name: record
-- Enter a file into the history, in the transaction of the file.
INSERT INTO {schema}.schema_migrations (migration_name, category, checksum, applied_at, applied_by, duration_ms)
VALUES (%(name)s, %(category)s, %(checksum)s, to_timestamp(%(at)s), %(by)s, %(duration_ms)s);

-- name: names_in_full
-- Let every name be printed with its schema until the transaction, or the savepoint, is undone.
SET LOCAL search_path = pg_catalog;

-- name: try_lock
-- Take the lock of a schema if nobody has it; never wait for it in the server.
SELECT pg_try_advisory_lock(%(key)s);

-- name: unlock
-- Let go of the lock of a schema.
SELECT pg_advisory_unlock(%(key)s);

-- name: lock_holder
-- Who holds the lock of a schema.
SELECT a.pid, a.application_name
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((l.classid::bigint << 32) | l.objid::bigint) = %(key)s;

-- name: schema_exists
-- Whether a schema is there; asked first, since IF NOT EXISTS needs the right to create even when it is.
SELECT to_regnamespace(quote_ident(%(named)s)) IS NOT NULL;

-- name: create_schema
-- The schema of a package.
CREATE SCHEMA IF NOT EXISTS {schema};

-- name: create_history
-- Its history.
CREATE TABLE IF NOT EXISTS {schema}.schema_migrations (
    migration_name text PRIMARY KEY,
    category text NOT NULL CHECK (category IN ('startup', 'release', 'seed', 'data')),
    checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{{64}}$'),
    applied_at timestamptz NOT NULL,
    applied_by text NOT NULL,
    duration_ms bigint NOT NULL CHECK (duration_ms >= 0)
);

-- name: create_checkpoints
-- How far data migrations are.
CREATE TABLE IF NOT EXISTS {schema}.schema_checkpoints (
    migration_name text PRIMARY KEY,
    checksum text NOT NULL,
    last_key text,
    size integer NOT NULL CHECK (size > 0),
    touched bigint NOT NULL DEFAULT 0,
    batches bigint NOT NULL DEFAULT 0,
    duration_ms bigint NOT NULL DEFAULT 0,
    paused boolean NOT NULL DEFAULT false
);

-- name: set_session
-- Settings of the session for a file; strings are read as they were when the file was judged.
-- stella: allow STS003 until 2027-11-30: the runner sets its own session, in which there is no tenant
SELECT set_config('search_path', %(path)s, %(local)s),
       set_config('lock_timeout', %(lock_timeout)s, %(local)s),
       set_config('statement_timeout', %(statement_timeout)s, %(local)s),
       set_config('standard_conforming_strings', 'on', %(local)s),
       set_config('client_connection_check_interval', '1s', false);

-- name: clean
-- Undo what a file set for the session, and a role that it took; two statements in one message.
-- stella: allow STS000, STS002, STS021 until 2027-11-30: the runner cleans its own session, in which there is no tenant
RESET SESSION AUTHORIZATION; RESET ALL;

-- name: index_state
-- Whether an index of that name is on that table, and whether it is whole.
SELECT i.indisvalid AND i.indisready, ARRAY[n.nspname::text, c.relname::text]
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %(index)s AND i.indrelid = to_regclass(%(table)s);

-- name: drop_invalid_index
-- Remove what an interrupted CREATE INDEX CONCURRENTLY left.
DROP INDEX CONCURRENTLY IF EXISTS {index};

-- name: checkpoints
-- All checkpoints of a schema.
SELECT migration_name, checksum, last_key, size, touched, batches, duration_ms, paused
FROM {schema}.schema_checkpoints;

-- name: begin_checkpoint
-- A data migration that has not ended begins, is paused, or goes on after a pause.
INSERT INTO {schema}.schema_checkpoints (migration_name, checksum, size, paused)
SELECT %(name)s, %(checksum)s, %(size)s, %(paused)s
WHERE NOT EXISTS (SELECT FROM {schema}.schema_migrations WHERE migration_name = %(name)s)
ON CONFLICT (migration_name) DO UPDATE
SET paused = CASE WHEN %(keep)s THEN schema_checkpoints.paused ELSE EXCLUDED.paused END;

-- name: hold_checkpoint
-- The checkpoint of a data migration, held until the batch is committed.
SELECT migration_name, checksum, last_key, size, touched, batches, duration_ms, paused
FROM {schema}.schema_checkpoints
WHERE migration_name = %(name)s
FOR UPDATE;

-- name: advance_checkpoint
-- A batch is done; in its transaction.
UPDATE {schema}.schema_checkpoints
SET last_key = %(last_key)s, size = %(size)s, touched = touched + %(touched)s, batches = batches + 1,
    duration_ms = duration_ms + %(duration_ms)s
WHERE migration_name = %(name)s;

-- name: halve_checkpoint
-- A batch took too long and was undone.
UPDATE {schema}.schema_checkpoints SET size = size / 2 WHERE migration_name = %(name)s AND size > 1;

-- name: end_checkpoint
-- A data migration is done; in the transaction of its history row.
DELETE FROM {schema}.schema_checkpoints WHERE migration_name = %(name)s;

-- name: roles
-- Which roles exist.
SELECT rolname FROM pg_catalog.pg_roles WHERE rolname LIKE 'stella%%';

-- name: create_role
-- A login of Stella: no superuser, and row-level security holds for it.
CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION;

-- name: set_password
-- Its password, as a verifier.
-- stella: allow STS000 until 2027-11-30: PASSWORD takes no name, as which braces are read; the text is a SCRAM verifier
ALTER ROLE {role} PASSWORD {password};

-- name: hide_activity
-- What it sends is for nobody to read in pg_stat_activity: the text that seals a transaction is in there.
ALTER ROLE {role} SET track_activities = off;

-- name: database_exists
-- Whether the database is there.
SELECT datname FROM pg_catalog.pg_database WHERE datname = {database};

-- name: create_database
-- The one database of a stack.
CREATE DATABASE {database} OWNER {owner};

-- name: copy_database
-- A copy of a database, file by file.
CREATE DATABASE {database} TEMPLATE {template} STRATEGY file_copy;

-- name: close_database
-- Nobody but our roles may connect, and nobody makes temporary tables, which would come before others in a search path.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;

-- name: open_database
-- A role may connect.
GRANT CONNECT ON DATABASE {database} TO {role};

-- name: close_public
-- Nobody makes anything in the schema that all search.
REVOKE ALL ON SCHEMA public FROM PUBLIC;

-- name: close_set_config
-- SET LOCAL is for whoever begins a transaction; a function that sets it could be called from injected SQL.
REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;

-- name: open_set_config
-- The owner's migrations and dumps set their own parameters.
GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO {owner};

-- name: close_large_objects
-- Large objects belong to a role, not to a tenant: a channel between tenants.
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid), pg_catalog.lo_from_bytea(oid, bytea),
    pg_catalog.lo_put(oid, bigint, bytea), pg_catalog.lo_get(oid), pg_catalog.lo_get(oid, bigint, integer),
    pg_catalog.lo_open(oid, integer), pg_catalog.lo_unlink(oid), pg_catalog.lowrite(integer, bytea),
    pg_catalog.loread(integer, integer), pg_catalog.lo_truncate(integer, integer), pg_catalog.lo_truncate64(integer, bigint),
    pg_catalog.lo_import(text), pg_catalog.lo_import(text, oid), pg_catalog.lo_export(oid, text), pg_catalog.lo_close(integer),
    pg_catalog.lo_lseek(integer, integer, integer), pg_catalog.lo_lseek64(integer, bigint, integer), pg_catalog.lo_tell(integer),
    pg_catalog.lo_tell64(integer) FROM PUBLIC;

-- name: close_statistics
-- Most common values of columns are values of all tenants.
REVOKE SELECT ON pg_catalog.pg_stats, pg_catalog.pg_stats_ext, pg_catalog.pg_stats_ext_exprs FROM PUBLIC;

-- name: close_functions
-- A new function is called by those it is granted to.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- name: forget_tables
-- A new table is nobody's until `tenancy.protect` or `tenancy.duty` grants it.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE ALL ON TABLES FROM {app};

-- name: forget_sequences
-- As tables.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE ALL ON SEQUENCES FROM {app};

-- name: forget_schemas
-- As tables.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE ALL ON SCHEMAS FROM {app};

-- name: tables_of_tenants
-- The tables that policies of tenants guard: key, what this role may do, and the tables that they refer to.
SELECT n.nspname, c.relname,
    array(SELECT a.attname::text FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place),
    has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'DELETE'),
    array(SELECT pn.nspname || '.' || pc.relname FROM pg_constraint f JOIN pg_class pc ON pc.oid = f.confrelid
        JOIN pg_namespace pn ON pn.oid = pc.relnamespace WHERE f.conrelid = c.oid AND f.contype = 'f')
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.polname = 'tenant_isolation' AND NOT c.relispartition AND %(tenant)s <> ''
ORDER BY 1, 2;

-- name: rows_of_tenant
-- The rows of a tenant in a table, by its key.
SELECT to_jsonb(r)::text FROM {table} r WHERE r.tenant_id = %(tenant)s ORDER BY {key};

-- name: erase_rows_of_tenant
-- Remove the rows of a tenant in a table.
DELETE FROM {table} r WHERE r.tenant_id = %(tenant)s;
