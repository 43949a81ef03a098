-- Policies and their versions, what happened to them, who is excepted from them, and what was found out about them.
-- Times are seconds since 1970. What a version says never changes; what happened is only added to.

-- A row leaves with its tenant alone: when that is erased, everything of it is.
CREATE FUNCTION policy.leave() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM identity.tenants t WHERE t.tenant_id = OLD.tenant_id AND t.state = 'deleting') THEN
        RAISE EXCEPTION '%.% keeps what there was', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = '42501';
    END IF;
    RETURN OLD;
END $$;
REVOKE ALL ON FUNCTION policy.leave() FROM PUBLIC;

CREATE FUNCTION policy.refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '%.% only grows', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = '42501';
END $$;
REVOKE ALL ON FUNCTION policy.refuse() FROM PUBLIC;

CREATE TABLE policy.policy (
    tenant_id text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    created bigint NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE policy.policy_version (
    tenant_id text NOT NULL,
    policy_id text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    label text NOT NULL,
    source text NOT NULL,
    ir jsonb NOT NULL,
    ir_sha256 text NOT NULL,
    shadow boolean NOT NULL,
    based_on integer,
    created bigint NOT NULL,
    created_by text NOT NULL,
    state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'submitted', 'approved', 'active', 'archived')),
    PRIMARY KEY (tenant_id, policy_id, version),
    UNIQUE (tenant_id, policy_id, label),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policy.policy (tenant_id, id)
);
CREATE INDEX policy_version_ir ON policy.policy_version (tenant_id, ir_sha256);
COMMENT ON COLUMN policy.policy_version.ir_sha256 IS 'SHA-256 of the canonical form: the identity of a version.';

-- The state moves along the same table as in rules.py; all else stays.
CREATE FUNCTION policy.keep_content() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - 'state' IS DISTINCT FROM to_jsonb(OLD) - 'state' THEN
        RAISE EXCEPTION 'a version never changes; make another one' USING ERRCODE = '42501';
    END IF;
    IF NEW.state <> OLD.state AND OLD.state || ' ' || NEW.state <> ALL (ARRAY[
        'draft submitted', 'submitted draft', 'submitted approved', 'approved active', 'active approved',
        'approved archived', 'active archived', 'archived active'
    ]) THEN
        RAISE EXCEPTION 'no version goes from % to %', OLD.state, NEW.state USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION policy.keep_content() FROM PUBLIC;
CREATE TRIGGER policy_version_keeps BEFORE UPDATE ON policy.policy_version FOR EACH ROW EXECUTE FUNCTION policy.keep_content();

-- A version is born a draft, and an exception as a request: no row is added that has left out its way.
CREATE FUNCTION policy.begin() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.state <> TG_ARGV[0] THEN
        RAISE EXCEPTION '%.% begins as %', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION policy.begin() FROM PUBLIC;
CREATE TRIGGER policy_version_begins BEFORE INSERT ON policy.policy_version FOR EACH ROW EXECUTE FUNCTION policy.begin('draft');

CREATE TABLE policy.policy_transition (
    tenant_id text NOT NULL,
    policy_id text NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    version integer NOT NULL,
    event text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    ticket text NOT NULL,
    evidence text[] NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, number),
    FOREIGN KEY (tenant_id, policy_id, version) REFERENCES policy.policy_version (tenant_id, policy_id, version)
);

-- Which version decides in an environment: the last row says it, so that a rollback is one row.
CREATE TABLE policy.policy_placement (
    tenant_id text NOT NULL,
    policy_id text NOT NULL,
    env text NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    event text NOT NULL CHECK (event IN ('promote', 'canary', 'rollback', 'archive')),
    version integer,
    canary integer,
    percent integer NOT NULL CHECK (percent BETWEEN 0 AND 100),
    predicted jsonb,
    decision text NOT NULL,
    incident text NOT NULL,
    actor text NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, env, number),
    FOREIGN KEY (tenant_id, policy_id, version) REFERENCES policy.policy_version (tenant_id, policy_id, version),
    FOREIGN KEY (tenant_id, policy_id, canary) REFERENCES policy.policy_version (tenant_id, policy_id, version)
);
COMMENT ON COLUMN policy.policy_placement.predicted IS 'Transitions that the simulation foretold for the assets of the canary.';
COMMENT ON COLUMN policy.policy_placement.decision IS 'The decision of the gate, in canonical JSON.';

