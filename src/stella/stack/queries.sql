-- Statements of the stack's own set-up, run by the superuser of an embedded server.

-- name: roles
-- Which of Stella's roles exist.
SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('stella_owner', 'stella_app');

-- name: create_owner
-- Owns the database and its schemas and runs migrations; no superuser, and row-level security holds for it.
CREATE ROLE stella_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION;

-- name: create_app
-- The service: owns nothing.
CREATE ROLE stella_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION;

-- name: set_owner_password
-- The owner's password, as a verifier.
ALTER ROLE stella_owner PASSWORD {password};

-- name: set_app_password
-- The service's password, as a verifier.
ALTER ROLE stella_app PASSWORD {password};

-- name: databases
-- Whether the database exists.
SELECT datname FROM pg_catalog.pg_database WHERE datname = 'stella';

-- name: create_database
-- The one database of a stack.
CREATE DATABASE stella OWNER stella_owner;

-- name: close_database
-- Nobody but the two roles may connect.
REVOKE ALL ON DATABASE stella FROM PUBLIC;

-- name: open_database
-- The service may connect; the owner may as such.
GRANT CONNECT ON DATABASE stella TO stella_app;

-- name: open_schemas
-- What the owner makes from now on, the service may use; it still owns nothing and can change no schema.
ALTER DEFAULT PRIVILEGES FOR ROLE stella_owner GRANT USAGE ON SCHEMAS TO stella_app;

-- name: open_tables
-- Rows of those schemas are the service's to read and write.
ALTER DEFAULT PRIVILEGES FOR ROLE stella_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO stella_app;

-- name: open_sequences
-- And it may draw their numbers.
ALTER DEFAULT PRIVILEGES FOR ROLE stella_owner GRANT USAGE, SELECT ON SEQUENCES TO stella_app;
