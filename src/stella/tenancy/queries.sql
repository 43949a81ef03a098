-- The statements of tenancy.

-- name: install_seal
-- Let the database know the key that seals transactions, in the form that HMAC needs.
INSERT INTO tenancy.seal_key (ipad, opad) VALUES (%(ipad)s, %(opad)s)
ON CONFLICT (one) DO UPDATE SET ipad = EXCLUDED.ipad, opad = EXCLUDED.opad
WHERE (seal_key.ipad, seal_key.opad) IS DISTINCT FROM (EXCLUDED.ipad, EXCLUDED.opad);

-- name: guarded
-- Whether the guard, or a part of it, is in this database.
SELECT coalesce(to_regclass('tenancy.duties'), to_regclass('tenancy.protected'), to_regclass('tenancy.seal_key'))::oid IS NOT NULL
    OR to_regprocedure('tenancy.tid()') IS NOT NULL;

-- name: session
-- Who asks, and whether row-level security holds for it.
SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user;

-- name: gate
-- Everything in the catalogue that would let one tenant reach another: kind, object, what was found.
WITH ours AS (
    SELECT c.oid, c.relkind, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.reloptions, c.relacl,
        n.nspname, format('%%I.%%I', n.nspname, c.relname) AS label,
        (SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS tenant
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), tables AS (
    SELECT * FROM ours WHERE relkind IN ('r', 'p') AND tenant IS NOT NULL
), grants AS (
    SELECT o.oid, o.label, o.relkind, o.tenant, o.relispartition, a.privilege_type,
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
    FROM ours o CROSS JOIN LATERAL aclexplode(o.relacl) a WHERE a.grantee <> o.relowner
    UNION
    SELECT o.oid, format('%%s (%%I)', o.label, t.attname), o.relkind, o.tenant, o.relispartition, a.privilege_type,
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
    FROM ours o JOIN pg_attribute t ON t.attrelid = o.oid CROSS JOIN LATERAL aclexplode(t.attacl) a WHERE a.grantee <> o.relowner
), duties AS (
    SELECT d.role, d.target, r.oid, string_to_array(d.privileges, ', ') AS privileges
    FROM tenancy.duties d JOIN pg_roles r ON r.rolname = d.role
    WHERE d.role = ANY (%(logins)s) AND d.role NOT IN (%(app)s, %(owner)s)
), policies AS (
    SELECT t.label, p.*, pg_get_expr(p.polqual, p.polrelid) AS using_text, pg_get_expr(p.polwithcheck, p.polrelid) AS check_text,
        EXISTS (
            SELECT FROM duties d
            WHERE d.target = p.polrelid AND p.polname = 'duty_' || d.role AND p.polroles = ARRAY[d.oid]
        ) AS duty
    FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
), logins AS (
    SELECT rolname, oid FROM pg_roles WHERE rolname = ANY (%(logins)s)
)
SELECT 'partition_granted', label, grantee || ' has ' || privilege_type FROM grants WHERE relispartition
UNION ALL
SELECT 'no_row_security', label, 'row-level security is off' FROM tables WHERE NOT relrowsecurity
UNION ALL
SELECT 'not_forced', label, 'its owner passes the policies' FROM tables WHERE relrowsecurity AND NOT relforcerowsecurity
UNION ALL
SELECT 'no_policy', label, 'row-level security without the policy of its tenant' FROM tables t
WHERE relrowsecurity AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polname = 'tenant_isolation')
UNION ALL
SELECT 'policy_always_true', label, polname FROM policies WHERE NOT duty AND 'true' IN (using_text, check_text)
UNION ALL
SELECT 'policy_differs', label, format('%%s: %%s / %%s', polname, using_text, check_text) FROM policies
WHERE NOT duty AND (using_text IS DISTINCT FROM %(rule)s OR check_text IS DISTINCT FROM %(rule)s)
UNION ALL
SELECT 'policy_partial', label, format('%%s is for one command alone', polname) FROM policies WHERE polcmd <> '*' OR NOT polpermissive
UNION ALL
SELECT 'policy_partial', label, format('%%s does not hold %%s', polname, l.rolname) FROM policies CROSS JOIN logins l
WHERE polname = 'tenant_isolation' AND l.rolname IN (%(app)s, %(owner)s) AND NOT ARRAY[0, l.oid] && polroles
UNION ALL
SELECT 'policy_without_check', label, polname FROM policies WHERE polwithcheck IS NULL AND polcmd IN ('*', 'a', 'w')
UNION ALL
SELECT 'policy_volatile', p.label, format('%%s calls %%s for every row', p.polname, f.oid::regprocedure)
FROM policies p JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
    JOIN pg_proc f ON f.oid = d.refobjid
