-- Whose rows the next statements of this session may read. $1 tenant, as text. Run before each use of the connection.
SELECT set_config('orchestrator.tenant', $1, false)
