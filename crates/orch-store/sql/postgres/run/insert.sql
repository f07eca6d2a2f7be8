-- Runs that began, in the transaction of their commit.
-- $1 tenant, $2 id, $3 seq, $4 at, $5 graph, $6 version, $7 spec.
INSERT INTO run (tenant, id, seq, at, graph, version, spec)
SELECT r.tenant, r.id, r.seq, r.at, r.graph, r.version, r.spec
FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::int8[], $5::text[], $6::int8[], $7::bytea[])
    AS r (tenant, id, seq, at, graph, version, spec)