WHERE f.provolatile = 'v'
UNION ALL
SELECT 'unlisted_policy', label, polname FROM policies WHERE NOT duty AND polname <> 'tenant_isolation'
UNION ALL
SELECT 'unprotected_table', label, '`tenancy.protect` did not make it' FROM tables t
WHERE NOT relispartition AND NOT EXISTS (SELECT FROM tenancy.protected p WHERE p.target = t.oid)
UNION ALL
SELECT 'open_table', g.label, format('%%s has %%s on rows that belong to nobody', g.grantee, g.privilege_type) FROM grants g
WHERE g.tenant IS NULL AND g.relkind IN ('r', 'p', 'f', 'S') AND (g.grantee = 'PUBLIC' OR g.grantee IN (SELECT rolname FROM logins))
    AND NOT EXISTS (
        SELECT FROM duties d WHERE d.target = g.oid AND d.role::text = g.grantee AND lower(g.privilege_type) = ANY (d.privileges)
    )
UNION ALL
SELECT 'duty_exceeded', g.label, format('%%s has %%s', g.grantee, g.privilege_type) FROM grants g
WHERE g.tenant IS NOT NULL AND g.relkind IN ('r', 'p') AND g.grantee <> %(app)s AND NOT EXISTS (
    SELECT FROM duties d WHERE d.target = g.oid AND d.role::text = g.grantee AND lower(g.privilege_type) = ANY (d.privileges)
)
UNION ALL
SELECT 'view_not_invoker', label, 'a view reads with the rights of its owner unless security_invoker and security_barrier are set'
FROM ours WHERE relkind = 'v'
    AND NOT (coalesce(reloptions, '{}') && '{security_invoker=true,security_invoker=on}' AND coalesce(reloptions, '{}') && '{security_barrier=true,security_barrier=on}')
UNION ALL
SELECT 'materialised_view', label, 'it keeps rows that no policy guards' FROM ours WHERE relkind = 'm'
UNION ALL
SELECT 'foreign_table', label, 'no policy guards what is elsewhere' FROM ours WHERE relkind = 'f'
UNION ALL
SELECT 'rewrite_rule', o.label, format('%%s runs with the rights of its owner', r.rulename)
FROM ours o JOIN pg_rewrite r ON r.ev_class = o.oid WHERE r.rulename <> '_RETURN'
UNION ALL
SELECT 'security_definer', f.oid::regprocedure::text, 'it runs with the rights of its owner'
FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE f.prosecdef AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND (
    f.oid::regprocedure || ' ' || encode(sha256(convert_to(f.prosrc, 'UTF8')), 'hex') <> ALL (%(definers)s)
    OR f.proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog']
)
UNION ALL
SELECT 'guard_differs', d.definer, 'it is not there, or does something else'
FROM unnest(%(definers)s) AS d (definer) WHERE NOT EXISTS (
    SELECT FROM pg_proc f
    WHERE f.prosecdef AND f.provolatile = 's' AND f.oid::regprocedure || ' ' || encode(sha256(convert_to(f.prosrc, 'UTF8')), 'hex') = d.definer
)
UNION ALL
SELECT 'leakproof_function', f.oid::regprocedure::text, 'it may be asked before the policies are'
FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE f.proleakproof AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
UNION ALL
SELECT 'loose_tenant', t.label, format('its tenant_id has the collation %%s', c.collname)
FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = t.tenant JOIN pg_collation c ON c.oid = a.attcollation
WHERE NOT c.collisdeterministic
UNION ALL
SELECT 'shared_counter', t.label, a.attname FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid WHERE a.attidentity <> ''
UNION ALL
SELECT 'key_without_tenant', t.label, i.indexrelid::regclass::text FROM tables t JOIN pg_index i ON i.indrelid = t.oid
WHERE i.indisunique AND i.indkey[0] <> t.tenant
UNION ALL
SELECT 'exclusion_without_tenant', t.label, c.conname FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid
WHERE c.contype = 'x'
    AND c.conexclop[array_position(c.conkey, t.tenant)] IS DISTINCT FROM 'pg_catalog.=(text, text)'::regoperator
