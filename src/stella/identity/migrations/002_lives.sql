-- The runner of jobs asks which tenants may work.

SELECT tenancy.duty('stella_jobs', 'identity.tenants', 'select');
