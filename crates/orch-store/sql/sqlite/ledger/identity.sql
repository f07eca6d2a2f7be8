-- The ledger's life, and the secret by which its nodes know each other.
SELECT l.incarnation, s.secret
FROM ledger AS l
CROSS JOIN node_secret AS s
