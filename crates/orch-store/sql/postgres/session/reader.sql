-- Settings of connections that read. Run once after connecting.
-- Every read goes by an index in the order that it needs. The planner's other roads are closed, because tables that
-- grew since their last ANALYZE make them look cheap (a window read by sequential scan cost 98 % of the speed). With one road left a plan is made once and kept.
SET search_path TO orchestrator;
SET default_transaction_isolation TO 'read committed';
SET default_transaction_read_only TO on;
SET statement_timeout TO '30s';
SET idle_in_transaction_session_timeout TO '10s';
SET jit TO off;
SET plan_cache_mode TO force_generic_plan;
SET enable_seqscan TO off;
SET enable_bitmapscan TO off;
SET enable_hashjoin TO off;
SET enable_mergejoin TO off;
SET enable_sort TO off;
SET enable_incremental_sort TO off
