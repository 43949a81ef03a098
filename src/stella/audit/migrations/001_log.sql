-- The audit log: events that only grow, their chain, what was signed over it, and the keys of personal texts.

CREATE FUNCTION audit.refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '%.% only grows', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
REVOKE ALL ON FUNCTION audit.refuse() FROM PUBLIC;

CREATE TABLE audit.events (
    tenant_id text NOT NULL,
    id uuid NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    outcome text NOT NULL,
    body bytea NOT NULL CHECK (length(body) <= 65536),
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON COLUMN audit.events.body IS 'The event in canonical JSON (RFC 8785); the other columns are for finding it.';
COMMENT ON COLUMN audit.events.actor IS 'A name, or the pseudonym of a person under the key of the tenant.';
CREATE INDEX events_action ON audit.events (tenant_id, action, id DESC);
CREATE INDEX events_actor ON audit.events (tenant_id, actor, id DESC);
CREATE INDEX events_outcome ON audit.events (tenant_id, outcome, id DESC) WHERE outcome <> 'success';

-- Events without a place in the chain. A row comes with its event, in the same transaction, so one that is committed
-- late is not missed; and the sealer reads what waits, not all there ever was.
CREATE TABLE audit.waiting (
    tenant_id text NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, event_id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit.events (tenant_id, id)
);

CREATE TABLE audit.chain (
    tenant_id text NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    event_id uuid NOT NULL,
    previous bytea NOT NULL CHECK (length(previous) = 32),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, seq),
    UNIQUE (tenant_id, event_id),
    FOREIGN KEY (tenant_id, event_id) REFERENCES audit.events (tenant_id, id)
);

CREATE TABLE audit.checkpoints (
    tenant_id text NOT NULL,
    size bigint NOT NULL,
    head bytea NOT NULL CHECK (length(head) = 32),
    frontier bytea NOT NULL,
    signer text NOT NULL,
    envelope bytea NOT NULL,
    PRIMARY KEY (tenant_id, size),
    FOREIGN KEY (tenant_id, size) REFERENCES audit.chain (tenant_id, seq)
);
COMMENT ON COLUMN audit.checkpoints.frontier IS 'Right edge of the Merkle tree, 32 bytes a node, so that the next checkpoint need not read all events.';

CREATE TABLE audit.keys (
    tenant_id text NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    wrapped bytea,
    made timestamptz NOT NULL DEFAULT now(),
    erased timestamptz,
    PRIMARY KEY (tenant_id, number),
    CHECK ((wrapped IS NULL) = (erased IS NOT NULL))
);

CREATE FUNCTION audit.wait() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO audit.waiting (tenant_id, event_id) VALUES (NEW.tenant_id, NEW.id);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION audit.wait() FROM PUBLIC;
CREATE TRIGGER events_wait AFTER INSERT ON audit.events FOR EACH ROW EXECUTE FUNCTION audit.wait();

CREATE FUNCTION audit.keep_erased() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF OLD.wrapped IS NULL OR (NEW.tenant_id, NEW.number) <> (OLD.tenant_id, OLD.number) THEN
        RAISE EXCEPTION 'a key that was erased stays erased' USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION audit.keep_erased() FROM PUBLIC;
CREATE TRIGGER keys_stay_erased BEFORE UPDATE ON audit.keys FOR EACH ROW EXECUTE FUNCTION audit.keep_erased();

-- The grants below do not allow these either; the triggers refuse the owner too.
CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.events FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER chain_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.chain FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER checkpoints_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.checkpoints FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER keys_stay BEFORE DELETE OR TRUNCATE ON audit.keys FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
CREATE TRIGGER waiting_stays BEFORE UPDATE OR TRUNCATE ON audit.waiting FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();

SELECT tenancy.protect('audit.events');
SELECT tenancy.protect('audit.waiting');
SELECT tenancy.protect('audit.chain');
SELECT tenancy.protect('audit.checkpoints');
SELECT tenancy.protect('audit.keys');

-- Which tenants the sealer has to look at. It runs with the rights of whoever calls it, so the duty below decides.
CREATE FUNCTION audit.waiting_tenants() RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$ SELECT DISTINCT tenant_id FROM audit.waiting ORDER BY tenant_id $$;
REVOKE ALL ON FUNCTION audit.waiting_tenants() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.waiting_tenants() TO stella_sealer;

-- The application writes events and reads what was sealed; it can neither change nor seal anything.
REVOKE UPDATE, DELETE ON audit.events FROM stella_app;
REVOKE SELECT, UPDATE, DELETE ON audit.waiting FROM stella_app;
REVOKE INSERT, UPDATE, DELETE ON audit.chain, audit.checkpoints FROM stella_app;
REVOKE DELETE ON audit.keys FROM stella_app;

SELECT tenancy.duty('stella_sealer', 'audit.events', 'select');
SELECT tenancy.duty('stella_sealer', 'audit.waiting', 'select, insert, delete');
SELECT tenancy.duty('stella_sealer', 'audit.chain', 'select, insert');
SELECT tenancy.duty('stella_sealer', 'audit.checkpoints', 'select, insert');
