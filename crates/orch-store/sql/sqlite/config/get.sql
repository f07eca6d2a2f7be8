-- One version of a declared thing; `null` says that from it on there is none. ?1 tenant, ?2 kind, ?3 name, ?4 version.
-- Index: the primary key.
SELECT c.doc
FROM config AS c
WHERE c.tenant = ?1 AND c.kind = ?2 AND c.name = ?3 AND c.version = ?4
