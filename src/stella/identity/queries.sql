-- The statements of identity.

-- name: put_tenant
-- A new tenant; no row when the id is taken.
INSERT INTO identity.tenants (tenant_id, name, state, created, changed)
VALUES (%(tenant)s, %(title)s, 'active', %(now)s, %(now)s) ON CONFLICT DO NOTHING RETURNING tenant_id;

-- name: tenant
-- The tenant itself.
SELECT t.tenant_id, t.name, t.state, t.created, t.changed, t.erase_after, t.proof, coalesce(e.problem, '')
FROM identity.tenants t LEFT JOIN identity.erasures e ON e.tenant_id = t.tenant_id
WHERE t.tenant_id = %(tenant)s;

-- name: state
-- Its state at this moment.
SELECT state FROM identity.tenants WHERE tenant_id = %(tenant)s;

-- name: hold_tenant
-- Its state, which nobody else changes until the transaction ends.
SELECT state, erase_after FROM identity.tenants WHERE tenant_id = %(tenant)s FOR UPDATE;

-- name: move_tenant
-- Put the tenant into another state.
UPDATE identity.tenants SET state = %(state)s, erase_after = %(erase_after)s, changed = %(now)s WHERE tenant_id = %(tenant)s;

-- name: bury_tenant
-- All of the tenant is erased; the proof of it stays.
UPDATE identity.tenants SET state = 'erased', erase_after = NULL, name = '', proof = %(proof)s, changed = %(now)s
WHERE tenant_id = %(tenant)s;

-- name: erasure
-- What was found of the tenant outside of the database when its erasure began, and what held the last try back.
SELECT found, problem FROM identity.erasures WHERE tenant_id = %(tenant)s;

-- name: begin_erasure
-- Write down what there is outside of the database; from now on it is removed.
INSERT INTO identity.erasures (tenant_id, found, changed) VALUES (%(tenant)s, %(found)s, %(now)s)
ON CONFLICT (tenant_id) DO UPDATE SET found = EXCLUDED.found, changed = EXCLUDED.changed;

-- name: note_erasure
-- Remember what held an erasure back.
INSERT INTO identity.erasures (tenant_id, problem, changed) VALUES (%(tenant)s, %(problem)s, %(now)s)
ON CONFLICT (tenant_id) DO UPDATE SET problem = EXCLUDED.problem, changed = EXCLUDED.changed;

-- name: drop_erasure
-- It is over, or not to be.
DELETE FROM identity.erasures WHERE tenant_id = %(tenant)s;

-- name: every_tenant
-- A page of all tenants, for whoever runs the installation.
-- duty: stella_issuer
SELECT tenant_id, name, state, created, changed, erase_after FROM identity.tenants
WHERE tenant_id > %(after)s ORDER BY tenant_id LIMIT %(limit)s;

-- name: states
-- The state of every tenant, for the service that answers them.
-- duty: stella_issuer
SELECT tenant_id, state FROM identity.tenants;

-- name: due_tenants
-- Tenants whose grace period is over.
-- duty: stella_issuer
SELECT tenant_id FROM identity.tenants WHERE state = 'deleting' AND erase_after <= %(now)s ORDER BY tenant_id;

-- name: put_name
-- Take a name; no row when a principal or a client has it.
INSERT INTO identity.names (tenant_id, name) VALUES (%(tenant)s, %(who)s) ON CONFLICT DO NOTHING RETURNING name;

-- name: drop_name
-- Give a name back; who had it is gone with it.
DELETE FROM identity.names WHERE tenant_id = %(tenant)s AND name = %(who)s;

-- name: put_principal
-- A new principal.
INSERT INTO identity.principals (tenant_id, name, kind, scopes, secret, created)
VALUES (%(tenant)s, %(who)s, %(kind)s, %(scopes)s, %(secret)s, %(now)s);

-- name: principal
-- One principal, without its secret.
SELECT name, kind, scopes, disabled, created FROM identity.principals WHERE tenant_id = %(tenant)s AND name = %(who)s;

-- name: principals
-- A page of the principals of the tenant.
SELECT name, kind, scopes, disabled, created FROM identity.principals
WHERE tenant_id = %(tenant)s AND name > %(after)s ORDER BY name LIMIT %(limit)s;

-- name: principal_secret
-- What a principal proves itself with, while it and its tenant may act; and until when its tokens are revoked.
SELECT p.secret, p.scopes,
    (SELECT coalesce(max(r.before), 0) FROM identity.revocations r
        WHERE r.tenant_id = %(tenant)s AND r.kind <> 'token' AND r.id = ANY (%(ids)s))
FROM identity.principals p JOIN identity.tenants t USING (tenant_id)
WHERE p.tenant_id = %(tenant)s AND p.name = %(who)s AND NOT p.disabled AND t.state = 'active';

-- name: disable_principal
-- Let a principal do nothing more, or let it again.
UPDATE identity.principals SET disabled = %(disabled)s WHERE tenant_id = %(tenant)s AND name = %(who)s;

-- name: put_client
-- A new client.
INSERT INTO identity.clients (tenant_id, name, method, proof, scopes, created, rotated)
VALUES (%(tenant)s, %(who)s, %(method)s, %(proof)s, %(scopes)s, %(now)s, %(now)s);

