-- Settings of connections that read for requests. Run once after connecting, after those of `session/reader.sql`.
-- From here on the session reads only, and only the rows of the tenant that `session/tenant.sql` names.
-- Filters leave a choice of indexes, which early plans for empty tables may miss: plans are not kept at once.
SET plan_cache_mode TO auto;
SET ROLE orch_api
