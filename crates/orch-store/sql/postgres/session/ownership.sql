-- Settings of connections that renew, take over and release. Run once after connecting.
-- READ COMMITTED: each statement of a take-over sees what was committed while it waited.
-- A take-over waits a little longer than an owner's transaction may stay open.
SET search_path TO orchestrator;
SET default_transaction_isolation TO 'read committed';
SET synchronous_commit TO on;
SET statement_timeout TO '3s';
SET idle_in_transaction_session_timeout TO '2s'
