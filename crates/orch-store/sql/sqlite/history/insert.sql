-- A block of a commit. ?1 shard, ?2 commit number, ?3 stream, ?4 first_seq, ?5 last_seq, ?6 at, ?7 facts, ?8 leaves.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO history (shard, commit_no, stream, first_seq, last_seq, at, facts, leaves)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