-- name: client
-- One client, without its secret.
SELECT name, method, scopes, created, rotated FROM identity.clients WHERE tenant_id = %(tenant)s AND name = %(who)s;

-- name: clients
-- A page of the clients of the tenant.
SELECT name, method, scopes, created, rotated FROM identity.clients
WHERE tenant_id = %(tenant)s AND name > %(after)s ORDER BY name LIMIT %(limit)s;

-- name: client_proof
-- What a client proves itself with, while its tenant may act; and until when its tokens are revoked.
SELECT c.method, c.proof, c.scopes,
    (SELECT coalesce(max(r.before), 0) FROM identity.revocations r
        WHERE r.tenant_id = %(tenant)s AND r.kind <> 'token' AND r.id = ANY (%(ids)s))
FROM identity.clients c JOIN identity.tenants t USING (tenant_id)
WHERE c.tenant_id = %(tenant)s AND c.name = %(who)s AND t.state = 'active';

-- name: rotate_client
-- Let a client prove itself with something new.
UPDATE identity.clients SET proof = %(proof)s, rotated = %(now)s WHERE tenant_id = %(tenant)s AND name = %(who)s;

-- name: revoke
-- Revoke what was issued until now; of two revocations of one thing the later one counts.
INSERT INTO identity.revocations AS r (tenant_id, kind, id, before, until)
VALUES (%(tenant)s, %(kind)s, %(id)s, %(before)s, %(until)s)
ON CONFLICT (tenant_id, kind, id) DO UPDATE SET before = greatest(r.before, EXCLUDED.before), until = greatest(r.until, EXCLUDED.until);

-- name: live_revocations
-- What is revoked and could still be presented.
-- duty: stella_issuer
SELECT kind, id, before, until FROM identity.revocations WHERE until >= %(now)s;

-- name: forget_revocations
-- Drop revocations of what has expired.
-- duty: stella_issuer
DELETE FROM identity.revocations WHERE until < %(now)s;

-- name: signing_keys
-- Every signing key, in the order in which they begin to sign.
-- duty: stella_issuer
SELECT kid, alg, state, private, public, made, starts, retired FROM identity.signing_keys ORDER BY starts, made, kid;

-- name: put_signing_key
-- A new signing key. The first one begins at once; of several that come first at the same time one is kept.
-- duty: stella_issuer
INSERT INTO identity.signing_keys (kid, alg, state, private, public, made, starts)
SELECT %(kid)s, %(alg)s, 'active', %(private)s, %(public)s, %(made)s, %(starts)s
WHERE NOT %(first)s OR NOT EXISTS (SELECT FROM identity.signing_keys) RETURNING kid;

-- name: retire_signing_key
-- A key signs no more; it is published until all that it signed has expired.
-- duty: stella_issuer
UPDATE identity.signing_keys SET state = 'retired', retired = %(retired)s WHERE kid = %(kid)s AND state = 'active';

-- name: drop_signing_keys
-- Drop keys whose tokens have all expired.
-- duty: stella_issuer
DELETE FROM identity.signing_keys WHERE state = 'retired' AND retired < %(before)s;

-- name: put_device_code
-- A login that waits; no row when there are too many, or the code is taken.
-- duty: stella_issuer
INSERT INTO identity.device_codes (code, user_code, client, scopes, jkt, address, made, expires, polled)
SELECT %(code)s, %(user_code)s, %(client)s, %(scopes)s, %(jkt)s, %(address)s, %(made)s, %(expires)s, 0
WHERE (SELECT count(*) FROM identity.device_codes) < %(most)s ON CONFLICT DO NOTHING RETURNING user_code;

-- name: waiting_login
-- A login that waits for a person, by what the person types.
-- duty: stella_issuer
SELECT client, scopes, address, made FROM identity.device_codes
WHERE user_code = %(user_code)s AND subject IS NULL AND expires > %(now)s;

-- name: approve_login
-- A person has approved a login; no row when it was approved or has expired meanwhile.
-- duty: stella_issuer
UPDATE identity.device_codes SET subject_tenant = %(subject_tenant)s, subject = %(subject)s, granted = %(granted)s
WHERE user_code = %(user_code)s AND subject IS NULL AND expires > %(now)s RETURNING client;

-- name: poll_login
-- How a login stands; the time of asking is kept. The time before is given back.
-- duty: stella_issuer
UPDATE identity.device_codes d SET polled = %(now)s FROM (
    SELECT code, polled FROM identity.device_codes WHERE code = %(code)s FOR UPDATE
) old WHERE d.code = old.code
RETURNING d.client, d.jkt, d.expires, old.polled, d.subject_tenant, d.subject, d.granted, d.made;

-- name: take_login
-- A login is used once; no row when it was used meanwhile.
-- duty: stella_issuer
DELETE FROM identity.device_codes WHERE code = %(code)s RETURNING code;

-- name: forget_logins
-- Drop logins that nobody approved or fetched in time.
-- duty: stella_issuer
DELETE FROM identity.device_codes WHERE expires <= %(now)s;
