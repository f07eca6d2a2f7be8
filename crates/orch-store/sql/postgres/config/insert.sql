-- Versions of declared things, in the transaction of their commit. $1 tenant, $2 kind, $3 name, $4 version, $5 at, $6 doc.
INSERT INTO config (tenant, kind, name, version, at, doc)
SELECT c.tenant, c.kind, c.name, c.version, c.at, c.doc
FROM unnest($1::int4[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::bytea[])
    AS c (tenant, kind, name, version, at, doc)
