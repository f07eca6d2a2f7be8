-- Which backend serves this connection: pid, and start in microseconds.
-- A pid alone may belong to somebody else by the time that it is used.
SELECT pid, (extract(epoch FROM backend_start) * 1000000)::int8
FROM pg_stat_activity
WHERE pid = pg_backend_pid()