CREATE TABLE policy.policy_evidence (
    tenant_id text NOT NULL,
    policy_id text NOT NULL,
    version integer NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    kind text NOT NULL,
    digest text NOT NULL,
    verdict text NOT NULL,
    inputs text NOT NULL,
    determinism text NOT NULL,
    made bigint NOT NULL,
    recorded bigint NOT NULL,
    recorded_by text NOT NULL,
    PRIMARY KEY (tenant_id, policy_id, version, number),
    FOREIGN KEY (tenant_id, policy_id, version) REFERENCES policy.policy_version (tenant_id, policy_id, version)
);
CREATE INDEX policy_evidence_digest ON policy.policy_evidence (tenant_id, digest);
COMMENT ON COLUMN policy.policy_evidence.inputs IS 'Digest of the frozen inputs that it is about; empty where it reads none.';

CREATE TABLE policy.policy_inputs (
    tenant_id text NOT NULL,
    digest text NOT NULL,
    parts jsonb NOT NULL,
    frozen bigint NOT NULL,
    frozen_by text NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
COMMENT ON COLUMN policy.policy_inputs.parts IS 'Digests of SBOMs, advisories, VEX, reachability and signals, and as_of.';

CREATE TABLE policy.policy_run (
    tenant_id text NOT NULL,
    id text NOT NULL,
    policy_id text NOT NULL,
    version integer NOT NULL,
    mode text NOT NULL CHECK (mode IN ('full', 'incremental', 'simulate', 'shadow', 'canary')),
    status text NOT NULL CHECK (status IN ('succeeded', 'failed', 'canceled')),
    inputs text NOT NULL,
    plan_sha256 text NOT NULL,
    counts jsonb NOT NULL,
    determinism text NOT NULL,
    result text NOT NULL,
    started bigint NOT NULL,
    finished bigint NOT NULL,
    actor text NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, policy_id, version) REFERENCES policy.policy_version (tenant_id, policy_id, version)
);
CREATE INDEX policy_run_version ON policy.policy_run (tenant_id, policy_id, version, started);
COMMENT ON TABLE policy.policy_run IS 'Runs that have ended; one that waits or works is a job of the service.';
COMMENT ON COLUMN policy.policy_run.result IS 'Digest of the object with the decisions; empty where there is none.';
COMMENT ON COLUMN policy.policy_run.plan_sha256 IS 'What was evaluated: the version with the exceptions in force, and the findings.';

CREATE TABLE policy.policy_exception (
    tenant_id text NOT NULL,
    id text NOT NULL,
    policy_id text NOT NULL,
    matcher text NOT NULL,
    matcher_ir jsonb NOT NULL,
    status text NOT NULL,
    justification text NOT NULL,
    author text NOT NULL,
    created bigint NOT NULL,
    expires_at bigint,
    permanent boolean NOT NULL,
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'approved', 'revoked')),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policy.policy (tenant_id, id),
    CHECK (permanent = (expires_at IS NULL))
);
CREATE INDEX policy_exception_policy ON policy.policy_exception (tenant_id, policy_id, id);

CREATE FUNCTION policy.keep_exception() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - 'state' IS DISTINCT FROM to_jsonb(OLD) - 'state' THEN
        RAISE EXCEPTION 'an exception never changes; revoke it and make another one' USING ERRCODE = '42501';
    END IF;
    IF NEW.state <> OLD.state AND OLD.state || ' ' || NEW.state <> ALL (ARRAY[
        'requested approved', 'requested revoked', 'approved revoked'
    ]) THEN
        RAISE EXCEPTION 'no exception goes from % to %', OLD.state, NEW.state USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION policy.keep_exception() FROM PUBLIC;
CREATE TRIGGER policy_exception_keeps BEFORE UPDATE ON policy.policy_exception FOR EACH ROW EXECUTE FUNCTION policy.keep_exception();

