-- One migration run at a time. Lock: advisory ('orch' as a number), for the transaction.
SELECT pg_advisory_xact_lock(1869767528)
