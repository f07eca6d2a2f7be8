-- Settings of the append connection. Run once after connecting.
-- The fence needs READ COMMITTED: a row that changed while its lock was waited for is read again.
-- Neither time-out leaves an append open longer than two seconds. The plans of inserts do not depend on the arguments.
SET search_path TO orchestrator;
SET default_transaction_isolation TO 'read committed';
SET synchronous_commit TO on;
SET statement_timeout TO '2s';
SET idle_in_transaction_session_timeout TO '2s';
SET plan_cache_mode TO force_generic_plan;
SET enable_seqscan TO off
