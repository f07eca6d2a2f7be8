-- Settings of connections that rotate rows and keep blobs. Run once after connecting.
-- Whoever would have to wait for a lock gives up instead, so that nobody queues behind it.
SET search_path TO orchestrator;
SET default_transaction_isolation TO 'read committed';
SET statement_timeout TO '30s';
SET idle_in_transaction_session_timeout TO '2s';
SET lock_timeout TO '50ms';
SET enable_seqscan TO off;
SET enable_bitmapscan TO off;
SET enable_sort TO off
