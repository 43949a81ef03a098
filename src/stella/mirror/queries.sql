-- The statements of the index of channels.

-- name: put_channel
-- Enter a channel, or say where it is now.
INSERT INTO mirror.channels (channel_id, channel, location, created, indexed)
VALUES (%(channel_id)s, %(channel)s, %(location)s, %(created)s, to_timestamp(%(now)s))
ON CONFLICT (channel_id) DO UPDATE SET location = EXCLUDED.location, indexed = EXCLUDED.indexed;

-- name: drop_channel
-- Forget a channel and all that hangs on it.
DELETE FROM mirror.channels WHERE channel_id = %(channel_id)s;

-- name: forget_documents
-- Forget what the documents of a channel name, so that they are read anew.
DELETE FROM mirror.documents
WHERE digest IN (SELECT digest FROM mirror.entries WHERE channel_id = %(channel_id)s);

-- name: hold_documents
-- Keep writers of other channels, who may read the same documents in another order, waiting until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('mirror.documents', 2));

-- name: hold_channel
-- Keep other writers of the same channel waiting until the transaction ends; nobody waits for a lock without end.
-- stella: allow STS003 until 2027-05-31: bounds a wait in an index that no tenant owns
SELECT set_config('lock_timeout', %(patience_ms)s, true), pg_advisory_xact_lock(hashtextextended(%(channel_id)s, 0));

-- name: newest_generation
-- The newest generation of a channel that the index knows, its root with it.
SELECT generation, root FROM mirror.generations
WHERE channel_id = %(channel_id)s
ORDER BY generation DESC LIMIT 1;

-- name: put_generation
-- Enter a generation.
INSERT INTO mirror.generations (channel_id, generation, root, created, files, content_bytes)
VALUES (%(channel_id)s, %(generation)s, %(root)s, %(created)s, %(files)s, %(content_bytes)s);

-- name: copy_stage
-- The entries of the generation that is being entered.
-- stella: allow STS013 until 2027-11-30: into a stage that is empty between transactions; it belongs to no tenant
COPY mirror.staged (channel_id, path, category, digest, size, media_type) FROM STDIN;

-- name: empty_stage
-- Make room for the next generation.
DELETE FROM mirror.staged WHERE channel_id = %(channel_id)s;

-- name: end_entries
-- Close the rows of paths that are gone or have another content now.
UPDATE mirror.entries e SET until = %(generation)s - 1
WHERE e.channel_id = %(channel_id)s AND e.until IS NULL
  AND NOT EXISTS (
      SELECT FROM mirror.staged s
      WHERE s.channel_id = e.channel_id AND s.path = e.path AND s.digest = e.digest AND s.category = e.category
        AND s.media_type = e.media_type
  );

-- name: begin_entries
-- Open a row for each path that has none.
INSERT INTO mirror.entries (channel_id, path, since, category, digest, size, media_type)
SELECT %(channel_id)s, s.path, %(generation)s, s.category, s.digest, s.size, s.media_type
FROM mirror.staged s
WHERE s.channel_id = %(channel_id)s AND NOT EXISTS (
    SELECT FROM mirror.entries e
    WHERE e.channel_id = %(channel_id)s AND e.path = s.path AND e.until IS NULL
);

-- name: unread_documents
-- Contents of the generation that may name something and were never read.
SELECT DISTINCT s.digest FROM mirror.staged s
WHERE s.channel_id = %(channel_id)s AND s.category = ANY(%(categories)s) AND NOT EXISTS (SELECT FROM mirror.documents d WHERE d.digest = s.digest);

-- name: put_document
-- A content was read.
INSERT INTO mirror.documents (digest) VALUES (%(digest)s) ON CONFLICT DO NOTHING;

-- name: put_name
-- What it names, under one of the terms that people look for.
INSERT INTO mirror.names (digest, kind, term, label, purl)
VALUES (%(digest)s, %(kind)s, %(term)s, %(label)s, %(purl)s)
ON CONFLICT DO NOTHING;

-- name: list_channels
-- Channels with their newest generation, by name and id.
SELECT c.channel, c.channel_id, c.location, g.generation, g.root, to_char(g.created AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       g.files, g.content_bytes, to_char(c.indexed AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM mirror.channels c
LEFT JOIN LATERAL (
    SELECT * FROM mirror.generations n WHERE n.channel_id = c.channel_id ORDER BY n.generation DESC LIMIT 1
) g ON true
WHERE (c.channel, c.channel_id) > (%(after_channel)s, %(after_id)s)
ORDER BY c.channel, c.channel_id
LIMIT %(limit)s;

-- name: list_generations
-- Generations of the channels of one name, newest first.
SELECT c.channel, c.channel_id, c.location, g.generation, g.root, to_char(g.created AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       g.files, g.content_bytes, to_char(c.indexed AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM mirror.generations g JOIN mirror.channels c USING (channel_id)
WHERE c.channel = %(channel)s AND (g.generation, c.channel_id) < (%(before)s, %(before_id)s)
ORDER BY g.generation DESC, c.channel_id DESC
LIMIT %(limit)s;

-- name: find_content
-- Where contents were first carried whose digest begins so.
SELECT c.channel, c.channel_id, 'content', e.digest,
       min(e.since), CASE WHEN bool_or(e.until IS NULL) THEN NULL ELSE max(e.until) END,
       (array_agg(e.path ORDER BY e.since, e.path))[1], count(*)
FROM mirror.entries e JOIN mirror.channels c USING (channel_id)
WHERE e.digest >= %(low)s AND e.digest <= %(high)s AND (%(channel)s = '' OR c.channel = %(channel)s)
GROUP BY c.channel, c.channel_id, e.digest
HAVING (c.channel, c.channel_id, e.digest, 'content') > (%(after_channel)s, %(after_id)s, %(after_label)s, %(after_kind)s)
ORDER BY c.channel, c.channel_id, e.digest
LIMIT %(limit)s;

-- name: find_named
-- Where packages or advisories of that name were first carried.
SELECT c.channel, c.channel_id, n.kind, n.label,
       min(e.since), CASE WHEN bool_or(e.until IS NULL) THEN NULL ELSE max(e.until) END,
       (array_agg(e.path ORDER BY e.since, e.path))[1], count(*)
FROM mirror.names n JOIN mirror.entries e USING (digest) JOIN mirror.channels c USING (channel_id)
WHERE n.term = %(term)s AND n.kind = ANY(%(kinds)s) AND (%(channel)s = '' OR c.channel = %(channel)s)
GROUP BY c.channel, c.channel_id, n.kind, n.label
HAVING (c.channel, c.channel_id, n.label, n.kind) > (%(after_channel)s, %(after_id)s, %(after_label)s, %(after_kind)s)
ORDER BY c.channel, c.channel_id, n.label, n.kind
LIMIT %(limit)s;
