-- Announces or renews a node. ?1 node, ?2 address, ?3 expires_at in ms.
-- Differs from PostgreSQL: the clock is read by `ledger/now.sql` in the same transaction, and no backend is named.
INSERT INTO node (node, address, expires_at)
VALUES (?1, ?2, ?3)
ON CONFLICT (node) DO UPDATE SET
    address = excluded.address,
    expires_at = excluded.expires_at
