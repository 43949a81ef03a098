-- The statements of the index of sites.

-- name: hold_site
-- Keep other writers of the same site waiting until the transaction ends; nobody waits for a lock without end.
-- stella: allow STS003 until 2027-05-31: bounds a wait in an index that no tenant owns
SELECT set_config('lock_timeout', %(patience_ms)s, true), pg_advisory_xact_lock(hashtextextended(%(site_id)s, 1));

-- name: put_site
-- Enter a site, or say how it stands now.
INSERT INTO site.sites (site_id, site, channel, channel_id, location, active, root, indexed)
VALUES (%(site_id)s, %(site)s, %(channel)s, %(channel_id)s, %(location)s, %(active)s, %(root)s, to_timestamp(%(now)s))
ON CONFLICT (site_id) DO UPDATE
SET location = EXCLUDED.location, active = EXCLUDED.active, root = EXCLUDED.root, indexed = EXCLUDED.indexed;

-- name: put_event
-- Enter a line of a site's history; one that is there stays as it is.
INSERT INTO site.events
    (site_id, bundle, state, at, actor, approver, generation, root, reason, code, detail, why)
VALUES
    (%(site_id)s, %(bundle)s, %(state)s, %(at)s, %(actor)s, %(approver)s, %(generation)s, %(root)s, %(reason)s,
     %(code)s, %(detail)s, %(why)s)
ON CONFLICT (site_id, bundle, state, at) DO NOTHING;

-- name: count_events
-- How many events of a site there are.
SELECT count(*) FROM site.events WHERE site_id = %(site_id)s;

-- name: list_events
-- Events of all sites or of those of one name, newest first.
SELECT e.event, s.site, e.site_id, s.channel, e.bundle, e.state,
       to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), e.actor, e.approver,
       e.generation, e.root, e.reason, e.code, e.why
FROM site.events e JOIN site.sites s USING (site_id)
WHERE (%(site)s = '' OR s.site = %(site)s) AND e.event < %(before)s
ORDER BY e.event DESC
LIMIT %(limit)s;
