-- Removes what became of nominal instants and was decided before ?2. ?1 tenant. At most 5,000 rows: if so many go there
-- may be more.
-- Index: firing_at, from its begin.
DELETE FROM firing
WHERE rowid IN (SELECT f.rowid FROM firing AS f WHERE f.tenant = ?1 AND f.at < ?2 ORDER BY f.at LIMIT 5000)
