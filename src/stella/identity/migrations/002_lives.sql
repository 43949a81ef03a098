-- The runner of jobs asks which tenants may work. An erasure that has begun is written down before anything is removed
-- outside of the database: such a tenant cannot be resumed, and its proof says what there was, however often it is tried.

SELECT tenancy.duty('stella_jobs', 'identity.tenants', 'select');

CREATE TABLE identity.erasures (
    tenant_id text PRIMARY KEY,
    found bytea,
    problem text NOT NULL DEFAULT '',
    changed bigint NOT NULL,
    FOREIGN KEY (tenant_id) REFERENCES identity.tenants (tenant_id)
);
COMMENT ON COLUMN identity.erasures.found IS 'What the tenant had outside of the database when its erasure began; NULL before.';
COMMENT ON COLUMN identity.erasures.problem IS 'What held the last try back.';
SELECT tenancy.protect('identity.erasures');
