-- What a proof has to know of a schema, and of the database that somebody uses. All of it is read from the catalogue.

-- name: tables
-- The tables of tenants: oid, name, the parent of a partition, whether it has partitions, what the application may do.
SELECT c.oid, format('%%I.%%I', n.nspname, c.relname),
    CASE WHEN c.relispartition THEN (SELECT format('%%I.%%I', m.nspname, q.relname) FROM pg_class q
        JOIN pg_namespace m ON m.oid = q.relnamespace WHERE q.oid = pg_partition_root(c.oid)) END,
    c.relkind = 'p',
    array(SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p WHERE has_table_privilege(%(app)s, c.oid, p))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
ORDER BY 2;

-- name: columns
-- The columns of the tables of tenants that a row can be given: table, name, type, what it is based on, nullable, labels.
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), b.typname, NOT (a.attnotnull OR t.typnotnull),
    array(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder),
    coalesce((SELECT string_agg(pg_get_constraintdef(k.oid), ' ') FROM pg_constraint k WHERE k.contypid = t.oid), '')
FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE a.attrelid = ANY (%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
ORDER BY a.attrelid, a.attnum;

-- name: constraints
-- The checks and keys of the tables of tenants: table, name, kind, columns, the other table and its columns, text.
SELECT c.conrelid, c.conname, c.contype::text,
    array(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (n, i)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.i),
    nullif(c.confrelid, 0),
    array(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (n, i)
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.i),
    pg_get_constraintdef(c.oid)
FROM pg_constraint c
WHERE c.conrelid = ANY (%(tables)s) AND c.contype IN ('c', 'f')
ORDER BY c.conrelid, c.conname;

-- name: unique_keys
-- The unique keys of the tables of tenants: table, index, columns; primary keys first.
SELECT i.indrelid, i.indexrelid::regclass::text,
    array(SELECT a.attname::text FROM unnest(i.indkey::smallint[]) WITH ORDINALITY k (n, o)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n WHERE k.o <= i.indnkeyatts ORDER BY k.o)
FROM pg_index i
WHERE i.indrelid = ANY (%(tables)s) AND i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL
ORDER BY i.indrelid, NOT i.indisprimary, 2;

-- name: others
-- What else there is besides tables of tenants: kind (v view, m materialised view, r table, S sequence, f foreign table) and name.
SELECT c.relkind::text, format('%%I.%%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.oid <> ALL (%(tables)s)
ORDER BY 1, 2;

-- name: duties
-- The roles that work for all tenants, and on which tables.
SELECT role::text, target::regclass::text, privileges FROM tenancy.duties ORDER BY 1, 2;

-- name: functions
-- The functions of ours and whether the application may call them.
SELECT f.oid::regprocedure::text, has_function_privilege(%(app)s, f.oid, 'EXECUTE')
FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND f.prokind IN ('f', 'p')
ORDER BY 1;

-- name: parameters
-- The types of the parameters of a prepared statement.
SELECT array(SELECT t::text FROM unnest(parameter_types) t) FROM pg_prepared_statements WHERE name = %(name)s;

-- name: login
-- Who is connected: its name, whether it is a superuser or past the policies or may become one that is, and one table of
-- ours that it owns.
SELECT r.rolname::text,
    EXISTS (SELECT FROM pg_roles m WHERE m.rolsuper AND pg_has_role(r.oid, m.oid, 'MEMBER')),
    EXISTS (SELECT FROM pg_roles m WHERE m.rolbypassrls AND pg_has_role(r.oid, m.oid, 'MEMBER')),
    (SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND pg_has_role(r.oid, c.relowner, 'MEMBER')
     ORDER BY 1 LIMIT 1)
FROM pg_roles r WHERE r.rolname = current_user;

-- name: identity
-- Which database this is, whatever it is called and wherever it is reached.
SELECT s.system_identifier::text, d.oid::bigint, d.datname::text FROM pg_control_system() s, pg_database d WHERE d.datname = current_database();

-- name: protected
-- The tables that hold data of tenants.
SELECT target::regclass::text FROM tenancy.protected ORDER BY 1;