UNION ALL
SELECT 'foreign_key_without_tenant', t.label, c.conname
FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid LEFT JOIN tables r ON r.oid = c.confrelid
WHERE c.contype = 'f' AND (c.conkey[1] <> t.tenant OR c.confkey[1] IS DISTINCT FROM r.tenant)
UNION ALL
SELECT 'wide_grant', label, format('%%s has %%s', grantee, privilege_type) FROM grants
WHERE privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')
UNION ALL
SELECT 'role_can_bypass', l.rolname, format('through %%s', r.rolname)
FROM logins l JOIN pg_roles r ON pg_has_role(l.oid, r.oid, 'MEMBER')
WHERE r.rolsuper OR r.rolbypassrls
    OR (l.rolname <> %(owner)s AND (r.oid <> l.oid OR r.rolreplication OR r.rolcreaterole OR r.rolcreatedb))
UNION ALL
SELECT 'login_owns', l.rolname, o.label FROM logins l JOIN ours o ON o.relowner = l.oid WHERE l.rolname <> %(owner)s
UNION ALL
SELECT 'login_owns', l.rolname, f.oid::regprocedure::text FROM logins l JOIN pg_proc f ON f.proowner = l.oid WHERE l.rolname <> %(owner)s
UNION ALL
SELECT 'login_owns', l.rolname, n.nspname FROM logins l JOIN pg_namespace n ON n.nspowner = l.oid WHERE l.rolname <> %(owner)s
UNION ALL
SELECT 'login_creates', l.rolname, n.nspname FROM logins l CROSS JOIN pg_namespace n
WHERE l.rolname <> %(owner)s AND n.nspname !~ '^pg_(toast|temp)' AND has_schema_privilege(l.oid, n.oid, 'CREATE')
UNION ALL
SELECT 'login_creates', l.rolname, format('%%s in the database', p)
FROM logins l CROSS JOIN unnest(ARRAY['TEMPORARY', 'CREATE']) AS p
WHERE l.rolname <> %(owner)s AND has_database_privilege(l.oid, current_database(), p)
UNION ALL
SELECT 'open_function', l.rolname, f.oid::regprocedure::text
FROM logins l CROSS JOIN pg_proc f
WHERE l.rolname <> %(owner)s AND f.pronamespace = 'pg_catalog'::regnamespace
    AND (f.proname = 'set_config' OR f.proname ~ '^(lo_|lowrite|loread|pg_read_|pg_ls_|pg_stat_file)') AND has_function_privilege(l.oid, f.oid, 'EXECUTE')
UNION ALL
SELECT 'open_statistics', l.rolname, v.view
FROM logins l CROSS JOIN unnest(ARRAY[
    'pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs', 'pg_statistic', 'pg_statistic_ext_data', 'pg_authid', 'pg_shadow', 'pg_largeobject'
]) AS v (view)
WHERE l.rolname <> %(owner)s AND has_any_column_privilege(l.oid, 'pg_catalog.' || v.view, 'SELECT')
UNION ALL
SELECT 'open_parameter', p.parname, format('%%s has %%s', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type)
FROM pg_parameter_acl p CROSS JOIN LATERAL aclexplode(p.paracl) a
WHERE a.grantee = 0 OR a.grantee IN (SELECT oid FROM logins WHERE rolname <> %(owner)s)
UNION ALL
SELECT 'open_database', current_database(), privilege_type || ' is for everybody'
FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
WHERE d.datname = current_database() AND a.grantee = 0
UNION ALL
SELECT 'default_privileges', coalesce(d.defaclnamespace::regnamespace::text, 'every schema'),
    format('%%s gets %%s on what is made next', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type)
FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a
WHERE a.grantee <> d.defaclrole AND d.defaclobjtype <> 'T'
UNION ALL
SELECT 'activity_shown', l.rolname, 'others of the same role read what it sends in pg_stat_activity'
FROM logins l WHERE l.rolname <> %(owner)s AND 'track_activities=off' IS DISTINCT FROM (
    SELECT c FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
    WHERE s.setrole = l.oid AND c LIKE 'track_activities=%%'
        AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    ORDER BY s.setdatabase DESC LIMIT 1
)
ORDER BY 1, 2, 3;

-- name: policies
-- The policies as they are, for the proof: table, policy, command, roles, expressions.
SELECT p.polrelid::regclass::text, p.polname, p.polcmd::text, array(SELECT r::regrole::text FROM unnest(p.polroles) r ORDER BY 1),
    coalesce(pg_get_expr(p.polqual, p.polrelid), ''), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
FROM pg_policy p ORDER BY 1, 2;

-- name: schema
-- Every column of every table of ours, for a digest of the schema: table, column, type, whether it may be null, its default.
SELECT c.oid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY 1, a.attnum;

