-- The statements of policies. Each is of one tenant.

-- name: put_policy
-- A new policy; no row when its id is taken.
INSERT INTO policy.policy (tenant_id, id, name, created, created_by)
VALUES (%(tenant)s, %(policy)s, %(title)s, %(now)s, %(actor)s) ON CONFLICT DO NOTHING RETURNING id;

-- name: policy
-- One policy.
SELECT id, name, created, created_by FROM policy.policy WHERE tenant_id = %(tenant)s AND id = %(policy)s;

-- name: hold_policy
-- The same; whoever wants to change something about it waits until this transaction ends.
SELECT id, name, created, created_by FROM policy.policy WHERE tenant_id = %(tenant)s AND id = %(policy)s FOR NO KEY UPDATE;

-- name: policies
-- A page of the policies, each with its newest version and the one that is active.
SELECT p.id, p.name, v.version, v.label, v.state,
    (SELECT max(a.version) FROM policy.policy_version a
        WHERE a.tenant_id = %(tenant)s AND a.policy_id = p.id AND a.state = 'active')
FROM policy.policy p
LEFT JOIN LATERAL (
    SELECT n.version, n.label, n.state FROM policy.policy_version n
    WHERE n.tenant_id = %(tenant)s AND n.policy_id = p.id ORDER BY n.version DESC LIMIT 1
) v ON true
WHERE p.tenant_id = %(tenant)s AND p.id > %(after)s ORDER BY p.id LIMIT %(limit)s;

-- name: put_version
-- A new version.
INSERT INTO policy.policy_version
    (tenant_id, policy_id, version, label, source, ir, ir_sha256, shadow, based_on, created, created_by)
VALUES (%(tenant)s, %(policy)s, %(version)s, %(label)s, %(source)s, %(ir)s::jsonb, %(digest)s, %(shadow)s, %(based_on)s,
    %(now)s, %(actor)s);

-- name: version
-- One version.
SELECT policy_id, version, label, state, ir_sha256, shadow, based_on, created, created_by, source, ir::text
FROM policy.policy_version WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND version = %(version)s;

-- name: versions
-- All versions of a policy, the newest first.
SELECT policy_id, version, label, state, ir_sha256, shadow, based_on, created, created_by
FROM policy.policy_version WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s ORDER BY version DESC;

-- name: active_by_title
-- Active versions whose text has a name, the newest first.
SELECT policy_id, version FROM policy.policy_version
WHERE tenant_id = %(tenant)s AND state = 'active' AND ir ->> 'policy_id' = %(title)s
ORDER BY created DESC, policy_id, version DESC
LIMIT 100;

-- name: versions_by_digest
-- Versions with an identity, the newest first.
SELECT policy_id, version FROM policy.policy_version
WHERE tenant_id = %(tenant)s AND ir_sha256 = %(digest)s ORDER BY created DESC, policy_id, version DESC LIMIT %(limit)s;

-- name: move_version
-- Let a version go from one state to another; no row when it is not in that state.
UPDATE policy.policy_version SET state = %(state)s
WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND version = %(version)s AND state = %(before)s;

-- name: put_transition
-- What happened to a version.
INSERT INTO policy.policy_transition
    (tenant_id, policy_id, number, version, event, from_state, to_state, actor, reason, ticket, evidence, at)
SELECT %(tenant)s, %(policy)s, coalesce(max(t.number), 0) + 1, %(version)s, %(event)s, %(before)s, %(state)s, %(actor)s,
    %(reason)s, %(ticket)s, %(evidence)s, %(now)s
FROM policy.policy_transition t WHERE t.tenant_id = %(tenant)s AND t.policy_id = %(policy)s;

-- name: transitions
-- A page of what happened to a policy, the newest first.
SELECT number, version, event, from_state, to_state, actor, reason, ticket, evidence, at
FROM policy.policy_transition
WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND number < %(before)s ORDER BY number DESC LIMIT %(limit)s;

-- name: who_did
-- Who did something to a version.
SELECT DISTINCT actor FROM policy.policy_transition
WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND version = %(version)s AND event = ANY (%(events)s);

-- name: put_placement
-- What decides in an environment from now on.
INSERT INTO policy.policy_placement
    (tenant_id, policy_id, env, number, event, version, canary, percent, predicted, decision, incident, actor, at)
SELECT %(tenant)s, %(policy)s, %(env)s, coalesce(max(p.number), 0) + 1, %(event)s, %(version)s, %(canary)s, %(percent)s,
    %(predicted)s::jsonb, %(decision)s, %(incident)s, %(actor)s, %(now)s
FROM policy.policy_placement p WHERE p.tenant_id = %(tenant)s AND p.policy_id = %(policy)s AND p.env = %(env)s;

-- name: placements
-- What decides now, in each environment of a policy.
SELECT DISTINCT ON (env) env, number, event, version, canary, percent, predicted::text, at FROM policy.policy_placement
WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s ORDER BY env, number DESC;

-- name: has_decided
-- A row when a version once decided alone or beside a canary, in an environment, or in any where none is named.
SELECT number FROM policy.policy_placement
WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND (%(env)s = '' OR env = %(env)s) AND version = %(version)s LIMIT 1;

-- name: put_evidence
-- What was found out about a version.
INSERT INTO policy.policy_evidence
    (tenant_id, policy_id, version, number, kind, digest, verdict, inputs, determinism, made, recorded, recorded_by)
