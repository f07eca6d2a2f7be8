-- The owner's saved state. ?1 shard, ?2 commit number, ?3 format, ?4 state.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO snapshot (shard, commit_no, format, state)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (shard) DO UPDATE SET
    commit_no = excluded.commit_no,
    format = excluded.format,
    state = excluded.state
