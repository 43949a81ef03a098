-- Tenants, who may act for them, what was revoked, and what the issuer of tokens keeps. Times are seconds since 1970.

CREATE TABLE identity.tenants (
    tenant_id text PRIMARY KEY CHECK (tenant_id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'suspended', 'deleting', 'erased')),
    created bigint NOT NULL,
    changed bigint NOT NULL,
    erase_after bigint,
    proof bytea,
    CHECK ((state = 'deleting') = (erase_after IS NOT NULL)),
    CHECK ((state = 'erased') = (proof IS NOT NULL))
);
COMMENT ON COLUMN identity.tenants.proof IS 'What was erased: a DSSE envelope, signed where the audit log is.';
INSERT INTO identity.tenants (tenant_id, name, state, created, changed)
SELECT 'default', 'Default', 'active', now, now FROM (SELECT extract(epoch FROM now())::bigint AS now);

-- Names of principals and of clients are one set: a token tells them apart by their names alone.
CREATE TABLE identity.names (
    tenant_id text NOT NULL,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id) REFERENCES identity.tenants (tenant_id)
);

CREATE TABLE identity.principals (
    tenant_id text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('person', 'service')),
    scopes text[] NOT NULL,
    secret text NOT NULL,
    disabled boolean NOT NULL DEFAULT false,
    created bigint NOT NULL,
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id, name) REFERENCES identity.names (tenant_id, name) ON DELETE CASCADE
);
COMMENT ON COLUMN identity.principals.secret IS 'scrypt, as identity/secret.py writes it.';

CREATE TABLE identity.clients (
    tenant_id text NOT NULL,
    name text NOT NULL,
    method text NOT NULL CHECK (method IN ('secret', 'key', 'certificate')),
    proof text NOT NULL,
    scopes text[] NOT NULL,
    created bigint NOT NULL,
    rotated bigint NOT NULL,
    PRIMARY KEY (tenant_id, name),
    FOREIGN KEY (tenant_id, name) REFERENCES identity.names (tenant_id, name) ON DELETE CASCADE
);
COMMENT ON COLUMN identity.clients.proof IS 'scrypt of a secret, a public JWK, or the thumbprint of a certificate.';

CREATE TABLE identity.revocations (
    tenant_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('token', 'subject', 'client', 'tenant')),
    id text NOT NULL,
    before bigint NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (tenant_id, kind, id)
);

-- Of no tenant: the issuer's alone.
CREATE TABLE identity.signing_keys (
    kid text PRIMARY KEY,
    alg text NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'retired')),
    private text NOT NULL,
    public text NOT NULL,
    made bigint NOT NULL,
    starts bigint NOT NULL,
    retired bigint,
    CHECK ((state = 'retired') = (retired IS NOT NULL))
);
COMMENT ON COLUMN identity.signing_keys.private IS 'Encrypted PKCS#8 in PEM, under the passphrase of identity.passphrase.';

-- A login that waits belongs to nobody yet; who approves it says for whom it is.
CREATE TABLE identity.device_codes (
    code bytea PRIMARY KEY,
    user_code text NOT NULL UNIQUE,
    client text NOT NULL,
    scopes text[] NOT NULL,
    jkt text NOT NULL,
    address text NOT NULL,
    made bigint NOT NULL,
    expires bigint NOT NULL,
    polled bigint NOT NULL,
    subject_tenant text,
    subject text,
    granted text[]
);
COMMENT ON COLUMN identity.device_codes.code IS 'SHA-256 of the code that the device keeps.';

SELECT tenancy.protect('identity.tenants');
SELECT tenancy.protect('identity.names');
SELECT tenancy.protect('identity.principals');
SELECT tenancy.protect('identity.clients');
SELECT tenancy.protect('identity.revocations');

-- A tenant that was erased stays as a stone: its id is never another's.
REVOKE DELETE ON identity.tenants FROM stella_app;

SELECT tenancy.duty('stella_issuer', 'identity.tenants', 'select');
SELECT tenancy.duty('stella_issuer', 'identity.revocations', 'select, delete');
SELECT tenancy.duty('stella_issuer', 'identity.signing_keys', 'select, insert, update, delete');
SELECT tenancy.duty('stella_issuer', 'identity.device_codes', 'select, insert, update, delete');
