-- The owner's saved state, in the transaction of a later commit. $1 shard, $2 commit number, $3 format, $4 state.
INSERT INTO snapshot (shard, commit_no, format, state)
VALUES ($1, $2, $3, $4)
ON CONFLICT (shard) DO UPDATE SET
    commit_no = excluded.commit_no,
    format = excluded.format,
    state = excluded.state
