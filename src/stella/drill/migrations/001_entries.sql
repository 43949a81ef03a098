-- A table of tenants like every other, for the drill of the pool. No real database has it.
CREATE TABLE drill.entries (
    tenant_id text NOT NULL,
    id text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT tenancy.protect('drill.entries');