SELECT %(tenant)s, %(policy)s, %(version)s, coalesce(max(e.number), 0) + 1, %(kind)s, %(digest)s, %(verdict)s, %(inputs)s,
    %(determinism)s, %(made)s, %(now)s, %(actor)s
FROM policy.policy_evidence e
WHERE e.tenant_id = %(tenant)s AND e.policy_id = %(policy)s AND e.version = %(version)s;

-- name: evidence
-- The last that was found out about a version, of each kind.
SELECT DISTINCT ON (kind) kind, digest, verdict, inputs, determinism, made, recorded_by FROM policy.policy_evidence
WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND version = %(version)s ORDER BY kind, number DESC;

-- name: evidence_of
-- The last evidence of a version that has a digest.
SELECT inputs FROM policy.policy_evidence
WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND version = %(version)s AND digest = %(digest)s
ORDER BY number DESC LIMIT 1;

-- name: put_inputs
-- Freeze inputs; what is frozen stays as old as it is.
INSERT INTO policy.policy_inputs (tenant_id, digest, parts, frozen, frozen_by)
VALUES (%(tenant)s, %(digest)s, %(parts)s::jsonb, %(now)s, %(actor)s) ON CONFLICT DO NOTHING;

-- name: inputs
-- Frozen inputs.
SELECT digest, parts::text, frozen, frozen_by FROM policy.policy_inputs WHERE tenant_id = %(tenant)s AND digest = %(digest)s;

-- name: put_run
-- A run that has ended.
INSERT INTO policy.policy_run
    (tenant_id, id, policy_id, version, mode, status, inputs, plan_sha256, counts, determinism, result, started, finished, actor)
VALUES (%(tenant)s, %(id)s, %(policy)s, %(version)s, %(mode)s, %(status)s, %(inputs)s, %(plan)s, %(counts)s::jsonb,
    %(determinism)s, %(result)s, %(started)s, %(now)s, %(actor)s);

-- name: same_runs
-- What earlier runs of the same plan over the same findings have given.
SELECT DISTINCT determinism FROM policy.policy_run
WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND version = %(version)s AND status = 'succeeded'
    AND inputs = %(inputs)s AND plan_sha256 = %(plan)s;

-- name: run
-- One run.
SELECT id, policy_id, version, mode, status, inputs, plan_sha256, counts::text, determinism, result, started, finished, actor
FROM policy.policy_run WHERE tenant_id = %(tenant)s AND id = %(id)s;

-- name: put_exception
-- A new exception; no row when its id is taken.
INSERT INTO policy.policy_exception
    (tenant_id, id, policy_id, matcher, matcher_ir, status, justification, author, created, expires_at, permanent)
VALUES (%(tenant)s, %(id)s, %(policy)s, %(matcher)s, %(ir)s::jsonb, %(status)s, %(justification)s, %(actor)s, %(now)s,
    %(expires)s, %(permanent)s)
ON CONFLICT DO NOTHING RETURNING id;

-- name: exception
-- One exception.
SELECT id, policy_id, matcher, status, justification, author, created, expires_at, permanent, state
FROM policy.policy_exception WHERE tenant_id = %(tenant)s AND id = %(id)s;

-- name: hold_exception
-- The same; whoever wants to move it waits until this transaction ends.
SELECT id, policy_id, matcher, status, justification, author, created, expires_at, permanent, state
FROM policy.policy_exception WHERE tenant_id = %(tenant)s AND id = %(id)s FOR NO KEY UPDATE;

-- name: exceptions
-- A page of the exceptions, of one policy or of all.
SELECT id, policy_id, matcher, status, justification, author, created, expires_at, permanent, state
FROM policy.policy_exception
WHERE tenant_id = %(tenant)s AND id > %(after)s AND (%(policy)s = '' OR policy_id = %(policy)s) ORDER BY id LIMIT %(limit)s;

-- name: exceptions_in_force
-- What is excepted from a policy at a time: all that was approved and has not expired, overlaps too.
SELECT id, matcher_ir::text, status, justification, author, expires_at FROM policy.policy_exception
WHERE tenant_id = %(tenant)s AND policy_id = %(policy)s AND state = 'approved'
    AND (expires_at IS NULL OR expires_at > %(as_of)s) ORDER BY id;

-- name: move_exception
-- Let an exception go from one state to another.
UPDATE policy.policy_exception SET state = %(state)s WHERE tenant_id = %(tenant)s AND id = %(id)s AND state = %(before)s;

-- name: put_exception_transition
-- What happened to an exception.
INSERT INTO policy.policy_exception_transition
    (tenant_id, exception_id, number, from_state, to_state, actor, reason, ticket, at)
SELECT %(tenant)s, %(id)s, coalesce(max(t.number), 0) + 1, %(before)s, %(state)s, %(actor)s, %(reason)s, %(ticket)s, %(now)s
FROM policy.policy_exception_transition t WHERE t.tenant_id = %(tenant)s AND t.exception_id = %(id)s;

-- name: exception_transitions
-- What happened to an exception, in order.
SELECT from_state, to_state, actor, reason, ticket, at FROM policy.policy_exception_transition
WHERE tenant_id = %(tenant)s AND exception_id = %(id)s ORDER BY number;
