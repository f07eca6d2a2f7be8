-- Removes what became of nominal instants and was decided before $2. $1 tenant. At most 5,000 rows: if so many go there
-- may be more.
-- Locks: the rows that go, which nobody else touches; `lock_timeout` ends the statement if somebody does.
-- Index: firing_at, from its begin. LIMIT forbids every other road (see job/window.sql).
DELETE FROM firing
WHERE ctid = ANY (ARRAY(
    SELECT f.ctid FROM firing AS f WHERE f.tenant = $1 AND f.at < $2 ORDER BY f.at LIMIT 5000
))
