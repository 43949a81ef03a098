-- The guard between tenants: for whom a transaction is, and what every table that holds data of tenants must have.

-- HMAC's two padded blocks (RFC 2104) of the key that seals contexts. No role but the owner reads it: a function body
-- is public, a table is not.
CREATE TABLE tenancy.seal_key (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    ipad bytea NOT NULL CHECK (length(ipad) = 64),
    opad bytea NOT NULL CHECK (length(opad) = 64)
);
REVOKE ALL ON tenancy.seal_key FROM PUBLIC, stella_app;

-- Work that spans tenants: which role may do what in which table. The gate knows no other exception.
CREATE TABLE tenancy.duties (
    role name NOT NULL,
    target regclass NOT NULL,
    privileges text NOT NULL,
    PRIMARY KEY (role, target)
);
REVOKE ALL ON tenancy.duties FROM PUBLIC, stella_app;

-- The tables that `tenancy.protect` has made safe.
CREATE TABLE tenancy.protected (
    target regclass PRIMARY KEY
);
REVOKE ALL ON tenancy.protected FROM PUBLIC, stella_app;

-- The tenant of this transaction. The seal covers backend, start of the transaction and tenant, so that one that was
-- seen elsewhere opens nothing here. Absent, empty and forged seals raise: a policy that returned no row in silence
-- would look like an empty table.
CREATE FUNCTION tenancy.tid() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    given text := current_setting('app.ctx', true);
    named text;
    key record;
BEGIN
    IF given IS NULL OR length(given) < 66 THEN
        RAISE EXCEPTION 'no tenant is set in this transaction' USING ERRCODE = '42501';
    END IF;
    named := substr(given, 66);
    SELECT ipad, opad INTO STRICT key FROM tenancy.seal_key;
    IF left(given, 65) <> encode(sha256(key.opad || sha256(key.ipad || convert_to(
        pg_backend_pid() || '|' || (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint || '|' || named, 'UTF8'
    ))), 'hex') || '.' THEN
        RAISE EXCEPTION 'the tenant of this transaction is forged' USING ERRCODE = '42501';
    END IF;
    RETURN named;
END $$;
REVOKE ALL ON FUNCTION tenancy.tid() FROM PUBLIC;
GRANT USAGE ON SCHEMA tenancy TO stella_app;
GRANT EXECUTE ON FUNCTION tenancy.tid() TO stella_app;

-- Makes a table safe to hold data of tenants; every migration that creates one calls it. May be called again.
CREATE FUNCTION tenancy.protect(target regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    tenant smallint := (SELECT attnum FROM pg_attribute WHERE attrelid = target AND attname = 'tenant_id' AND attnotnull
        AND atttypid = 'text'::regtype);
    bad name;
    part regclass;
    rule text := 'USING (tenant_id = (SELECT tenancy.tid())) WITH CHECK (tenant_id = (SELECT tenancy.tid()))';
BEGIN
    IF tenant IS NULL THEN
        RAISE EXCEPTION '% has no column tenant_id text NOT NULL', target;
    END IF;
    SELECT indexrelid::regclass::name INTO bad FROM pg_index WHERE indrelid = target AND indisunique AND indkey[0] <> tenant;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'the unique key % does not begin with tenant_id', bad;
    END IF;
    SELECT conname INTO bad FROM pg_constraint c
    WHERE c.conrelid = target AND c.contype = 'f' AND (c.conkey[1] <> tenant OR c.confkey[1] IS DISTINCT FROM
        (SELECT attnum FROM pg_attribute WHERE attrelid = c.confrelid AND attname = 'tenant_id'));
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'the foreign key % does not begin with tenant_id on both sides', bad;
    END IF;
    FOR part IN SELECT target UNION SELECT relid FROM pg_partition_tree(target) LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', part);
        EXECUTE format('DROP POLICY IF EXISTS tenant_isolation ON %s', part);
        EXECUTE format('CREATE POLICY tenant_isolation ON %s TO stella_app, %I %s', part, current_user, rule);
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, stella_app', part);
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO stella_app', (SELECT relnamespace::regnamespace::name FROM pg_class WHERE oid = target));
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO stella_app', target);
    INSERT INTO tenancy.protected VALUES (target) ON CONFLICT DO NOTHING;
END $$;
REVOKE ALL ON FUNCTION tenancy.protect(regclass) FROM PUBLIC;

-- Lets one role do one duty over all tenants in one table, and writes it down for the gate.
CREATE FUNCTION tenancy.duty(role name, target regclass, privileges text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF privileges !~ '^(select|insert|update|delete)(, (select|insert|update|delete))*$' THEN
        RAISE EXCEPTION 'a duty is made of select, insert, update and delete, not of %', privileges;
    END IF;
    EXECUTE format('DROP POLICY IF EXISTS %I ON %s', 'duty_' || role, target);
    EXECUTE format('CREATE POLICY %I ON %s TO %I USING (true) WITH CHECK (true)', 'duty_' || role, target, role);
    EXECUTE format('REVOKE ALL ON %s FROM %I', target, role);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', (SELECT relnamespace::regnamespace::name FROM pg_class WHERE oid = target), role);
    EXECUTE format('GRANT %s ON %s TO %I', privileges, target, role);
    INSERT INTO tenancy.duties AS d VALUES (role, target, privileges)
    ON CONFLICT ON CONSTRAINT duties_pkey DO UPDATE SET privileges = EXCLUDED.privileges;
END $$;
REVOKE ALL ON FUNCTION tenancy.duty(name, regclass, text) FROM PUBLIC;
