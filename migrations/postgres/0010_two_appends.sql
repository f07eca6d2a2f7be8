-- An owner may have two appends under way, each on a connection of its own; a take-over ends both.

ALTER TABLE shard_owner ADD COLUMN second_pid int4, ADD COLUMN second_started int8;

-- The ids that a whole call's key stands for are kept as they are: compressing them cost a twentieth of an append.
ALTER TABLE idempotency ALTER COLUMN jobs SET STORAGE EXTERNAL;