-- name: snapshot_policies
-- The policies of some schemas, the owner of a table under that name: table, policy, command, kind, roles, expressions.
SELECT format('%%I.%%I', n.nspname, c.relname), p.polname::text,
    CASE p.polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' ELSE 'delete' END,
    p.polpermissive,
    array(SELECT CASE r WHEN 0 THEN 'public' WHEN c.relowner THEN '(owner)' ELSE r::regrole::text END FROM unnest(p.polroles) r),
    coalesce(pg_get_expr(p.polqual, p.polrelid), ''), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(schemas)s);

-- name: snapshot_protected
-- The tables of some schemas that `tenancy.protect` has made safe.
SELECT format('%%I.%%I', n.nspname, c.relname)
FROM tenancy.protected p JOIN pg_class c ON c.oid = p.target JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(schemas)s);

-- name: snapshot_objects
-- What some schemas hold, apart from the runner's own history: kind, name, definition. No rows, no owner, no order.
WITH inside AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = ANY (%(schemas)s)
), relations AS (
    SELECT c.*, format('%%I.%%I', n.nspname, c.relname) AS label FROM pg_class c JOIN inside n ON n.oid = c.relnamespace
    WHERE c.relname NOT IN ('schema_migrations', 'schema_checkpoints') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
), functions AS (
    SELECT f.* FROM pg_proc f JOIN inside n ON n.oid = f.pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e')
), grants AS (
    SELECT 'schema ' || nspname AS label, a.* FROM inside CROSS JOIN LATERAL aclexplode(nspacl) a WHERE a.grantee <> nspowner
    UNION ALL
    SELECT label, a.* FROM relations CROSS JOIN LATERAL aclexplode(relacl) a WHERE a.grantee <> relowner
    UNION ALL
    SELECT label || '.' || attname, a.* FROM relations r JOIN pg_attribute t ON t.attrelid = r.oid
        CROSS JOIN LATERAL aclexplode(t.attacl) a WHERE a.grantee <> relowner
    UNION ALL
    SELECT f.oid::regprocedure::text, a.* FROM functions f
        CROSS JOIN LATERAL aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee <> proowner
)
SELECT 'relation', label, concat_ws(' ', relkind, relpersistence, relrowsecurity, relforcerowsecurity, reloptions,
    pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid), CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END)
FROM relations
UNION ALL
SELECT 'column', format('%%s.%%I', r.label, a.attname), concat_ws(' ', rank() OVER (PARTITION BY r.oid ORDER BY a.attnum),
    format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation::regcollation,
    pg_get_expr(d.adbin, d.adrelid))
FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
WHERE r.relkind <> 'S'
UNION ALL
SELECT 'constraint', format('%%s.%%I', r.label, c.conname), concat_ws(' ', pg_get_constraintdef(c.oid), c.convalidated)
FROM relations r JOIN pg_constraint c ON c.conrelid = r.oid
UNION ALL
SELECT 'index', i.indexrelid::regclass::text, concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid)
FROM relations r JOIN pg_index i ON i.indrelid = r.oid
UNION ALL
SELECT 'trigger', format('%%s.%%I', r.label, t.tgname), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'rule', format('%%s.%%I', r.label, w.rulename), pg_get_ruledef(w.oid)
FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'function', f.oid::regprocedure::text, concat_ws(' ', l.lanname, f.prokind, f.provolatile, f.proparallel, f.prosecdef,
    f.proisstrict, f.proleakproof, f.proretset, f.prorettype::regtype, f.proconfig, pg_get_function_arguments(f.oid), f.prosrc,
    pg_get_function_sqlbody(f.oid))
FROM functions f JOIN pg_language l ON l.oid = f.prolang
UNION ALL
SELECT 'type', t.oid::regtype::text, concat_ws(' ', t.typtype, t.typnotnull, nullif(t.typbasetype, 0)::regtype, t.typdefault,
    array(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
    array(SELECT concat_ws(' ', c.conname, pg_get_constraintdef(c.oid)) FROM pg_constraint c WHERE c.contypid = t.oid ORDER BY 1))
FROM pg_type t JOIN inside n ON n.oid = t.typnamespace
WHERE t.typtype IN ('e', 'd', 'r') AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
)
UNION ALL
SELECT 'sequence', r.label, concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)
FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid
UNION ALL
SELECT 'grant', label, concat_ws(' ', CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END, privilege_type, is_grantable)
FROM grants;
