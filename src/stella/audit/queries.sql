-- The statements of the audit log.

-- name: put_event
-- Write an event. The trigger of the table lets it wait for its place in the chain.
INSERT INTO audit.events (tenant_id, id, action, actor, outcome, body)
VALUES (%(tenant)s, %(id)s, %(action)s, %(actor)s, %(outcome)s, %(body)s);

-- name: last_key
-- The newest key of the tenant; wrapped is NULL when it was erased.
SELECT number, wrapped FROM audit.keys WHERE tenant_id = %(tenant)s ORDER BY number DESC LIMIT 1;

-- name: list_keys
-- The keys that were not erased.
SELECT number, wrapped FROM audit.keys WHERE tenant_id = %(tenant)s AND wrapped IS NOT NULL ORDER BY number;

-- name: put_key
-- A new key. Somebody else who makes the same one at the same time is waited for, and his counts.
INSERT INTO audit.keys (tenant_id, number, wrapped)
VALUES (%(tenant)s, %(number)s, %(wrapped)s)
ON CONFLICT (tenant_id, number) DO NOTHING;

-- name: erase_keys
-- Erase the keys; their numbers stay, so that none is used again.
UPDATE audit.keys SET wrapped = NULL, erased = now() WHERE tenant_id = %(tenant)s AND wrapped IS NOT NULL;

-- name: list_events
-- Events from the newest down. Ids begin with their time, so bounds of time are bounds of ids.
SELECT e.id::text, e.body, c.seq
FROM audit.events e
LEFT JOIN audit.chain c ON c.tenant_id = %(tenant)s AND c.event_id = e.id
WHERE e.tenant_id = %(tenant)s
  AND e.id >= %(since)s::uuid AND e.id < %(before)s::uuid
  AND (%(action)s::text IS NULL OR e.action = %(action)s OR starts_with(e.action, %(action)s || '.'))
  AND (%(actors)s::text[] IS NULL OR e.actor = ANY (%(actors)s))
  AND (%(outcome)s::text IS NULL OR e.outcome = %(outcome)s)
ORDER BY e.id DESC
LIMIT %(limit)s;

-- name: page_of_chain
-- Events in the order of the chain, from a place on.
SELECT c.seq, c.event_id, c.previous, c.hash, e.body
FROM audit.chain c JOIN audit.events e ON e.tenant_id = %(tenant)s AND e.id = c.event_id
WHERE c.tenant_id = %(tenant)s AND c.seq > %(after)s AND c.seq <= %(until)s
ORDER BY c.seq
LIMIT %(limit)s;

-- name: page_of_checkpoints
-- Checkpoints in order, from a size on.
SELECT size, envelope FROM audit.checkpoints
WHERE tenant_id = %(tenant)s AND size > %(after)s AND size <= %(until)s
ORDER BY size
LIMIT %(limit)s;

-- name: list_signers
-- The public keys that signed, in the order in which they came into use.
SELECT signer FROM audit.checkpoints
WHERE tenant_id = %(tenant)s AND size <= %(until)s
GROUP BY signer ORDER BY min(size);

-- name: last_checkpoint
-- Where the chain stands.
SELECT size, head, frontier, envelope FROM audit.checkpoints
WHERE tenant_id = %(tenant)s ORDER BY size DESC LIMIT 1;

-- name: list_waiting_tenants
-- Tenants whose events wait for a place. Only the sealer may ask: its duty spans tenants.
-- duty: stella_sealer
SELECT audit.waiting_tenants();

-- name: hold_chain
-- Keep other sealers away from a chain until the transaction ends; false when one is there.
SELECT pg_try_advisory_xact_lock(hashtextextended('audit.seal/' || %(tenant)s::text, 0));

-- name: list_waiting
-- Events that wait for a place, in the order of their ids; `seq` is not NULL for one that has its place already.
SELECT e.id, e.body, c.seq
FROM audit.waiting w
JOIN audit.events e ON e.tenant_id = %(tenant)s AND e.id = w.event_id
LEFT JOIN audit.chain c ON c.tenant_id = %(tenant)s AND c.event_id = w.event_id
WHERE w.tenant_id = %(tenant)s
ORDER BY w.event_id
LIMIT %(limit)s;

-- name: put_link
-- Give an event its place.
INSERT INTO audit.chain (tenant_id, seq, event_id, previous, hash)
VALUES (%(tenant)s, %(seq)s, %(event_id)s, %(previous)s, %(hash)s);

-- name: stop_waiting
-- Events that have a place no longer wait.
DELETE FROM audit.waiting WHERE tenant_id = %(tenant)s AND event_id = ANY (%(ids)s);

-- name: put_checkpoint
-- What was signed about the chain.
INSERT INTO audit.checkpoints (tenant_id, size, head, frontier, signer, envelope)
VALUES (%(tenant)s, %(size)s, %(head)s, %(frontier)s, %(signer)s, %(envelope)s);

-- name: find_forgotten
-- Let events wait that have neither a place nor wait for one, as a restored backup or an owner's hand may have left them.
-- duty: stella_sealer
WITH found AS (
    INSERT INTO audit.waiting (tenant_id, event_id)
    SELECT e.tenant_id, e.id
    FROM audit.events e
    WHERE NOT EXISTS (SELECT FROM audit.chain c WHERE c.tenant_id = e.tenant_id AND c.event_id = e.id)
    ON CONFLICT (tenant_id, event_id) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM found;
