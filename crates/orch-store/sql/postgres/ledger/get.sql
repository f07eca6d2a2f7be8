-- The ledger's life.
SELECT incarnation
FROM ledger
