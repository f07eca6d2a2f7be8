-- Replicas: where operators want shards, which nodes give theirs up, and how nodes know each other.

-- Holds as long as the named node lives.
ALTER TABLE shard_owner ADD COLUMN wish uuid;
ALTER TABLE node ADD COLUMN draining bool NOT NULL DEFAULT false;

-- Nodes prove to each other that they read this ledger. Nobody's to read in a request.
CREATE TABLE node_secret (
    one    bool PRIMARY KEY DEFAULT true CHECK (one),
    secret bytea NOT NULL CHECK (octet_length(secret) = 32)
);
INSERT INTO node_secret (secret)
VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
GRANT SELECT ON node_secret TO orch_engine;