CREATE TRIGGER policy_exception_begins BEFORE INSERT ON policy.policy_exception
    FOR EACH ROW EXECUTE FUNCTION policy.begin('requested');

CREATE TABLE policy.policy_exception_transition (
    tenant_id text NOT NULL,
    exception_id text NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    from_state text,
    to_state text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    ticket text NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (tenant_id, exception_id, number),
    FOREIGN KEY (tenant_id, exception_id) REFERENCES policy.policy_exception (tenant_id, id)
);

CREATE TRIGGER policy_stays BEFORE UPDATE OR TRUNCATE ON policy.policy FOR EACH STATEMENT EXECUTE FUNCTION policy.refuse();
CREATE TRIGGER policy_version_stays BEFORE TRUNCATE ON policy.policy_version FOR EACH STATEMENT EXECUTE FUNCTION policy.refuse();
CREATE TRIGGER policy_transition_stays BEFORE UPDATE OR TRUNCATE ON policy.policy_transition FOR EACH STATEMENT EXECUTE FUNCTION policy.refuse();
CREATE TRIGGER policy_placement_stays BEFORE UPDATE OR TRUNCATE ON policy.policy_placement FOR EACH STATEMENT EXECUTE FUNCTION policy.refuse();
CREATE TRIGGER policy_evidence_stays BEFORE UPDATE OR TRUNCATE ON policy.policy_evidence FOR EACH STATEMENT EXECUTE FUNCTION policy.refuse();
CREATE TRIGGER policy_inputs_stay BEFORE UPDATE OR TRUNCATE ON policy.policy_inputs FOR EACH STATEMENT EXECUTE FUNCTION policy.refuse();
CREATE TRIGGER policy_run_stays BEFORE UPDATE OR TRUNCATE ON policy.policy_run FOR EACH STATEMENT EXECUTE FUNCTION policy.refuse();
CREATE TRIGGER policy_exception_stays BEFORE TRUNCATE ON policy.policy_exception FOR EACH STATEMENT EXECUTE FUNCTION policy.refuse();
CREATE TRIGGER policy_exception_transition_stays BEFORE UPDATE OR TRUNCATE ON policy.policy_exception_transition FOR EACH STATEMENT EXECUTE FUNCTION policy.refuse();

CREATE TRIGGER policy_leaves BEFORE DELETE ON policy.policy FOR EACH ROW EXECUTE FUNCTION policy.leave();
CREATE TRIGGER policy_version_leaves BEFORE DELETE ON policy.policy_version FOR EACH ROW EXECUTE FUNCTION policy.leave();
CREATE TRIGGER policy_transition_leaves BEFORE DELETE ON policy.policy_transition FOR EACH ROW EXECUTE FUNCTION policy.leave();
CREATE TRIGGER policy_placement_leaves BEFORE DELETE ON policy.policy_placement FOR EACH ROW EXECUTE FUNCTION policy.leave();
CREATE TRIGGER policy_evidence_leaves BEFORE DELETE ON policy.policy_evidence FOR EACH ROW EXECUTE FUNCTION policy.leave();
CREATE TRIGGER policy_inputs_leave BEFORE DELETE ON policy.policy_inputs FOR EACH ROW EXECUTE FUNCTION policy.leave();
CREATE TRIGGER policy_run_leaves BEFORE DELETE ON policy.policy_run FOR EACH ROW EXECUTE FUNCTION policy.leave();
CREATE TRIGGER policy_exception_leaves BEFORE DELETE ON policy.policy_exception FOR EACH ROW EXECUTE FUNCTION policy.leave();
CREATE TRIGGER policy_exception_transition_leaves BEFORE DELETE ON policy.policy_exception_transition FOR EACH ROW EXECUTE FUNCTION policy.leave();

SELECT tenancy.protect('policy.policy');
SELECT tenancy.protect('policy.policy_version');
SELECT tenancy.protect('policy.policy_transition');
SELECT tenancy.protect('policy.policy_placement');
SELECT tenancy.protect('policy.policy_evidence');
SELECT tenancy.protect('policy.policy_inputs');
SELECT tenancy.protect('policy.policy_run');
SELECT tenancy.protect('policy.policy_exception');
SELECT tenancy.protect('policy.policy_exception_transition');
